import json
import re

import pytest

from crop_copies import write_market
from places import config_path


@pytest.fixture
def evaluate(tool, tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    write_market(tmp_path)
    module = tool("reid_eval")

    def run(config, *words, dataset="market1501"):
        fixed = ["--config-file", config_path(f"baselines/{config}.yaml"), "--dataset", dataset]
        return module.main([*fixed, "--output", str(tmp_path / "out"), *words])

    return run


@pytest.mark.parametrize(
    ("config", "small"),
    [
        ("bow_cosine", ["TWO_STEP.BOW.WORDS", "8", "TWO_STEP.BOW.NEIGHBOURS", "2", "TEST.REID.RERANK.ENABLED", "True"]),
        ("lomo_xqda", ["TEST.REID.SINGLE_SHOT", "True"]),
    ],
)
def test_descriptors_find_people_of_one_colour(evaluate, config, small, tmp_path, capsys):
    assert evaluate(config, *small) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["reid"]["queries"] == 5
    # One gallery crop in eight is right by chance.
    assert results["reid"]["mAP"] > 60
    assert re.search(r"\| reid +\| mAP +\|", capsys.readouterr().out)
    assert (tmp_path / "out" / "config.yaml").is_file()


def test_bad_input_is_one_sentence(evaluate, capsys):
    assert evaluate("bow_cosine", dataset="cuhk_sysu") == 2
    assert "--dataset: expected a data set of crops" in capsys.readouterr().err
    assert evaluate("bow_cosine", dataset="msmt17") == 2
    assert "msmt17" in capsys.readouterr().err
    assert evaluate("lomo_xqda", "TEST.REID.RERANK.ENABLED", "True") == 2
    assert "TEST.REID.RERANK.ENABLED: expected TWO_STEP.DISTANCE Cosine" in capsys.readouterr().err
