import re

import pytest
import yaml

from inet_d2.engine import load_config
from inet_d2.reproduction import Reproduction, Step
from places import ROOT

TABLES = yaml.safe_load((ROOT / "tools/paper_tables.yaml").read_text())


def test_a_configuration_that_train_net_wrote_is_that_of_the_run(tmp_path):
    config = ROOT / "configs/demo/inet.yaml"
    (tmp_path / "config.yaml").write_text(load_config(str(config), ["SEED", "4", "OUTPUT_DIR", "x"]).dump())
    step = Step("", "joint stage", tmp_path, [], config, ["SEED", "4"])
    assert step.state() == "unfinished"
    other = Step("", "joint stage", tmp_path, [], config, ["SEED", "5", "INPUT.MIN_SIZE_TRAIN", "(9, 9)"])
    with pytest.raises(
        ValueError, match=re.escape("INPUT.MIN_SIZE_TRAIN [240] instead of [9, 9], SEED 4 instead of 5")
    ):
        other.state()


def test_every_run_has_its_configuration_and_every_row_its_run():
    for name, scale in TABLES["scales"].items():
        kind = scale.get("like", name)
        base = TABLES["scales"][kind]
        runs = {**base["runs"], **scale.get("runs", {})}
        # A scale like another changes its runs and adds none.
        assert kind == name or runs.keys() == base["runs"].keys()
        for run in runs.values():
            (script,) = run.keys() & {"config", "detector", "two_step"}
            assert (ROOT / run[script]).exists()
            assert run.get("from", "crops") in runs
        assert set(scale.get("detectors", {}).values()) <= set(runs)
        for table in TABLES["tables"].values():
            assert {row["runs"][kind] for row in table["rows"] if kind in row.get("runs", {})} <= set(runs)
    for table in TABLES["tables"].values():
        names = {row["name"] for row in table["rows"]}
        assert all(names.issuperset(pair) for pair in table.get("differences", ()))
        assert all(len(row["paper"]) <= len(table["columns"]) for row in table["rows"] if "paper" in row)


def test_a_run_comes_after_what_it_starts_from(tmp_path):
    plan = Reproduction(TABLES, table="table3", scale="demo", output=tmp_path, seeds=[4, 2], root=ROOT)
    steps = list(plan.steps(resume=False))
    runs = [step.folder.parts[-2:] for step in steps[:3]]
    assert runs == [("crops", "seed4"), ("initialized", "seed4"), ("initialized_longer", "seed4")]
    assert str(tmp_path / "crops/seed4/model_final.pth") in steps[1].arguments
    assert str(tmp_path / "initialized/seed4/model_final.pth") in steps[2].arguments
    assert steps[len(steps) // 2].folder == plan.folder("crops", 2)
    assert {step.state() for step in steps} == {"new"}


def test_a_figure_that_is_not_there_is_none(tmp_path):
    plan = Reproduction(TABLES, table="table3", scale="demo", output=tmp_path, seeds=[1], root=ROOT)
    assert plan.figure("inet", 1, "search/mAP") is None
    (tmp_path / "inet/seed1").mkdir(parents=True)
    (tmp_path / "inet/seed1/results.json").write_text('{"search": {"mAP": 71.5}}')
    assert plan.figure("inet", 1, "search/mAP") == 71.5
    assert plan.figure("inet", 1, "search/top1") is None
    assert next(row for row in plan.rows() if row.run == "inet").ours == [{1: 71.5}, {}]


def test_differences_leave_out_rows_of_other_scales(tmp_path):
    def pairs(scale):
        plan = Reproduction(TABLES, table="table3", scale=scale, output=tmp_path, seeds=[1], root=ROOT)
        return {(row.name, other.name) for row, other in plan.differences()}

    assert ("OLP + HEP", "OLP + softmax") in pairs("demo") & pairs("study")
    assert ("OLP, full gradient", "OLP") in pairs("demo") - pairs("study")


def test_a_scale_like_another_has_its_runs_on_scenes_of_its_own(tmp_path):
    of = {
        scale: Reproduction(TABLES, table="table1", scale=scale, output=tmp_path, seeds=[1], root=ROOT)
        for scale in ("demo", "hard", "street")
    }
    assert of["demo"].wanted == of["hard"].wanted == of["street"].wanted
    assert (
        len({str(plan.scale["scenes"]) for plan in of.values()})
        == len({plan.scale["data"] for plan in of.values()})
        == 3
    )
    assert ("I-Net", "LOMO + XQDA") in {(row.name, other.name) for row, other in of["street"].differences()}
    # Single runs of its own, beside all those of the other.
    assert of["street"].scale["runs"]["initialized"]["options"] == ["SOLVER.MAX_ITER", 700]
    assert "options" not in of["demo"].scale["runs"]["initialized"]


def test_weights_that_are_here_stand_in_the_place_of_the_first_stage(tmp_path):
    def starts(root):
        plan = Reproduction(TABLES, table="table3", scale="paper", output=tmp_path / "out", seeds=[1], root=root)
        steps = {step.folder.parent.name: step.arguments for step in plan.steps(resume=False)}
        return {
            name: words[words.index("MODEL.WEIGHTS") + 1] for name, words in steps.items() if "MODEL.WEIGHTS" in words
        }

    crops = str(tmp_path / "out/crops/seed1/model_final.pth")
    assert starts(tmp_path)["initialized_vgg16"] == crops
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/vgg16_imagenet.pth").touch()
    found = starts(tmp_path)
    assert found["initialized_vgg16"] == str(tmp_path / "datasets/vgg16_imagenet.pth")
    assert found["inet_vgg16"] == str(tmp_path / "out/initialized_vgg16/seed1/model_final.pth")
    assert crops not in found.values()


def test_a_table_without_a_row_at_the_scale_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"fig4: no row has a run at scale study; there are some at demo, .*, paper$"):
        Reproduction(TABLES, table="fig4", scale="study", output=tmp_path, seeds=[1], root=ROOT)


def test_rows_named_by_their_iterations_have_these(tmp_path):
    for scale in ("demo", "scenes100", "scenes101", "scenes102"):
        plan = Reproduction(TABLES, table="split", scale=scale, output=tmp_path, seeds=[1], root=ROOT)
        (own,) = (step for step in plan.steps(resume=False) if step.folder.parent.name == "initialized")
        assert load_config(str(own.config_file), own.options).SOLVER.MAX_ITER == 1400
    # There the run behind "400, 1,400" has half of that.
    with pytest.raises(ValueError, match="split: no row has a run at scale hard; there are some at demo, scenes100, "):
        Reproduction(TABLES, table="split", scale="hard", output=tmp_path, seeds=[1], root=ROOT)
