"""STA through train_net.py: trained on drawn tracklets, evaluated both ways, and what it looks at."""

import json
from pathlib import Path

import pytest
import torch

from inet_d2.data import ClipMapper
from inet_d2.data.datasets import load_mars
from inet_d2.engine import INetTrainer, load_config
from inet_d2.modeling.spatial_temporal_attention import attention_maps, attention_scores
from inet_d2.scenes import tracklets
from places import config_path

PARTS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tracklets of few people, all of them covered for a while."""
    preset = tracklets.TrackletPreset((24, 5), 1, 6, (64, 32), occluded=1.0, stretch=(3, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tracklets.TRACKLET_PRESETS, "covered", preset)
        return tracklets.make_tracklets(tmp_path_factory.mktemp("covered"), "covered", progress=False)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """The model and its results after a short training."""
    output = tmp_path_factory.mktemp("run")
    options = ["OUTPUT_DIR", str(output), "MODEL.ROI_REID_HEAD.NUM_PIDS", "24", "SOLVER.MAX_ITER", "120"]
    options += ["SOLVER.IMS_PER_BATCH", "16", "SOLVER.CHECKPOINT_PERIOD", "1000"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETECTRON2_DATASETS", str(folder.parent))
        trainer = INetTrainer(load_config(config_path("quick_schedules/sta_instant_test.yaml"), options))
        trainer.train()
    return trainer.model.eval(), json.loads((output / "results.json").read_text()), trainer.cfg


def attention_to_parts(model, cfg, folder):
    """Attention times N, its mean being 1: to parts that something covers, and to parts that nothing covers then."""
    occlusions = json.loads((folder / tracklets.OCCLUSIONS_FILE).read_text())
    covered, free = [], []
    for record in load_mars(folder, "gallery"):
        with torch.no_grad():
            maps = attention_maps(model.frame_features(ClipMapper(cfg).whole(record)["frames"])[None])
        scores = attention_scores(maps, PARTS)[0] * len(record["file_names"])
        for path, frame in zip(record["file_names"], scores.tolist(), strict=True):
            line = PARTS * occlusions.get(Path(path).name, 1.0)
            covered += [frame[part] for part in range(PARTS) if part + 0.5 > line]
            free += [frame[part] for part in range(PARTS) if line < PARTS and part + 1 <= line]
    return sum(covered) / len(covered), sum(free) / len(free)


def test_both_evaluations_are_named(trained):
    _, results, _ = trained
    assert set(results) == {"reid", "reid_official"}
    # Each query is in the official gallery, so that it is a match of the same person's queries of other cameras.
    assert results["reid_official"]["queries"] > results["reid"]["queries"] > 0
    assert results["reid_official"]["skipped"] == 0
    # By chance about a fifth of the gallery is right.
    assert results["reid"]["mAP"] > 45


def test_attention_turns_away_from_what_is_covered(trained, folder):
    model, _, cfg = trained
    covered, free = attention_to_parts(model, cfg, folder)
    assert covered < free
