import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm

from inet_d2 import add_inet_config
from inet_d2.data.datasets import load_protocol
from inet_d2.evaluation import PersonSearchEvaluator, SearchPredictions, load_scoring_data, score_predictions
from places import ROOT

TEST = "cuhk_sysu_test"


def batches(predictions):
    """The predictions as a model gives them: (input, output) per image, query embeddings in the mapper's order."""
    queries = load_protocol(TEST, 50).queries_by_image()
    start = 0
    for name, count in zip(predictions.gallery_names.tolist(), predictions.gallery_counts.tolist(), strict=True):
        part = slice(start, start + count)
        start += count
        instances = Instances((400, 600))
        instances.pred_boxes = Boxes(torch.from_numpy(predictions.gallery_boxes[part]))
        instances.scores = torch.from_numpy(predictions.gallery_scores[part])
        instances.pred_classes = torch.zeros(count, dtype=torch.int64)
        instances.pred_embeddings = torch.from_numpy(predictions.gallery_embeddings[part])
        output = {"instances": instances}
        if name in queries:
            output["query_embeddings"] = torch.from_numpy(predictions.query_embeddings[queries[name][0]])
        yield {"image_id": name, "height": 400, "width": 600}, output


def run(evaluator, pairs):
    evaluator.reset()
    for image, output in pairs:
        evaluator.process([image], [output])
    return evaluator.evaluate()


def test_figures_equal_those_of_the_saved_file_to_the_last_bit(tiny_case, tmp_path):
    evaluator = PersonSearchEvaluator(TEST, gallery_sizes=[50, 100, 0], output_dir=str(tmp_path / "new"))
    results = run(evaluator, batches(tiny_case))
    saved = SearchPredictions.load(tmp_path / "new" / "predictions.npz")
    scores = score_predictions(saved, load_scoring_data(TEST, [50, 100, 0]))
    search = scores.search
    assert results["search"] == {
        **search["50"],
        **{f"{name}_g100": value for name, value in search["100"].items()},
        **{f"{name}_all": value for name, value in search["all"].items()},
    }
    assert results["detection"] == {name: scores.detection[name] for name in ("AP", "recall")}
    assert scores.as_dict() == score_predictions(tiny_case, load_scoring_data(TEST, [50, 100, 0])).as_dict()
    assert all(type(value) is float for figures in results.values() for value in figures.values())
    json.dumps(results)


def test_order_of_the_images_plays_no_part(tiny_case):
    evaluator = PersonSearchEvaluator(TEST, gallery_sizes=[50])
    pairs = list(batches(tiny_case))
    assert run(evaluator, pairs[::-1]) == run(evaluator, pairs)


def test_counts_are_logged(tiny_case, caplog):
    evaluator = PersonSearchEvaluator(TEST, gallery_sizes=[50], score_thresh=0.6)
    with caplog.at_level(logging.INFO, logger="inet_d2"):
        run(evaluator, batches(tiny_case))
    kept = int((tiny_case.gallery_scores >= 0.6).sum())
    assert f"6 queries, 10 images, {kept} of {len(tiny_case.gallery_scores)} detections at score >= 0.6" in caplog.text


def test_several_processes(tiny_case, monkeypatch):
    """Each process has its share of the images; the first one scores them all."""
    pairs = list(batches(tiny_case))
    expected = run(PersonSearchEvaluator(TEST, gallery_sizes=[50]), pairs)
    shares = [PersonSearchEvaluator(TEST, gallery_sizes=[50]) for _ in range(2)]
    for share, part in zip(shares, (pairs[:4], pairs[4:]), strict=True):
        share.process(*zip(*part, strict=True))
    parts = [share._outputs for share in shares]
    monkeypatch.setattr(comm, "gather", lambda data, dst=0: parts)
    assert shares[0].evaluate() == expected
    monkeypatch.setattr(comm, "is_main_process", lambda: False)
    assert shares[1].evaluate() == {}


WORKER = """
import json, os, sys
import torch.distributed as dist
from inet_d2.evaluation import PersonSearchEvaluator
import torch
rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
share = torch.load(f"{folder}/share{rank}.pt", weights_only=False)
evaluator = PersonSearchEvaluator("cuhk_sysu_test", gallery_sizes=[50, 0])
for image, output in share:
    evaluator.process([image], [output])
with open(f"{folder}/result{rank}.json", "w") as file:
    json.dump(evaluator.evaluate(), file)
dist.barrier()
# Now and then torch aborts a process while it closes its group, after the work is done.
os._exit(0)
"""


def test_two_real_processes(tiny_case, tmp_path):
    pairs = list(batches(tiny_case))
    for rank, share in enumerate((pairs[:7], pairs[7:])):
        torch.save(share, tmp_path / f"share{rank}.pt")
    root = str(ROOT)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-W", "ignore", "-c", WORKER]
    workers = [subprocess.Popen([*command, str(rank), str(tmp_path)], env=environment) for rank in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    expected = run(PersonSearchEvaluator(TEST, gallery_sizes=[50, 0]), pairs)
    assert json.loads((tmp_path / "result0.json").read_text()) == expected
    assert json.loads((tmp_path / "result1.json").read_text()) == {}


def test_not_distributed_never_gathers(tiny_case, monkeypatch):
    monkeypatch.setattr(comm, "gather", lambda *_: pytest.fail("gathered"))
    evaluator = PersonSearchEvaluator(TEST, gallery_sizes=[50], distributed=False)
    assert run(evaluator, batches(tiny_case))["search"]["mAP"] > 0


def test_images_without_detections(tiny_case):
    pairs = list(batches(tiny_case))
    for _, output in pairs:
        output["instances"] = output["instances"][:0]
    results = run(PersonSearchEvaluator(TEST, gallery_sizes=[50]), pairs)
    assert {value for figures in results.values() for value in figures.values()} == {0.0}


def test_missing_image_is_named(tiny_case):
    pairs = list(batches(tiny_case))
    with pytest.raises(ValueError, match=rf"outputs for 10 images, found none for 1, first {pairs[3][0]['image_id']}"):
        run(PersonSearchEvaluator(TEST, gallery_sizes=[50]), pairs[:3] + pairs[4:])


def test_model_without_embeddings_is_named(tiny_case):
    image, output = next(batches(tiny_case))
    output["instances"].remove("pred_embeddings")
    with pytest.raises(ValueError, match=f"output of {image['image_id']}: expected instances with .*found no pred_emb"):
        PersonSearchEvaluator(TEST, gallery_sizes=[50]).process([image], [output])


@pytest.mark.parametrize("change", ["none", "one too few"])
def test_missing_query_embeddings_are_named(tiny_case, change):
    image, output = next(pair for pair in batches(tiny_case) if "query_embeddings" in pair[1])
    output["query_embeddings"] = None if change == "none" else output["query_embeddings"][:-1]
    with pytest.raises(ValueError, match=r"expected query_embeddings of its . query boxes, found (none|0)"):
        PersonSearchEvaluator(TEST, gallery_sizes=[50]).process([image], [output])


def test_query_outside_its_image_is_refused(tiny_case):
    image, output = next(pair for pair in batches(tiny_case) if "query_embeddings" in pair[1])
    with pytest.raises(ValueError, match=r"query \d: expected a box inside .* \(1 x 400 pixels\)"):
        PersonSearchEvaluator(TEST, gallery_sizes=[50]).process([{**image, "width": 1}], [output])


def test_built_from_the_configuration(tiny_case, tmp_path):
    cfg = get_cfg()
    add_inet_config(cfg)
    cfg.TEST.SEARCH.GALLERY_SIZES = (100,)
    cfg.TEST.SEARCH.SCORE_THRESH = 0.9
    cfg.TEST.SEARCH.AP = "trapezoid"
    cfg.TEST.SEARCH.RULES = "seqnet"
    results = run(PersonSearchEvaluator(cfg, TEST, output_dir=str(tmp_path)), batches(tiny_case))
    data = load_scoring_data(TEST, [100])
    scores = score_predictions(tiny_case, data, score_thresh=0.9, ap="trapezoid", rules="seqnet")
    assert results["search"] == scores.search["100"]
    assert {path.name for path in tmp_path.iterdir()} == {"predictions.npz", "context.npz"}
    assert np.load(tmp_path / "context.npz")["context_counts"].shape == (6,)
