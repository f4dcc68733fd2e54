import fcntl
import json
import re
import threading
import time
from pathlib import Path

import pytest
import torch
import yaml

from places import ROOT

TABLES = yaml.safe_load((ROOT / "tools/paper_tables.yaml").read_text())
START = ["crops", "initialized"]
# The runs of table 3 at demo scale, in order.
TABLE3 = [
    *START, "initialized_longer", "inet_olp", "inet_olp_full_gradient", "softmax", "hep", "inet_olp_softmax",
    "inet_rss", "inet",
]  # fmt: skip

# Takes the place of train_net.py: notes how it was called and leaves the files of a training. FAIL, with the name
# of a run and an exit status, makes that run fail.
TRAIN_NET = """
import json, os, sys
from pathlib import Path
import yaml
words = sys.argv[1:]
folder = Path(words[words.index("OUTPUT_DIR") + 1])
folder.mkdir(exist_ok=True)
with open("calls.txt", "a") as calls:
    calls.write(" ".join(words) + chr(10))
if Path("FAIL").exists() and folder.parent.name == Path("FAIL").read_text().split()[0]:
    print("Traceback"); print("error: no data"); sys.exit(int(Path("FAIL").read_text().split()[1]))
seed = int(words[words.index("SEED") + 1])
config = {"SEED": seed}
if "SOLVER.MAX_ITER" in words:
    config["SOLVER"] = {"MAX_ITER": int(words[words.index("SOLVER.MAX_ITER") + 1])}
(folder / "config.yaml").write_text(yaml.safe_dump(config))
(folder / "model_0000199.pth").write_text("")
(folder / "model_final.pth").write_bytes(Path("sound.pth").read_bytes())
(folder / "datasets.txt").write_text(os.environ.get("DETECTRON2_DATASETS", ""))
mAP = {"crops": 80.0, "inet": 70.0, "inet_olp": 60.0}.get(folder.parent.name, 50.0) + 2.0 * seed
results = {"search": {"mAP": mAP, "top1": mAP + 1}, "detection": {"AP": 90.0, "recall": 95.0}}
(folder / "results.json").write_text(json.dumps(results))
"""
# Takes the place of tools/two_step_search.py: mAP 1, 2, 3, ... in the order of the sources.
TWO_STEP = """
import json, sys
from pathlib import Path
import yaml
words = sys.argv[1:]
sources = words[words.index("--boxes") + 1 : words.index("--output")]
folders = [Path(w) for w in words[words.index("--output") + 1 :][: len(sources)]]
with open("searches.txt", "a") as calls:
    calls.write(" ".join(words) + chr(10))
for number, folder in enumerate(folders, 1):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"SEED": int(words[words.index("SEED") + 1])}))
    results = {"search": {"mAP": number, "top1": number + 0.5}, "detection": {"AP": 90.0, "recall": 95.0}}
    (folder / "results.json").write_text(json.dumps(results))
"""
SCORE = """
import json, sys
from pathlib import Path
import numpy as np
words = sys.argv[1:]
sizes = words[words.index("--gallery-size") + 1 : words.index("--predictions")]
files = words[words.index("--predictions") + 1 : words.index("--json")]
scores = {file: {"search": {s: {"mAP": 10.0 * n} for n, s in enumerate(sizes)}} for file in files}
Path(words[words.index("--json") + 1]).write_text(json.dumps(scores))
for file in files:
    Path(file).parent.mkdir(parents=True)
    np.savez(file, gallery_names=["scene"] * 170)
"""


@pytest.fixture
def repository(tmp_path):
    """A repository whose scripts do nothing but leave files."""
    for script, text in (
        ("train_net.py", TRAIN_NET),
        ("tools/train_detector.py", TRAIN_NET),
        ("tools/two_step_search.py", TWO_STEP),
        ("tools/score_search.py", SCORE),
        ("datasets/make_scenes.py", ""),
    ):
        (tmp_path / script).parent.mkdir(exist_ok=True)
        (tmp_path / script).write_text(text)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    torch.save({"model": {}}, tmp_path / "sound.pth")
    return tmp_path


@pytest.fixture
def module(tool, repository):
    module = tool("reproduce")
    module.ROOT = repository
    return module


@pytest.fixture
def reproduce(module, repository):
    """reproduce("table3", ...) -> exit status; everything is written to repository/out."""
    return lambda *words: module.main([words[0], "--output", str(repository / "out"), *map(str, words[1:])])


@pytest.fixture
def calls(repository):
    """What train_net.py was called with, one line per call."""
    path = repository / "calls.txt"
    return lambda: path.read_text().splitlines() if path.exists() else []


def folder_of(call):
    return Path(call.split("OUTPUT_DIR ")[1]).parts[-2:]


def test_table3_over_two_seeds(reproduce, calls, repository, capsys):
    assert reproduce("table3", "--seeds", 1, 2) == 0
    expected = [(run, f"seed{k}") for k in (1, 2) for run in TABLE3]
    assert [folder_of(call) for call in calls()] == expected
    demo = repository / "out/demo"
    first, second, control, olp = calls()[:4]
    assert "MODEL.WEIGHTS" not in first
    assert f"MODEL.WEIGHTS {demo}/crops/seed1/model_final.pth" in second
    assert f"MODEL.WEIGHTS {demo}/initialized/seed1/model_final.pth" in olp
    assert control.startswith("--config-file configs/demo/inet_rss.yaml")
    assert " MODEL.ROI_REID_HEAD.OLP.ENABLED False " in control
    assert olp.startswith("--config-file configs/demo/inet_olp.yaml")
    assert " SEED 1 " in olp
    assert " TEST.EVAL_PERIOD 0 " in olp
    # The scenes are the data set.
    assert (demo / "inet/seed1/datasets.txt").read_text() == str(demo / "datasets")
    # OLP: 62 and 64, mean 63, deviations 1 and 1, spread sqrt((1 + 1) / (2 - 1)) = 1.414.
    text = (demo / "table3.md").read_text()
    assert re.search(r"\| OLP +\| 73.6 +\| 63.0 ± 1.4 +\| 76.2 +\| 64.0 ± 1.4 +\|", text)
    assert re.search(r"\| OLP \+ HEP +\| 79.5 +\| 73.0 ± 1.4 ", text)
    # HEP minus OLP: 10 for both seeds. OLP minus the initialized model: 60 - 50.
    assert re.search(r"\| OLP \+ HEP minus OLP +\| \+10.0 ± 0.0 \(2\) +\| \+10.0 ± 0.0 \(2\) +\|", text)
    assert text in capsys.readouterr().out
    written = json.loads((demo / "table3.json").read_text())
    assert written["seeds"] == [1, 2]
    assert written["rows"][2] == {
        "name": "OLP",
        "run": "inet_olp",
        "paper": [73.6, 76.2],
        "ours": [{"1": 62.0, "2": 64.0}, {"1": 63.0, "2": 65.0}],
        "note": "",
    }
    assert not [path for path in demo.rglob("*") if ".tmp" in path.name or path.name == "model_0000199.pth"]


def test_runs_that_are_done_are_not_repeated(reproduce, calls, capsys):
    assert reproduce("table3") == 0
    assert len(calls()) == 10
    assert reproduce("table3") == 0
    assert len(calls()) == 10
    assert "10 steps, 10 of them done" in capsys.readouterr().out
    # Another seed, and another table that shares runs with this one.
    assert reproduce("table3", "--seeds", 1, 5) == 0
    assert len(calls()) == 20
    assert reproduce("table2") == 0
    assert [folder_of(call)[0] for call in calls()[20:]] == ["oim", "faster_rcnn"]


def test_results_of_other_settings_are_refused(reproduce, calls, capsys):
    assert reproduce("table3", "SOLVER.MAX_ITER", 300) == 0
    assert "SOLVER.MAX_ITER 300" in calls()[0]
    assert "all runs with SOLVER.MAX_ITER 300" in capsys.readouterr().out
    assert reproduce("table3", "SOLVER.MAX_ITER", 200) == 2
    error = capsys.readouterr().err
    assert "crops/seed1: made with SOLVER.MAX_ITER 300 instead of 200; give another --output, or remove" in error
    assert len(calls()) == 10


def test_an_unfinished_run_goes_on_with_resume(reproduce, calls, repository, capsys):
    assert reproduce("table3") == 0
    (repository / "out/demo/inet_olp/seed1/results.json").unlink()
    assert reproduce("table3") == 2
    error = capsys.readouterr().err
    assert "inet_olp/seed1: an unfinished run; add --resume to go on with it, or remove the folder" in error
    assert len(calls()) == 10
    assert reproduce("table3", "--resume") == 0
    assert folder_of(calls()[10])[0] == "inet_olp"
    assert " --resume " in calls()[10]
    assert len(calls()) == 11


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:200])])
def test_figures_without_whole_weights_do_not_count_as_done(reproduce, calls, repository, damage):
    assert reproduce("table3") == 0
    damage(repository / "out/demo/inet_olp/seed1/model_final.pth")
    assert reproduce("table3", "--resume") == 0
    assert [folder_of(call)[0] for call in calls()[10:]] == ["inet_olp"]


@pytest.mark.parametrize(("status", "expected"), [(2, 2), (1, 1), (9, 1)])
def test_a_failing_run_stops_and_leaves_the_table_of_what_is_there(
    reproduce, calls, repository, capsys, status, expected
):
    (repository / "FAIL").write_text(f"inet_olp_full_gradient {status}")
    assert reproduce("table3", "--seeds", 3) == expected
    error = capsys.readouterr().err
    assert f"train_net.py ended with exit status {status}" in error
    assert "error: no data" in error
    assert "inet_olp_full_gradient/seed3/console.txt" in error
    assert len(calls()) == 5
    text = (repository / "out/demo/table3.md").read_text()
    assert re.search(r"\| OLP +\| 73.6 +\| 66.0 ", text)
    assert re.search(r"\| OLP \+ softmax +\| 79.0 +\| not run ", text)


def test_keys_are_checked_before_anything_runs(reproduce, calls, capsys):
    assert reproduce("table3", "SOLVER.TYPO", 3) == 2
    assert "SOLVER.TYPO" in capsys.readouterr().err
    assert calls() == []


def test_a_run_without_results_is_an_error(reproduce, repository, capsys):
    (repository / "train_net.py").write_text("")
    assert reproduce("table3") == 1
    assert "ended without results.json" in capsys.readouterr().err


def test_table1_evaluates_on_annotated_boxes_too(reproduce, calls, repository, capsys):
    assert reproduce("table1") == 0
    evaluations = [call for call in calls() if "--eval-only" in call]
    on_annotated = [call for call in evaluations if "TEST.SEARCH.USE_GT_BOXES True" in call]
    assert len(on_annotated) == 6  # every trained row but the first stage, which is always evaluated that way
    last = evaluations[-1]
    run = repository / "out/demo/inet/seed1"
    assert f"TEST.SEARCH.USE_GT_BOXES True MODEL.WEIGHTS {run}/model_final.pth OUTPUT_DIR {run}/annotated" in last
    shown = capsys.readouterr().out
    assert re.search(r"\| NPSM +\| 77.9 +\| not implemented +\| 81.2 +\| not implemented +\| - ", shown)
    assert re.search(r"\| First stage, crops +\| - +\| - +\| - +\| - +\| - +\| 82.0 +\| - +\| 83.0 ", shown)
    assert re.search(r"\| Initialized model +\| 55.7 +\| 52.0 +\| 62.7 +\| 53.0 +\| - +\| 52.0 ", shown)
    assert re.search(r"\| I-Net +\| 79.5 +\| 72.0 +\| 81.5 +\| 73.0 +\| 79.9 +\| 52.0 ", shown)
    assert "Not implemented: NPSM." in shown
    assert "ResNet-50" not in shown


def test_table1_searches_in_two_steps_on_the_boxes_of_every_detector(reproduce, calls, repository, capsys):
    assert reproduce("table1") == 0
    demo = repository / "out/demo"
    searches = (repository / "searches.txt").read_text().splitlines()
    assert [re.search(r"baselines/(\w+)\.yaml", call).group(1) for call in searches] == [
        "dsift_euclidean", "dsift_kissme", "bow_cosine", "lomo_xqda",
    ]  # fmt: skip
    sources = searches[3].split("--boxes ")[1].split(" --output ")[0].split()
    assert sources == [
        "annotated",
        f"{demo}/acf/seed1/predictions.npz",
        f"{demo}/ccf/seed1/predictions.npz",
        f"{demo}/faster_rcnn/seed1/inference/cuhk_sysu_test/predictions.npz",
    ]
    # The run's own folder, which says that it is done, comes last.
    folders = searches[3].split("--output ")[1].split()[:4]
    run = demo / "lomo_xqda/seed1"
    assert folders == [str(run / "annotated"), str(run / "acf"), str(run / "ccf"), str(run)]
    # Detections 4, annotated boxes 1, ACF 2, CCF 3.
    shown = capsys.readouterr().out
    assert re.search(r"LOMO \+ XQDA +\| 68.9 +\| 4.0 +\| 74.8 +\| 4.5 +\| 72.4 +\| 1.0 +\| 78.3 +\| 1.5 ", shown)
    assert re.search(r"LOMO .* 55.5 +\| 2.0 +\| 63.0 +\| 2.5 +\| 41.2 +\| 3.0 +\| 57.1 +\| 3.5 ", shown)

    # CCF has the first stage's network; I-Net is evaluated on the boxes of both detectors.
    lines = calls()
    ccf = next(call for call in lines if "configs/demo/ccf.yaml" in call)
    assert f"DETECTOR.WEIGHTS {demo}/crops/seed1/model_final.pth" in ccf
    boxes = [call for call in lines if "TEST.SEARCH.BOXES_FROM" in call]
    assert [Path(call.split("OUTPUT_DIR ")[1]) for call in boxes] == [demo / "inet/seed1/acf", demo / "inet/seed1/ccf"]
    assert f"BOXES_FROM {demo}/acf/seed1/predictions.npz" in boxes[0]

    # All that is done is not made again; an interrupted search is.
    assert reproduce("table1") == 0
    assert len((repository / "searches.txt").read_text().splitlines()) == 4
    (run / "results.json").unlink()
    assert reproduce("table1") == 0
    assert len((repository / "searches.txt").read_text().splitlines()) == 5


def test_at_the_paper_scale_ccf_needs_weights(reproduce, calls, repository, monkeypatch, capsys):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(repository / "data"))
    assert reproduce("table1", "--scale", "paper") == 0
    assert "Left out: ccf needs datasets/vgg16_imagenet.pth, which is not here." in capsys.readouterr().out
    assert not [call for call in calls() if "configs/baselines/ccf.yaml" in call]
    assert "/ccf/" not in (repository / "searches.txt").read_text()


def test_other_tables_train_no_detector(reproduce, calls):
    assert reproduce("table3") == 0
    assert not [call for call in calls() if "acf" in call]


def test_an_unfinished_evaluation_is_simply_made_again(reproduce, calls, repository):
    assert reproduce("table1") == 0
    (repository / "out/demo/inet/seed1/annotated/results.json").unlink()
    before = len(calls())
    assert reproduce("table1") == 0
    assert [Path(call.split("OUTPUT_DIR ")[1]).name for call in calls()[before:]] == ["annotated"]


def test_table4_passes_dictionary_sizes(reproduce, calls):
    assert reproduce("table4") == 0
    sizes = [(folder_of(c)[0], re.findall(r"DICTIONARY.SIZE (\d+)", c)) for c in calls()]
    assert sizes == [
        ("crops", []),
        ("split_initialized_700", []),
        ("inet_olp_dictionary1024", ["1024"]),
        ("split_inet_olp_700", []),
        ("inet_olp_dictionary4096", ["4096"]),
        ("inet_dictionary1024", ["1024"]),
        ("split_inet_700", []),
        ("inet_dictionary4096", ["4096"]),
    ]


def test_fig4_scores_saved_predictions(reproduce, repository, capsys):
    assert reproduce("fig4") == 0
    demo = repository / "out/demo"
    assert (demo / "fig4.png").exists()
    shown = capsys.readouterr().out
    assert re.search(
        r"\| row +\| mAP, gallery 50: ours +\| mAP, gallery 100: ours +\| mAP, gallery all: ours +\|", shown
    )
    assert re.search(r"\| I-Net +\| 0.0 +\| 10.0 +\| 20.0 +\|", shown)


def test_the_paper_scale_uses_the_data_set_of_the_user(reproduce, calls, repository, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(repository / "data"))
    (repository / "datasets/make_scenes.py").write_text("raise SystemExit(3)")
    assert reproduce("table2", "--scale", "paper") == 0
    weights = repository / "out/paper/faster_rcnn_r50_c4/seed1/datasets.txt"
    assert weights.read_text() == str(repository / "data")
    assert "MODEL.WEIGHTS" not in next(call for call in calls() if "oim_r50_c4" in call)


def test_dry_run_prints_the_commands_and_writes_nothing(reproduce, calls, repository, capsys):
    assert reproduce("table3", "--dry-run", "--seeds", 1, 2) == 0
    shown = capsys.readouterr().out
    assert "[20/20] inet, seed 2 (new)" in shown
    assert len(re.findall(r"^\$ python train_net.py ", shown, re.M)) == 2 * len(TABLE3)
    assert calls() == []
    assert not (repository / "out").exists()


def test_a_step_that_another_process_takes_is_waited_for(reproduce, calls, repository, capsys):
    folder = repository / "out/demo/crops/seed1"
    folder.mkdir(parents=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=reproduce, args=("table3",))
        thread.start()
        shown, give_up = "", time.monotonic() + 60
        while "waiting" not in shown and time.monotonic() < give_up:
            time.sleep(0.01)
            shown += capsys.readouterr().out
        assert "waiting" in shown
        assert calls() == []
        (folder / "model_final.pth").write_bytes((repository / "sound.pth").read_bytes())
        (folder / "results.json").write_text(json.dumps({"search": {"mAP": 1.0, "top1": 1.0}}))
    thread.join(60)
    assert [folder_of(call)[0] for call in calls()] == TABLE3[1:]


def test_expected_time(module):
    def step(kind):
        return module.Step("", kind, Path(), [], Path(), [])

    times = {"joint stage": [100.0, 140.0], "crops": [60.0]}
    # 120 for each joint stage, 60 for the crops, and for what was never seen the mean of 120 and 60.
    left = module.remaining([step("joint stage"), step("crops"), step("evaluation")], times)
    assert left.total_seconds() == 120 + 60 + 90


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table3", "SOLVER.MAX_ITER"], "KEY VALUE: expected pairs, found SOLVER.MAX_ITER"),
        (["table3", "SEED", "3"], "SEED: expected other keys"),
        (["table3", "MODEL.WEIGHTS", "x.pth"], "MODEL.WEIGHTS: expected other keys"),
        (["table9"], "invalid choice: 'table9'"),
        (["table3", "--seeds", "one"], "invalid int value"),
    ],
)
def test_arguments_are_checked(reproduce, words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        reproduce(*words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_an_interruption_says_how_to_go_on(reproduce, module, monkeypatch, capsys):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.subprocess, "run", interrupt)
    assert reproduce("table3") == 130
    assert "the same command with --resume goes on" in capsys.readouterr().err


def test_help_shows_examples(module, capsys):
    with pytest.raises(SystemExit) as stop:
        module.main(["--help"])
    assert stop.value.code == 0
    assert "python tools/reproduce.py table3 --seeds 1 2 3" in capsys.readouterr().out
