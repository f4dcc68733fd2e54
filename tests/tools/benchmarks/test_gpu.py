import json
from types import SimpleNamespace

import pytest
import torch

from benchmarks import gpu, gpu_cases, whole_steps
from benchmarks.whole_steps import Subjects, compiled

WORDS = ["--task", "gpu", "--device", "cpu", "--people", "3", "--minutes", "5"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(gpu_cases, "LIMIT", 0.01)  # three steps of each kind
    monkeypatch.setattr(whole_steps, "WARM_UP", 1)
    monkeypatch.setattr(gpu, "PRECISIONS", ("float32", "bf16"))
    monkeypatch.setattr(gpu, "IMAGES", (2,))
    # No compiler: seconds on a processor, and many of them.
    monkeypatch.setattr(gpu_cases, "compiled", lambda module: module)


@pytest.fixture
def measure(tool, tiny, tmp_path, capsys):
    def run(*words):
        output = tmp_path / "found.json"
        files = ["--config-files", str(tiny), "--hep-config", str(tiny), "--output", str(output)]
        assert tool("benchmark").main([*WORDS, *files, *words]) == 0
        return json.loads(output.read_text()), capsys.readouterr().out

    return run


def test_without_a_gpu_one_line_says_so(tool, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert tool("benchmark").main(["--task", "gpu"]) == 0
    assert capsys.readouterr().out == "no GPU here (torch.cuda.is_available() is False): nothing is measured\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "nothing"], "--device: expected one that PyTorch can use here, found nothing"),
        (["--device", "cuda:99"], "--device: expected one that PyTorch can use here, found cuda:99"),
        (["--device", "cpu", "--config-files", "none.yaml"], "none.yaml: cannot read"),
    ],
)
def test_input_that_does_not_fit_ends_it_before_the_work(tool, words, message, tmp_path, capsys):
    output = tmp_path / "found.json"
    assert tool("benchmark").main(["--task", "gpu", "--output", str(output), *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""
    assert not output.exists()


def test_all_parts_run_on_the_cpu(measure):
    found, shown = measure("--identities", "20", "40", "--largest-batch", "4")
    tables = found["tables"]
    assert set(tables) == set(gpu.TABLES)
    assert not [row for rows in tables.values() for row in rows if "failed" in row]
    assert [row["precision"] for row in tables["training"]] == ["float32", "float32", "bf16", "bf16"]
    for row in tables["training"] + tables["inference"]:
        peak = next(x["tflops"] for x in tables["ceilings"] if x["what"] == "product of matrices, bf16")
        assert row["peak_share"] == pytest.approx(row["gflop"] / row["step_ms"] / peak)
        assert row["images_per_s"] == pytest.approx(1e3 * row["batch"] / row["step_ms"])
    assert all(row["ratio"] == 1 for row in tables["training"] if row["model"] == "Faster R-CNN")
    inet, plain = tables["waits"]
    assert inet["waits"] == sum(inet["lines"].values())
    assert inet["of_identity_losses"] > plain["of_identity_losses"] == 0
    assert [(row["work"], row["batch"]) for row in tables["batches"]] == [
        (work, batch) for work in ("training", "testing") for batch in (2, 4)
    ]
    assert [(row["identities"], row["gradients"]) for row in tables["identities"]] == [
        (n, kind) for n in (20, 40) for kind in ("row-sparse", "dense")
    ]
    names = ["as it is", "float32", "cudnn.benchmark", "without channels_last", "backbone compiled"]
    assert [row["variant"] for row in tables["variants"]] == names * 2
    assert all(("compile_s" in row) == (row["variant"] == names[4]) for row in tables["variants"])
    assert "| inet_instant_test | as configured | float32 |" in shown


def test_what_fails_is_told_and_the_rest_measured(measure, monkeypatch):
    def fails(*_):
        raise RuntimeError("the card\nis on fire")

    monkeypatch.setattr(gpu_cases, "count_waits", fails)
    found, shown = measure("--only", "waits", "training")
    assert found["tables"]["waits"] == [
        {"config": "inet_instant_test", "what": "", "failed": "RuntimeError: the card is on fire"}
    ]
    assert len(found["tables"]["training"]) == 4
    assert "failed RuntimeError: the card is on fire" in shown


def test_a_compiler_that_fails_leaves_the_other_variants(measure, monkeypatch):
    def fails(_):
        raise NotImplementedError("no compiler")

    monkeypatch.setattr(gpu_cases, "compiled", fails)
    rows = measure("--only", "variants")[0]["tables"]["variants"]
    assert [row["failed"] for row in rows if "failed" in row] == 2 * ["NotImplementedError: no compiler"]
    assert len(rows) == 2 * 5


def test_batches_end_where_memory_does(measure, monkeypatch):
    def measured(steps, now, **options):
        if len(seen) == 2:
            raise torch.cuda.OutOfMemoryError("no more")
        seen.append(steps)
        return {"": [[1.0]]}

    seen = []
    monkeypatch.setattr(gpu_cases, "times_in_turn", measured)
    rows = measure("--only", "batches", "--largest-batch", "64")[0]["tables"]["batches"]
    training = [(row["batch"], row.get("failed")) for row in rows if row["work"] == "training"]
    assert training == [(2, None), (4, None), (8, "out of memory")]


def test_nothing_is_begun_after_the_time_is_over(measure):
    found, shown = measure("--minutes", "1e-9")
    assert found["tables"] == {}
    assert "--minutes 1e-09 are over; left out from [1/" in shown


def test_only_backbones_are_compiled(tiny):
    options = SimpleNamespace(device="cpu", people=3, opts=[])
    module = compiled(Subjects(options).get(tiny, "as configured").module)
    assert module.backbone._compiled_call_impl is not None
    assert module.roi_heads._compiled_call_impl is None


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "soon"])
def test_minutes_are_checked(tool, minutes, capsys):
    with pytest.raises(SystemExit):
        tool("benchmark").main(["--task", "gpu", "--minutes", minutes])
    assert f"--minutes: expected a number above 0, found {minutes}" in capsys.readouterr().err
