import json

import numpy as np
import pytest

from inet_d2.evaluation import SearchPredictions
from places import config_path

FAST = ["DETECTOR.STAGES", "(8, 16)", "DETECTOR.NEGATIVES", "60", "DETECTOR.LEAST_HEIGHT", "36.0"]
FAST += ["DETECTOR.SCALES_PER_OCTAVE", "2", "TEST.SEARCH.GALLERY_SIZES", "(50,)"]
ACF = ["--config-file", config_path("demo/acf.yaml")]


@pytest.fixture(scope="module")
def tool(load_script):
    return load_script("tools/train_detector.py")


def test_boxes_for_a_two_step_search(tool, load_script, tiny_datasets, tmp_path, capsys):
    out = tmp_path / "acf"
    words = [*ACF, *FAST, "OUTPUT_DIR", str(out)]
    assert tool.main(words) == 0
    results = json.loads((out / "results.json").read_text())
    assert set(results) == {"detection"}
    assert results["detection"]["AP"] > 5
    predictions = SearchPredictions.load(out / "predictions.npz")
    assert predictions.gallery_embeddings.shape == (len(predictions.gallery_boxes), 0)

    # The same command again trains nothing and finds the same.
    before = (out / "detector.npz").read_bytes()
    capsys.readouterr()
    assert tool.main(words) == 0
    assert "with the same configuration" in capsys.readouterr().out
    assert (out / "detector.npz").read_bytes() == before
    np.testing.assert_array_equal(
        SearchPredictions.load(out / "predictions.npz").gallery_boxes, predictions.gallery_boxes
    )

    search = load_script("tools/two_step_search.py")
    command = ["--config-file", config_path("baselines/bow_cosine.yaml"), "--boxes", str(out / "predictions.npz")]
    assert search.main([*command, "--output", str(tmp_path / "bow"), "TEST.SEARCH.GALLERY_SIZES", "(50,)"]) == 0
    found = json.loads((tmp_path / "bow" / "results.json").read_text())
    assert found["detection"] == results["detection"]


def test_what_does_not_fit(tool, tiny_datasets, tmp_path, capsys):
    assert tool.main([*ACF, "--train", "cuhk_sysu_test", "OUTPUT_DIR", str(tmp_path)]) == 2
    assert "expected another split than cuhk_sysu_test" in capsys.readouterr().err
    assert tool.main(["--config-file", config_path("baselines/ccf.yaml"), "OUTPUT_DIR", str(tmp_path)]) == 2
    assert "DETECTOR.WEIGHTS: expected a checkpoint" in capsys.readouterr().err
    (tmp_path / "file").write_bytes(b"")
    assert tool.main([*ACF, "OUTPUT_DIR", str(tmp_path / "file" / "o")]) == 2
    assert "OUTPUT_DIR: expected a folder that can be written to" in capsys.readouterr().err
