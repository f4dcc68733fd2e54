"""What a run left out is summed up at its end, and leaving it out does not harm an exact resume."""

import logging
import shutil
from pathlib import Path

import pytest
import torch

from inet_d2.data.bad_samples import LoadingError
from inet_d2.engine import INetTrainer


@pytest.fixture
def broken_scenes(tiny_scenes, tmp_path, monkeypatch):
    """The tiny scenes with one training frame cut off; its name."""
    root = tmp_path / "scenes"
    shutil.copytree(tiny_scenes, root)
    monkeypatch.setenv("DETECTRON2_DATASETS", str(root))
    return root


def cut(cfg):
    """Cut off a frame that the first pairs show."""
    loader = INetTrainer.build_train_loader(cfg)
    path = Path(next(iter(loader))[0]["file_name"])
    path.write_bytes(path.read_bytes()[:3000])
    return path.name


@pytest.mark.parametrize("kind", ["pairs", "crops", "images"])
def test_a_run_over_a_bad_image_is_told_and_resumes_exactly(run_cfg, broken_scenes, tmp_path, caplog, kind):
    options = ["SOLVER.MAX_ITER", 4, "SOLVER.CHECKPOINT_PERIOD", 2, "SEED", 1, "DATALOADER.ON_BAD_SAMPLE", "skip",
               "DATALOADER.MAX_BAD_SHARE", 0.5]  # fmt: skip
    name = cut(run_cfg(kind, *options))
    with caplog.at_level(logging.WARNING):
        INetTrainer(run_cfg(kind, *options)).train()
    told = [line.getMessage() for line in caplog.records if name in line.getMessage()]
    assert len(told) == 2
    assert told[0].startswith("Left out, another sample takes its place: image ")
    assert "samples since iteration 0 could not be loaded, and others took their place: " in told[1]

    options += ["OUTPUT_DIR", tmp_path / "stopped"]
    (tmp_path / "stopped").mkdir()
    shutil.copy(tmp_path / "run" / "model_0000001.pth", tmp_path / "stopped")
    resumed = INetTrainer(run_cfg(kind, *options, "DATALOADER.NUM_WORKERS", 2))
    resumed.resume_or_load(resume=True)
    resumed.train()
    files = [torch.load(tmp_path / run / "model_final.pth", weights_only=True)["model"] for run in ("run", "stopped")]
    assert all(torch.equal(value, files[1][key]) for key, value in files[0].items())


def test_too_many_end_the_run(run_cfg, broken_scenes):
    options = ["SEED", 1, "DATALOADER.ON_BAD_SAMPLE", "skip", "DATALOADER.MAX_BAD_SHARE", 0.0]
    name = cut(run_cfg("pairs", *options))
    with pytest.raises(LoadingError, match=rf"could not be loaded \(image .*{name}.* allows; repair the data set"):
        INetTrainer(run_cfg("pairs", *options)).train()
