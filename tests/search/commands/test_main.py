"""inet-search from the command line: index, query, calibrate, info, remove, keep, export, and what bad input gets."""

import csv
import json
import os
import shutil
import time

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from PIL import Image

from inet_d2.search import open_store
from inet_d2.search.calibration import curve_of, write_curve
from inet_d2.search.commands.main import main


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """run("query an.index --image x.png") -> code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(line, *more):
        try:
            code = main([*line.split(), *map(str, more)])
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def indexed(run, photos, colour_model):
    config, weights = colour_model
    code, stdout, stderr = run("index photos --to an.index --config-file", config, "--weights", weights)
    assert code == 0, stderr
    assert "added: 5 files with 5 people; known: 0 files" in stdout
    return run


def test_a_later_run_takes_the_precision_of_the_index_alone(indexed):
    assert indexed("index photos --to an.index --precision fp32")[0] == 0
    code, _, stderr = indexed("index photos --to an.index --precision bf16")
    assert code == 2
    assert "--precision: expected fp32, as the index has it, found bf16" in stderr


def test_from_a_picture_to_where_it_was(indexed, make, tmp_path):
    make.write(tmp_path / "q.png", make.blue)
    code, stdout, _ = indexed(
        "query an.index --image q.png --top 2 --json out/a.json --csv a.csv --html a.html --sheet a.png"
    )
    assert code == 0
    assert "the index is not calibrated" in stdout
    answer = json.loads((tmp_path / "out/a.json").read_text())
    assert [os.path.basename(row["path"]) for row in answer["found"]] == ["both.png", "blue.png"] or [
        os.path.basename(row["path"]) for row in answer["found"]
    ] == ["blue.png", "both.png"]
    assert answer["found"][0]["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert answer["is_not_found"] is None
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [row["path"] for row in rows] == [row["path"] for row in answer["found"]]
    assert rows[0]["verdict"] == "unrated"
    page = (tmp_path / "a.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 5
    assert "http" not in page.replace("http-equiv", "")
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width > 600
    assert json.loads(indexed("query an.index --image q.png --json -")[1])["pictures_searched"] == 4


def test_several_people_are_drawn_with_numbers(indexed, tmp_path):
    code, _, stderr = indexed("query an.index --image photos/both.png")
    assert code == 2
    assert "shows 2 people; say which with --person N, or give --box (numbered in both.people.png)" in stderr
    assert (tmp_path / "both.people.png").is_file()
    assert indexed("query an.index --image photos/both.png --person 2")[0] == 0


def test_numbered_people_replace_no_photo(indexed, make, tmp_path):
    make.write(tmp_path / "both.people.png", make.blue, make.green)
    before = (tmp_path / "both.people.png").read_bytes()
    indexed("index both.people.png --to an.index")
    code, _, stderr = indexed("query an.index --image photos/both.png")
    assert code == 2
    assert "--sheet (numbers the people of photos/both.png): both.people.png is read here and would be" in stderr
    assert (tmp_path / "both.people.png").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--json a --csv a", "--csv: a is what --json writes"),
        ("--json - --csv -", "--csv: standard output is what --json writes"),
        ("--html a.png --sheet a.png", "--sheet: a.png is what --html writes"),
    ],
)
def test_two_outputs_are_two_files(indexed, words, message, tmp_path):
    code, _, stderr = indexed(f"query an.index --image photos/red.png {words}")
    assert code == 2
    assert message in stderr
    assert not (tmp_path / "a").exists()


def test_what_is_said_of_a_hit_is_said_once(indexed, tmp_path):
    _, stdout, _ = indexed("query an.index --image photos/red.png --html a.html")
    assert stdout.count("copy of the query") == 1
    page = (tmp_path / "a.html").read_text()
    assert page.count("copy of the query") == 1
    assert 'class="hit no"' not in page  # without a threshold nothing is rated, and nothing pale
    with open_store("an.index") as store:
        write_curve(store, curve_of([np.array([0.99, 0.99])] * 30, [1.0] * 30, "made-up data"))
    indexed("query an.index --image photos/red.png --html b.html")
    assert 'class="hit no"' in (tmp_path / "b.html").read_text()


def test_several_pictures_make_one_query(indexed):
    line = "query an.index --image photos/red.png --image photos/both.png --person 1 --person 1 --json -"
    answer = json.loads(indexed(line)[1])
    assert [row["verdict"] for row in answer["found"][:2]] == ["copy of the query"] * 2
    assert len(answer["query"]) == 2


def test_not_found_is_said_and_is_exit_code_1(indexed, make, tmp_path):
    with open_store("an.index") as store:
        write_curve(store, curve_of([np.array([0.99, 0.99])] * 30, [1.0] * 30, "made-up data"))
    make.write(tmp_path / "q.png", (150, 150, 150))
    code, stdout, _ = indexed("query an.index --image q.png")
    assert code == 1
    assert stdout.startswith("Not found (threshold 0.990 for 4 pictures: 5% of searches for someone absent err")
    assert "below the line" in stdout
    assert "  find" not in stdout
    make.write(tmp_path / "q.png", make.blue)
    code, stdout, _ = indexed("query an.index --image q.png")
    assert code == 0
    assert stdout.startswith("Found in 2 of the rows below")
    assert "fewer than 1 in 2,000 searches for someone absent" in stdout
    assert indexed("query an.index --image q.png --false-alarms 0.01")[0] == 2  # 30 people do not support it


def test_filters(indexed, make, tmp_path):
    make.write(tmp_path / "q.png", make.red)
    for name, when in (("red", 1.0e9), ("green", 1.1e9)):
        os.utime(tmp_path / f"photos/{name}.png", (when, when))

    def paths(line):
        return [
            os.path.basename(r["path"])
            for r in json.loads(indexed(f"query an.index --image q.png --json - {line}")[1])["found"]
        ]

    indexed("index photos --to an.index")
    assert paths("--source sub/") == ["blue.png"]
    assert len(paths("--source sub/ --source green")) == 2
    today = time.strftime("%Y-%m-%d", time.localtime(time.time() - 86400))
    assert set(paths(f"--from {today}")) >= {"both.png", "blue.png"}
    assert indexed("query an.index --image q.png --from noon")[0] == 2
    assert indexed("query an.index --image q.png --from 9 --to 3")[0] == 2
    code, _, stderr = indexed("query an.index --image q.png --source nowhere")
    assert code == 2
    assert "no file of the index has that in its path" in stderr


def test_unreadable_files_are_exit_code_1(indexed, photos):
    (photos / "broken.jpg").write_bytes(b"no image")
    code, stdout, _ = indexed("index photos --to an.index")
    assert code == 1
    assert "could not be read, or not to the end: 1" in stdout
    assert "known: 5 files" in stdout


def test_missing_files_are_forgotten_when_asked(indexed, photos):
    (photos / "red.png").unlink()
    assert "forgotten, for they are gone: 1 file" in indexed("index photos --to an.index --forget-missing")[1]
    assert json.loads(indexed("info an.index --json")[1])["files"] == []
    assert "files: 4" in indexed("info an.index")[1]


def test_info(indexed, photos):
    (photos / "red.png").unlink()
    code, stdout, _ = indexed("info an.index --files")
    assert code == 0
    for line in ("files: 5", "people: 5", "moved or changed: 1", "calibrated on: None", "both.png"):
        assert line in stdout


def test_removal_of_a_source_a_person_and_times(indexed):
    assert "removed: 1 person, 1 file" in indexed("remove an.index --source green.png")[1]
    look = indexed("remove an.index --image photos/red.png --similarity 0.99")[1]
    assert "2 of 4 people are at least so alike; --yes forgets them" in look
    assert "removed: 2 people" in indexed("remove an.index --image photos/red.png --similarity 0.99 --yes")[1]
    assert "removed: 2 people" in indexed("remove an.index --from 2001-01-01")[1]
    assert "people: 0" in indexed("info an.index")[1]
    code, _, stderr = indexed("query an.index --image photos/red.png")
    assert code == 2
    assert "holds nobody" in stderr
    assert indexed("remove an.index")[0] == 2
    assert indexed("remove an.index --image photos/red.png")[0] == 2


def test_old_people_go(indexed, photos, tmp_path, colour_model):
    old = time.time() - 10 * 86400
    os.utime(photos / "red.png", (old, old))
    config, weights = colour_model
    indexed("index photos --to other.index --config-file", config, "--weights", weights)
    assert "removed: 1 person, 1 file" in indexed("keep other.index --days 5")[1]
    assert "removed: 0 people, 0 files" in indexed("keep other.index --days 5")[1]
    assert indexed("keep other.index --days -1")[0] == 2


def test_export(indexed, tmp_path):
    assert "exported: 5 people" in indexed("export an.index out.csv")[1]
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert len(rows) == 5
    assert {os.path.basename(row["path"]) for row in rows} == {"red.png", "green.png", "both.png", "blue.png"}
    assert indexed("export an.index out.txt")[0] == 2
    assert indexed("export an.index new/folder/out.csv")[0] == 0
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    assert indexed("export an.index out.parquet --source red.png")[0] == 0
    table = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert len(table) == 1
    np.testing.assert_allclose(np.linalg.norm(table[0]["embedding"]), 1.0, rtol=1e-5)


def test_calibration_without_labels_claims_nothing(indexed):
    code, stdout, _ = indexed("calibrate an.index")
    assert code == 0
    assert stdout.startswith("not calibrated: the 5 people of the index have no labels")
    code, _, stderr = indexed("calibrate an.index --dataset no_such_data")
    assert code == 2
    assert "'no_such_data': expected the name of a data set, one of " in stderr
    assert " cuhk_sysu_test," in stderr


def test_calibration_with_labels(indexed, make, tmp_path):
    records = []
    for i in range(25):
        colour = tuple(int(x) for x in 70 + 180 * np.random.default_rng(i % 22).random(3))
        people = [{"bbox": (6, 12, 18, 52), "bbox_mode": 0, "category_id": 0, "person_id": i % 22}]
        path = str(make.write(tmp_path / f"l{i}.png", colour))
        records.append({"file_name": path, "image_id": i, "height": 64, "width": 96, "annotations": people})
    DatasetCatalog.register("labelled_colours", lambda: records)
    try:
        code, _, stderr = indexed("calibrate an.index --dataset labelled_colours")
        assert code == 2
        assert "3 labelled people in labelled_colours support no rate of false alarms" in stderr
        records += [
            {**record, "file_name": shutil.copy(record["file_name"], f"{record['file_name']}.png")}
            for record in records
        ]
        code, stdout, stderr = indexed("calibrate an.index --dataset labelled_colours")
        assert code == 0, stderr
    finally:
        DatasetCatalog.remove("labelled_colours")
        MetadataCatalog.remove("labelled_colours")
    assert "22 people, " in stdout
    assert "5%     100" in stdout
    assert "1% needs 100 people" in stdout
    assert "calibrated on: labelled_colours" in indexed("info an.index")[1]
    assert "calibrated on labelled_colours" in indexed("query an.index --image photos/red.png")[1]


def test_another_models_index_is_refused(indexed, colour_model, tmp_path):
    config, _ = colour_model
    torch.save({"model": {"gain": torch.full((3,), 1.1)}}, tmp_path / "other.pth")
    code, _, stderr = indexed("query an.index --image photos/red.png --weights other.pth")
    assert code == 2
    assert "the index was made with other weights, configuration or precision" in stderr
    code, _, stderr = indexed("index photos --to an.index --config-file", config, "--weights", "other.pth")
    assert code == 2
    assert "made with another model" in stderr
    assert indexed("index photos --to an.index --fps 9")[0] == 2


def test_a_moved_file_is_shown_without_its_picture(indexed, photos, make, tmp_path):
    make.write(tmp_path / "q.png", make.green)
    (photos / "green.png").unlink()
    code, stdout, _ = indexed("query an.index --image q.png --top 1 --html a.html --sheet a.png")
    assert code == 0
    assert "green.png" in stdout
    assert "The file was moved or changed since it was indexed." in (tmp_path / "a.html").read_text()


def test_names_in_any_script(indexed, photos, make, tmp_path):
    name = "人 <img src=x onerror=alert(1)> & \u202e.png"
    make.write(photos / "plain.png", make.green, make.red)
    (photos / "plain.png").rename(photos / name)
    indexed("index photos --to an.index")
    code, stdout, _ = indexed(
        "query an.index --image", photos / name, "--person", 1, "--html", "a.html", "--sheet", "a.png"
    )
    assert code == 0
    assert "\u202e" not in stdout  # which would turn the rest of the line around
    page = (tmp_path / "a.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt; &amp;" in page


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("query none.index --image photos/red.png", "there is none; make it with: inet-search index SOURCE --to"),
        ("query photos --image photos/red.png", "expected a file, found a folder"),
        ("query photos/red.png --image photos/red.png", "expected an index of inet-search"),
        ("query an.index --image none.png", "--image none.png: no such file"),
        ("query an.index --image photos/nobody.png", "nobody was found in this picture"),
        ("query an.index --image photos/red.png --box 200 0 300 50", "inside red.png (96 x 64 pixels)"),
        ("query an.index --image photos/both.png --person 9", "--person: expected 1 to 2"),
        ("query an.index --image photos/red.png --top 0", "--top: expected at least 1"),
        ("query an.index --image photos/red.png --sheet a.txt", "--sheet: expected the name of an image file"),
        ("query an.index --image photos/red.png --sheet a.psd", "--sheet: expected the name of an image file"),
        ("query an.index --image photos/red.png --sheet photos/red.png", "--sheet: photos/red.png is read here"),
        ("query an.index --image photos/red.png --sheet photos/green.png", "photos/green.png is read here and"),
        ("query an.index --image photos/red.png --json an.index", "--json: an.index is read here"),
        ("query an.csv --image photos/red.png --json an.csv-wal", "--json: an.csv-wal is read here"),
        ("export an.csv an.csv", "export: an.csv is read here"),
        ("export an.csv photos/red.png/a.csv", "export: expected a folder that can be written to"),
        ("query an.index --image photos/red.png --html photos", "--html: expected the name of a file to write"),
        ("query an.index --image a.png --image b.png --person 1", "a.png: no such file"),
        ("index none --to new.index", "source none does not exist"),
        ("index photos --to new.index", "new.index: a new index needs a model: --config-file C"),
        ("index photos --to new.index --config-file none.yaml", "none.yaml"),
        ("index photos --to an.index --fps 0", "--fps: expected more than 0"),
        ("index photos --to an.index --batch-size 0", "--batch-size: expected at least 1"),
        ("watch none --to an.index", "watch none: no such folder"),
        ("remove an.index --source nothing", "no file of the index has that"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(indexed, tmp_path, line, message):
    shutil.copy(tmp_path / "an.index", tmp_path / "an.csv")
    (tmp_path / "an.csv-wal").touch()  # as beside an index that another process has open
    code, _, stderr = indexed(line)
    assert code == 2
    assert message in stderr
    assert "Traceback" not in stderr


def test_a_failed_start_leaves_no_index(indexed, tmp_path):
    indexed("index photos --to new.index")
    assert not (tmp_path / "new.index").exists()


def test_watch_takes_new_files_once_they_rest(indexed, photos, make):
    make.write(photos / "new.png", make.green, make.red)
    past = time.time() - 60
    for path in photos.rglob("*.png"):
        os.utime(path, (past, past))
    make.write(photos / "still_written.png", make.blue)
    code, stdout, _ = indexed("watch photos --to an.index --rounds 2 --every 0.01")
    assert code == 0
    assert "new.png: 2 people" in stdout
    assert "still_written" not in stdout
    assert "people: 7" in indexed("info an.index")[1]


@pytest.mark.parametrize("command", ["", "index", "query", "remove", "calibrate"])
def test_help_has_examples(run, command):
    code, stdout, _ = run(f"{command} --help")
    assert code == 0
    assert "Examples:" in stdout
    assert "inet-search" in stdout
