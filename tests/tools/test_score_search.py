import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from inet_d2.data.datasets import load_protocol
from inet_d2.evaluation import load_scoring_data, score_predictions
from inet_d2.evaluation.graph_matching import context_of_queries

TEST = "cuhk_sysu_test"


@pytest.fixture
def path(predictions, tmp_path):
    predictions.save(tmp_path / "p.npz")
    return tmp_path / "p.npz"


@pytest.fixture
def score(tool):
    module = tool("score_search")
    return lambda *arguments: module.main(["--dataset", TEST, "--predictions", *map(str, arguments)])


def test_figures_as_json_and_table(score, path, predictions, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert score(path, "--gallery-size", "50", "100", "all", "--json", out) == 0
    written = json.loads(out.read_text())
    expected = score_predictions(predictions, load_scoring_data(TEST, [50, 100, 0])).as_dict()
    assert written == expected
    assert list(written["search"]) == ["50", "100", "all"]
    assert set(written["detection"]) == {"AP", "recall", "recall_labelled"}
    table = capsys.readouterr().out
    assert f"| all     | {expected['search']['all']['mAP']:6.2f} |" in table
    assert f"detection: AP {expected['detection']['AP']:.2f}" in table


def test_options_reach_the_scoring(score, path, predictions, tmp_path):
    out = tmp_path / "out.json"
    options = ["--rules", "seqnet", "--ap", "trapezoid", "--score-thresh", "0.7"]
    assert score(path, "--gallery-size", "50", *options, "--json", out) == 0
    data = load_scoring_data(TEST, [50])
    expected = score_predictions(predictions, data, rules="seqnet", ap="trapezoid", score_thresh=0.7)
    assert json.loads(out.read_text()) == expected.as_dict()


def test_graph_matching(score, path, predictions, tmp_path):
    context = context_of_queries(predictions)
    context.save(tmp_path / "c.npz")
    out = tmp_path / "out.json"
    assert score(path, "--gallery-size", "50", "--cbgm", "--context", tmp_path / "c.npz", "--json", out) == 0
    expected = score_predictions(predictions, load_scoring_data(TEST, [50]), context=context)
    assert json.loads(out.read_text()) == expected.as_dict()
    assert "50" in expected.search_cbgm


def test_no_frame_is_opened(score, path, tiny_datasets, tmp_path, monkeypatch):
    """Annotations without the folder of frames, and only the asked protocol file."""
    copy = tmp_path / "copy" / "CUHK-SYSU" / "annotation"
    source = tiny_datasets / "CUHK-SYSU" / "annotation"
    for name in ("Images.mat", "pool.mat", "test/train_test/TestG100.mat"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((source / name).read_bytes())
    assert score(path, "--gallery-size", "100", "--json", tmp_path / "one.json") == 0
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "copy"))
    assert score(path, "--gallery-size", "100", "--json", tmp_path / "two.json") == 0
    assert (tmp_path / "one.json").read_text() == (tmp_path / "two.json").read_text()


def test_plot_of_several_files(score, path, predictions, tmp_path):
    replace(predictions, gallery_scores=predictions.gallery_scores / 2 + 0.5).save(tmp_path / "q.npz")
    plot, out = tmp_path / "plot", tmp_path / "out.json"  # without a suffix it is a .png
    assert score(path, tmp_path / "q.npz", "--gallery-size", "50", "all", "--plot", plot, "--json", out) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert list(json.loads(out.read_text())) == [str(path), str(tmp_path / "q.npz")]
    assert not [p for p in tmp_path.iterdir() if ".tmp" in p.name]


def test_intervals_and_differences(score, path, predictions, tmp_path, capsys):
    noise = np.random.default_rng(1).standard_normal(predictions.gallery_embeddings.shape)
    replace(predictions, gallery_embeddings=predictions.gallery_embeddings + noise).save(tmp_path / "n.npz")
    assert score(path, tmp_path / "n.npz", "--gallery-size", "50", "--intervals", "--json", tmp_path / "s.json") == 0
    first, second = json.loads((tmp_path / "s.json").read_text()).values()
    low, high = first["intervals"]["50"]["mAP"]
    assert low < first["search"]["50"]["mAP"] < high
    assert "minus_first" not in first
    found = second["minus_first"]["50"]["mAP"]
    assert found["difference"] == pytest.approx(second["search"]["50"]["mAP"] - first["search"]["50"]["mAP"])
    shown = capsys.readouterr().out
    assert f"gallery 50, 95 % over queries: mAP {low:.2f} to {high:.2f}, top1 " in shown
    assert f"gallery 50, minus the first file: mAP {found['difference']:+.2f} ({found['low']:+.2f} to " in shown


def test_queries_one_by_one(score, path, tmp_path):
    out = tmp_path / "queries.csv"
    assert score(path, "--gallery-size", "50", "all", "--per-query", out, "--json", tmp_path / "s.json") == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    num_queries = load_protocol(TEST, 50).num_queries
    assert [row["gallery"] for row in rows] == ["50"] * num_queries + ["all"] * num_queries
    figures = json.loads((tmp_path / "s.json").read_text())["search"]["50"]
    mean = np.mean([float(row["ap"]) for row in rows[:num_queries]])
    assert 100 * mean == pytest.approx(figures["mAP"])
    assert {row["predictions"] for row in rows} == {str(path)}


def test_the_worst_queries_with_pictures(score, path, tmp_path):
    page = tmp_path / "worst.html"
    assert score(path, "--gallery-size", "50", "--failures", page) == 0
    text = page.read_text()
    assert f"{path}, {TEST}, gallery 50: mAP " in text
    assert "data:image/jpeg;base64," in text
    assert "The frames are not there." not in text


def test_failures_without_frames(score, path, tmp_path, monkeypatch, tiny_datasets):
    bare = tmp_path / "bare" / "CUHK-SYSU"
    bare.mkdir(parents=True)
    (bare / "annotation").symlink_to(tiny_datasets / "CUHK-SYSU" / "annotation")
    monkeypatch.setenv("DETECTRON2_DATASETS", str(bare.parent))
    assert score(path, "--gallery-size", "50", "--failures", tmp_path / "worst.html") == 0
    assert "The frames are not there." in (tmp_path / "worst.html").read_text()


def test_rows_that_are_not_of_unit_length_are_told(score, path, predictions, tmp_path, caplog):
    assert score(path, "--gallery-size", "50") == 0
    assert "rows are not of unit length" in caplog.text
    caplog.clear()
    rows = predictions.gallery_embeddings
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    replace(predictions, gallery_embeddings=unit).save(tmp_path / "unit.npz")
    assert score(tmp_path / "unit.npz", "--gallery-size", "50") == 0
    assert "unit length" not in caplog.text


@pytest.mark.parametrize(
    "option", ["--json", "--plot", "--detection-plot", "--detection-csv", "--per-query", "--failures"]
)
def test_predictions_are_never_replaced(score, path, option, capsys):
    before = path.read_bytes()
    assert score(path, "--gallery-size", "50", option, path) == 2
    assert f"score_search: {option}: {path} is read here and would be replaced" in one_sentence(capsys)
    assert path.read_bytes() == before


def test_detection_curves_as_picture_table_and_figure(score, path, predictions, tmp_path, capsys):
    predictions.save(tmp_path / "q.npz")
    plot, table, out = tmp_path / "plot.svg", tmp_path / "curve.csv", tmp_path / "out.json"
    words = ["--detection-plot", plot, "--detection-csv", table, "--json", out, "--score-thresh", "0.6"]
    assert score(path, tmp_path / "q.npz", "--gallery-size", "50", *words, "--labels", "ours", "theirs") == 0
    assert b"<svg" in plot.read_bytes()
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["predictions"] for row in rows} == {str(path), str(tmp_path / "q.npz")}
    # Annotated boxes: every detection matches, so precision is 1 and recall is what the threshold leaves.
    kept = np.sort(predictions.gallery_scores[predictions.gallery_scores >= 0.6])[::-1]
    mine = [row for row in rows if row["predictions"] == str(path)]
    assert [float(row["threshold"]) for row in mine] == kept.tolist()
    assert {float(row["precision"]) for row in mine} == {1.0}
    share = len(kept) / len(predictions.gallery_scores)
    assert float(mine[-1]["recall"]) == pytest.approx(share)
    detection = json.loads(out.read_text())[str(path)]["detection"]
    assert detection["log_average_miss_rate"] == pytest.approx(100 * (1 - share))
    assert f"log_average_miss_rate {100 * (1 - share):.2f}" in capsys.readouterr().out


def test_two_outputs_are_two_files(score, path, tmp_path, capsys):
    assert score(path, "--json", tmp_path / "a", "--per-query", tmp_path / "a") == 2
    assert f"--per-query: {tmp_path / 'a'} is what --json writes; name another file" in capsys.readouterr().err


def test_labels_name_the_lines_of_a_plot(tool):
    scores = {"search": {"50": {"mAP": 1.0, "top1": 2.0}}}
    figure = tool("score_output").draw_plot({"x.npz": scores, "y.npz": scores}, 10, ["I-Net", "OIM"])
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["I-Net", "OIM"]


def test_plot_without_matplotlib(score, path, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert score(path, "--gallery-size", "50", "--plot", tmp_path / "plot.png") == 2
    assert "score_search: a plot of gallery sizes needs matplotlib, and there is none; install it" in one_sentence(
        capsys
    )


def one_sentence(capsys):
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    return error[0]


def test_file_of_another_data_set(score, predictions, tmp_path, capsys):
    names = predictions.gallery_names.copy()
    names[0] = "other.jpg"
    replace(predictions, gallery_names=names).save(tmp_path / "p.npz")
    assert score(tmp_path / "p.npz", "--gallery-size", "50") == 2
    assert "p.npz: gallery_names: expected all 10 images of the data set, found 1 missing" in one_sentence(capsys)


def test_missing_protocol_and_missing_file(score, path, tmp_path, capsys):
    assert score(path, "--gallery-size", "4000") == 2
    assert "TestG4000.mat is missing" in one_sentence(capsys)
    assert score(tmp_path / "absent.npz", "--gallery-size", "50") == 2
    assert "absent.npz does not exist" in one_sentence(capsys)
    assert score(path, "--gallery-size", "50", "--json", tmp_path / "no" / "folder.json") == 2
    assert "expected an existing folder" in one_sentence(capsys)


def test_cross_camera_without_cameras(score, path, capsys):
    assert score(path, "--gallery-size", "50", "--cross-camera") == 2
    assert "cross-camera search needs cameras" in one_sentence(capsys)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--gallery-size", "-5"], "expected"),
        (["--gallery-size", "many"], "expected a number, all, occlusion or resolution, found 'many'"),
        (["--cbgm"], "--cbgm and --context belong together"),
        (["--context", "c.npz"], "--cbgm and --context belong together"),
        (["--score-thresh", "50"], r"--score-thresh: expected a number in [0, 1], found 50.0"),
        (["--rules", "official"], "invalid choice"),
        (["--labels", "a", "b"], "--labels: expected 1, one for each file, found 2"),
        (["--labels", "a", "a"], "--labels: expected different names, found a a"),
    ],
)
def test_arguments_that_do_not_fit(score, path, arguments, match, capsys):
    with pytest.raises(SystemExit) as stop:
        score(path, *arguments)
    assert stop.value.code == 2
    assert match in capsys.readouterr().err


def test_unknown_data_set(tool, path, capsys):
    assert tool("score_search").main(["--dataset", "coco", "--predictions", str(path)]) == 2
    assert "coco: expected a data set with a search protocol: cuhk_sysu_test, prw_test" in one_sentence(capsys)


def test_as_a_script(run_script, path):
    assert "Examples:" in run_script("tools/score_search.py", "--help").stdout
