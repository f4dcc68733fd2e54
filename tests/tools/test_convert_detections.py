import json

import numpy as np
import pytest
import torch

from inet_d2.evaluation import ContextPredictions, SearchPredictions
from inet_d2.evaluation.graph_matching import context_of_queries

TEST = "cuhk_sysu_test"


@pytest.fixture
def main(tool):
    return tool("convert_detections").main


@pytest.fixture
def cache(predictions):
    """The same predictions, of unit length, as the published code saves them: weighted, in order, without names."""
    rows = predictions.gallery_embeddings
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    ends = predictions.gallery_counts.cumsum()[:-1]
    detections = np.column_stack([predictions.gallery_boxes, predictions.gallery_scores])
    context = context_of_queries(predictions)
    boxes = np.zeros((len(context.context_scores), 5), np.float32)
    first = context.context_counts.cumsum() - context.context_counts
    boxes[first, :4], boxes[:, 4] = predictions.query_boxes, context.context_scores
    split = context.context_counts.cumsum()[:-1]
    return {
        "gallery_dets": np.split(detections, ends),
        "gallery_feats": np.split(unit * predictions.gallery_scores[:, None], ends),
        "query_dets": np.split(boxes, split),
        "query_feats": np.split(context.context_embeddings, split),
        "query_box_feats": list(predictions.query_embeddings),
    }, unit


def test_scored_as_what_was_saved(main, tool, cache, predictions, tmp_path, capsys):
    saved, unit = cache
    torch.save(saved, tmp_path / "eval_cache.pth")
    ours, context = tmp_path / "ours.npz", tmp_path / "context.npz"
    words = [tmp_path / "eval_cache.pth", ours, "--dataset", TEST, "--gallery-size", "50", "--context", context]
    assert main([str(word) for word in words]) == 0
    shown = capsys.readouterr().out
    assert f"{len(predictions.gallery_boxes)} people in {len(predictions.gallery_names)} images" in shown
    assert "They find 100.0 % of the annotated people" in shown
    assert "score them with --confidence-weight" in shown
    found = SearchPredictions.load(ours)
    assert found.gallery_names.tolist() == predictions.gallery_names.tolist()
    assert np.allclose(found.gallery_embeddings, unit, atol=1e-6)
    assert np.array_equal(found.query_embeddings, predictions.query_embeddings)
    expected = context_of_queries(predictions)
    assert np.array_equal(ContextPredictions.load(context).context_embeddings, expected.context_embeddings)

    fields = {name: getattr(predictions, name) for name in vars(predictions)}
    SearchPredictions(**{**fields, "gallery_embeddings": unit}).save(tmp_path / "truth.npz")
    figures = []
    for path in (ours, tmp_path / "truth.npz"):
        words = ["--dataset", TEST, "--predictions", path, "--gallery-size", "50", "--confidence-weight",
                 "--cbgm", "--context", context, "--json", tmp_path / "scores.json"]  # fmt: skip
        assert tool("score_search").main([str(word) for word in words]) == 0
        figures.append(json.loads((tmp_path / "scores.json").read_text()))
    assert figures[0]["detection"] == figures[1]["detection"]
    assert figures[0]["search"]["50"] == pytest.approx(figures[1]["search"]["50"])
    assert figures[0]["search_cbgm"]["50"] == pytest.approx(figures[1]["search_cbgm"]["50"])


def test_input_that_does_not_fit_is_one_sentence(main, cache, tmp_path, capsys):
    saved, _ = cache
    path, out = tmp_path / "eval_cache.pth", tmp_path / "out.npz"
    torch.save({**saved, "query_box_feats": saved["query_box_feats"][1:]}, path)

    def refused(*words):
        assert main([str(word) for word in words]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    at = ("--dataset", TEST, "--gallery-size", "50")
    assert f"convert_detections: {path}: query_dets: expected" in refused(path, out, *at)
    assert "output: expected a name that ends in .npz" in refused(path, tmp_path / "out.pth", *at)
    assert "--context: " in refused(path, out, *at, "--context", out)
    assert "nowhere: expected" in refused(path, out, "--dataset", "nowhere")
    assert not out.exists()
