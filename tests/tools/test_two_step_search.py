import json

import numpy as np
import pytest

from inet_d2.evaluation import SearchPredictions, load_scoring_data, score_predictions
from places import config_path

FAST = ["TWO_STEP.KISSME.PCA_DIM", "10", "TWO_STEP.BOW.WORDS", "40", "TEST.SEARCH.GALLERY_SIZES", "(50,)"]
BOW = ["--config-file", config_path("baselines/bow_cosine.yaml")]


@pytest.fixture(scope="module")
def tool(load_script):
    return load_script("tools/two_step_search.py")


def test_two_sources_of_boxes_share_one_fit(tool, tiny_datasets, tmp_path, capsys):
    out = tmp_path / "a"
    assert tool.main([*BOW, "--boxes", "annotated", "--output", str(out), *FAST]) == 0
    source = SearchPredictions.load(out / "predictions.npz")
    results = json.loads((out / "results.json").read_text())
    scores = score_predictions(source, load_scoring_data("cuhk_sysu_test", [50]))
    assert results["search"] == scores.search["50"]
    assert results["detection"]["AP"] == pytest.approx(100)
    assert "BagOfWords + Cosine" in capsys.readouterr().out

    # The same boxes from a file: the same figures, beside the annotated ones.
    folders = [str(tmp_path / "b"), str(tmp_path / "b" / "annotated")]
    boxes = [str(out / "predictions.npz"), "annotated"]
    assert tool.main([*BOW, "--boxes", *boxes, "--output", *folders, *FAST]) == 0
    again = [json.loads((tmp_path / "b" / name).read_text()) for name in ("results.json", "annotated/results.json")]
    assert again == [results, results]
    found = SearchPredictions.load(tmp_path / "b" / "predictions.npz")
    np.testing.assert_array_equal(found.gallery_embeddings, source.gallery_embeddings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train", "cuhk_sysu_test"], "expected another split than cuhk_sysu_test"),
        (["--boxes", "nothing.npz"], "nothing.npz does not exist"),
        (["TWO_STEP.DESCRIPTOR", "SIFT"], "expected one of"),
        (["TWO_STEP.DESCRIPTR", "LOMO"], "DESCRIPTR"),
    ],
)
def test_what_does_not_fit(tool, tiny_datasets, tmp_path, capsys, arguments, message):
    words = [*BOW, "--boxes", "annotated", "--output", str(tmp_path / "o")]
    assert tool.main([*words, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_folder_for_each_source(tool, capsys):
    with pytest.raises(SystemExit):
        tool.main([*BOW, "--boxes", "annotated", "x.npz", "--output", "o"])
    assert "expected a folder for each of 2 sources of boxes, found 1" in capsys.readouterr().err


def test_folders_are_places_to_write_to(tool, tiny_datasets, tmp_path, capsys):
    source = tmp_path / "predictions.npz"
    source.write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")

    def refused(boxes, folders):
        assert tool.main([*BOW, "--boxes", *map(str, boxes), "--output", *map(str, folders)]) == 2
        return capsys.readouterr().err

    assert f"--output (1): {source} is read here and would be replaced" in refused([source], [tmp_path])
    assert "is what --output (1) writes" in refused(["annotated"] * 2, [tmp_path / "o"] * 2)
    assert "--output (1): expected a folder that can be written to" in refused(["annotated"], [tmp_path / "file" / "o"])
