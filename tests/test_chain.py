"""The whole chain on the tiny scenes, through the scripts that a user calls."""

import json
import logging

import numpy as np
import pytest
from detectron2.engine import default_argument_parser
from detectron2.utils.logger import setup_logger
from PIL import Image

from inet_d2.search.commands.main import main as search_main
from places import config_path

INET = config_path("quick_schedules/inet_instant_test.yaml")
STAGES = ("crops", "initialized", "inet")


@pytest.fixture(scope="module")
def chain(tiny_scenes, tmp_path_factory, run_script):
    """All stages, trained: a folder with crops/, initialized/ and inet/."""
    folder = tmp_path_factory.mktemp("chain")
    env = {"DETECTRON2_DATASETS": str(tiny_scenes)}
    options = []
    for stage in STAGES:
        run_script(
            "train_net.py", "--config-file", config_path(f"quick_schedules/{stage}_instant_test.yaml"), *options,
            "OUTPUT_DIR", folder / stage, env=env,
        )  # fmt: skip
        options = ["MODEL.WEIGHTS", folder / stage / "model_final.pth"]
    return folder


def figures(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("stage", STAGES)
def test_training_leaves_what_a_detectron2_user_expects(chain, stage):
    folder = chain / stage
    names = {p.name for p in folder.iterdir()}
    assert {"config.yaml", "log.txt", "metrics.json", "model_0000004.pth", "model_final.pth", "results.json"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    log = (folder / "log.txt").read_text()
    assert "Engine: detectron2 " in log
    assert log.count("figures of cuhk_sysu_test:") == 1
    # One table has the figures of both evaluators.
    table = log.split("figures of cuhk_sysu_test:")[1]
    assert all(f"| {task}" in table for task in ("search ", "detection |", "bbox "))
    last = [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]
    keys = set().union(*last)
    assert {"total_loss", "search/mAP", "search/top1", "detection/AP", "bbox/AP"} <= keys
    if stage == "initialized":
        # It detects and identifies, without pairs and without a dictionary.
        assert {"loss_random_softmax", "loss_cls", "loss_rpn_cls"} <= keys
        assert not {"loss_olp", "loss_hep", "reid/dictionary_fill"} & keys
    if stage == "inet":
        assert {"loss_olp", "loss_hep", "loss_cls", "loss_rpn_cls", "reid/dictionary_fill"} <= keys


def test_figures_and_predictions(chain, tiny_scenes):
    results = figures(chain / "inet/results.json")
    assert set(results["search"]) >= {"mAP", "top1", "top5", "top10"}
    assert set(results["detection"]) >= {"AP", "recall"}
    assert all(0 <= v <= 100 for group in ("search", "detection") for v in results[group].values())
    with np.load(chain / "inet/inference/cuhk_sysu_test/predictions.npz") as file:
        assert len(file["gallery_names"]) == 10
        assert file["gallery_counts"].sum() == len(file["gallery_boxes"]) == len(file["gallery_embeddings"])
        assert len(file["query_embeddings"]) == 6
        np.testing.assert_allclose(np.linalg.norm(file["query_embeddings"], axis=1), 1, rtol=1e-5)


@pytest.fixture
def train_net(load_script, tiny_datasets):
    """train_net.py called in this process: train_net("--eval-only", "KEY", value, ...)."""
    script = load_script("train_net.py")

    def call(*arguments):
        script.main(default_argument_parser().parse_args([str(x) for x in arguments]))

    yield call
    # A run's log handlers write to this test's output, which is closed when the test ends.
    for name in ("detectron2", "fvcore", "inet_d2"):
        logging.getLogger(name).handlers.clear()
    setup_logger.cache_clear()


def test_evaluation_alone_gives_the_figures_of_the_training(chain, train_net, tmp_path):
    train_net(
        "--config-file", INET, "--eval-only",
        "MODEL.WEIGHTS", chain / "inet/model_final.pth", "OUTPUT_DIR", tmp_path,
    )  # fmt: skip
    assert figures(tmp_path / "results.json") == figures(chain / "inet/results.json")


def test_expected_results_decide_the_exit_code(chain, train_net, tmp_path):
    with pytest.raises(SystemExit) as stop:
        train_net(
            "--config-file", INET, "--eval-only",
            "MODEL.WEIGHTS", chain / "inet/model_final.pth", "OUTPUT_DIR", tmp_path,
            "TEST.EXPECTED_RESULTS", "[['search', 'mAP', 200.0, 1.0]]",
        )  # fmt: skip
    assert stop.value.code == 1


def score(load_script, predictions, output, *options):
    arguments = ["--dataset", "cuhk_sysu_test", "--gallery-size", "50", "--predictions", predictions, "--json", output]
    assert load_script("tools/score_search.py").main([str(x) for x in (*arguments, *options)]) == 0
    return figures(output)


def test_scoring_again_gives_the_same_figures(chain, load_script, tiny_datasets, tmp_path):
    predictions = chain / "inet/inference/cuhk_sysu_test/predictions.npz"
    again = score(load_script, predictions, tmp_path / "again.json", "--score-thresh", 0.1)
    first = figures(chain / "inet/results.json")
    assert again["search"]["50"] == {k: first["search"][k] for k in again["search"]["50"]}
    assert {k: again["detection"][k] for k in ("AP", "recall")} == {k: first["detection"][k] for k in ("AP", "recall")}


def test_search_draws_a_picture(chain, tiny_scenes, tmp_path, capsys):
    frames, index = tiny_scenes / "CUHK-SYSU/Image/SSM", tmp_path / "frames.index"
    config = ["--config-file", INET, "--weights", chain / "inet/model_final.pth"]
    options = ["--min-score", 0.0]
    assert search_main([str(x) for x in ("index", frames, "--to", index, *config, *options)]) == 0
    query = ["query", index, "--image", frames / "s1.jpg", "--box", 20, 20, 60, 100, "--sheet", tmp_path / "found.png"]
    assert search_main([str(x) for x in (*query, "--top", 10)]) == 0
    table = capsys.readouterr().out
    assert len([line for line in table.splitlines() if line.endswith(".jpg") and "copy of" not in line]) == 10
    with Image.open(tmp_path / "found.png") as picture:
        assert picture.width > 400


def test_colour_baseline_writes_predictions_that_score(load_script, tiny_datasets, tmp_path):
    path = tmp_path / "p.npz"
    arguments = ["--dataset", "cuhk_sysu_test", "--output", str(path)]
    assert load_script("tools/colour_baseline.py").main(arguments) == 0
    results = score(load_script, path, tmp_path / "r.json")
    # All boxes are annotated ones.
    assert results["detection"]["recall"] == 100
    assert 0 < results["search"]["50"]["mAP"] <= 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.ROI_REID_HEAD.NUM_PIDS", 9], "NUM_PIDS is 9, but cuhk_sysu_train has 8"),
        (["MODEL.ROI_REID_HEAD.TYPO", 9], "MODEL.ROI_REID_HEAD.TYPO"),
        (["MODEL.WEIGHTS", "nowhere.pth"], "MODEL.WEIGHTS: no file nowhere.pth"),
        (["SOLVER.IMS_PER_BATCH", 3], "IMS_PER_BATCH"),
        (["DATASETS.TEST", "('prw_test',)"], "PRW"),
    ],
)
def test_errors_of_the_user_end_the_run_with_one_sentence(train_net, tmp_path, options, message, capsys):
    config = ["--config-file", INET]
    with pytest.raises(SystemExit) as stop:
        train_net(*config, "MODEL.WEIGHTS", "", *options, "OUTPUT_DIR", tmp_path)
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert message in shown.err.splitlines()[-1]
    assert "Traceback" not in shown.out + shown.err
    assert not list(tmp_path.glob("*.pth"))
    if "TYPO" not in message:  # before there is a configuration, there is no log
        assert "Traceback (most recent call last)" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(("words", "shown"), [("'Mask R-CNN is no part of this engine'", True), ("", False)])
def test_what_the_engine_lacks_is_one_sentence_if_it_has_words(train_net, tmp_path, monkeypatch, words, shown, capsys):
    name = f"lacking_{shown}"
    (tmp_path / f"{name}.py").write_text(f"def add_config(cfg):\n    raise NotImplementedError({words})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SystemExit if shown else NotImplementedError):
        train_net("EXTENSIONS", f"('{name}',)")
    assert ("error: Mask R-CNN is no part of this engine" in capsys.readouterr().err) == shown


@pytest.mark.parametrize(
    "script",
    ["demo/run_demo.py", "tools/colour_baseline.py", "tools/score_search.py",
     "tools/check_dataset.py", "tools/benchmark.py"],
)  # fmt: skip
def test_help_shows_examples(script, load_script, capsys):
    with pytest.raises(SystemExit) as stop:
        load_script(script).main(["--help"])
    assert stop.value.code == 0
    assert f"python {script}" in capsys.readouterr().out
