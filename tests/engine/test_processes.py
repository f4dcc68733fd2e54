"""Several processes: the training of one, and an end of the run when one of them is lost."""

import json
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from inet_d2.engine.processes import run_in_processes
from inet_d2.modeling.synchronised_norm import SynchronisedBatchNorm1d, synchronise_batch_norms
from places import ROOT, config_path

CONFIGS = config_path("quick_schedules")
# Processes that are copies of the first need not import everything anew.
AS_COPIES = """
import functools, runpy, sys
import torch.multiprocessing as mp
mp.spawn = mp.start_processes = functools.partial(mp.start_processes, start_method="fork")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def train(tiny_scenes, tmp_path):
    """train("crops", 2, KEY, VALUE, ...): exit code and output of a run of train_net.py in tmp_path/run."""

    def call(stage, processes, *words, extension="", torchrun=False, as_copies=False, timeout=0.2):
        # Imported in every process.
        (tmp_path / "lost_rank.py").write_text(extension)
        path = os.pathsep.join([str(ROOT), str(tmp_path), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "DETECTRON2_DATASETS": str(tiny_scenes)}
        start = ["-m", "torch.distributed.run", "--nproc-per-node", processes] if torchrun else []
        start = ["-c", AS_COPIES] if as_copies else start
        flags = [] if torchrun else ["--num-gpus", processes, "--dist-timeout", timeout]
        config = ["--config-file", f"{CONFIGS}/{stage}_instant_test.yaml"]
        opts = ["EXTENSIONS", "('lost_rank',)", "OUTPUT_DIR", tmp_path / "run"]
        command = [sys.executable, *start, ROOT / "train_net.py", *config, *flags, *words, *opts]
        done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True, timeout=600)
        return done.returncode, done.stdout + done.stderr

    return call


NO_CHANCE = ["MODEL.WEIGHTS", "", "DATASETS.TEST", "()", "INPUT.RANDOM_FLIP", "none", "MODEL.HOLD_BATCH_NORM", False,
             "MODEL.ROI_REID_HEAD.DICTIONARY.BACKGROUNDS_PER_IMAGE", 100, "SOLVER.MAX_ITER", 10]  # fmt: skip
LOSSES = "MODEL.ROI_REID_HEAD"
TRAININGS = {
    "paper": ("inet", ["SOLVER.IMS_PER_BATCH", 4, f"{LOSSES}.HEP.NUM_CLASSES", 9]),
    "crops": ("crops", ["SOLVER.IMS_PER_BATCH", 12]),
    "others": (
        "inet",
        ["SOLVER.IMS_PER_BATCH", 4, f"{LOSSES}.HEP.ENABLED", False, f"{LOSSES}.OLP.ENABLED", False,
         f"{LOSSES}.OIM.ENABLED", True, f"{LOSSES}.TRIPLET.ENABLED", True, f"{LOSSES}.SOFTMAX.ENABLED", True,
         f"{LOSSES}.VERIFICATION.ENABLED", True, f"{LOSSES}.TRIPLET.USE_DICTIONARY", True],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def float64_ends(run_script, tiny_scenes, tmp_path_factory):
    """Folder with the ends of all trainings, by one process and by two."""
    folder = tmp_path_factory.mktemp("float64")
    words = {
        name: [f"{CONFIGS}/{stage}_instant_test.yaml", *map(str, [*NO_CHANCE, *options])]
        for name, (stage, options) in TRAININGS.items()
    }
    (folder / "trainings.json").write_text(json.dumps(words))
    run_script("tests/engine/float64_training.py", folder, env={"DETECTRON2_DATASETS": str(tiny_scenes)})
    return folder


@pytest.mark.parametrize("training", TRAININGS)
def test_two_processes_train_as_one_does(float64_ends, training):
    one, two = (torch.load(float64_ends / f"{training}_{number}.pth") for number in (1, 2))
    assert len(one["losses"]) == 10
    for first, second in zip(one["losses"], two["losses"], strict=True):
        assert first == pytest.approx(second, abs=1e-5)
    assert one["model"].keys() == two["model"].keys()
    for name, value in one["model"].items():
        # The dictionary, tables and statistics of batch norm are among these.
        torch.testing.assert_close(value, two["model"][name], rtol=0, atol=1e-5, msg=name)


def test_torchrun_is_one_run_and_its_checkpoint_has_its_figures(train, tmp_path):
    code, output = train("crops", 2, "SOLVER.IMS_PER_BATCH", 12, "SOLVER.MAX_ITER", 3, torchrun=True)
    assert code == 0, output
    assert (tmp_path / "run/log.txt.rank1").exists()
    figures = json.loads((tmp_path / "run/results.json").read_text())
    # Weights in several processes, and what is saved is what was evaluated.
    weights = tmp_path / "run/model_final.pth"
    code, output = train("crops", 2, "--eval-only", "MODEL.WEIGHTS", weights, "OUTPUT_DIR", tmp_path / "again")
    assert code == 0, output
    assert json.loads((tmp_path / "run/results.json").read_text()) == figures


LOST = """
import os, signal, time
from detectron2.utils import comm
from inet_d2.engine import INetTrainer
step = INetTrainer.run_step
def run_step(self):
    if comm.get_rank() == 1 and self.iter == 1:
        {what}
    step(self)
INetTrainer.run_step = run_step
"""


@pytest.mark.parametrize(
    ("what", "expected_code", "sentence"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", 3, "process 1 was ended by SIGKILL, and the others with it; --resume"),
        ("time.sleep(1000)", 3, "a process did not answer within 0:00:06 (--dist-timeout)"),
    ],
    ids=["killed", "hanging"],
)
def test_a_lost_process_ends_the_run(train, what, expected_code, sentence):
    words = ["SOLVER.IMS_PER_BATCH", 12, "DATASETS.TEST", "()"]
    code, output = train("crops", 2, *words, timeout=0.1, extension=LOST.format(what=what), as_copies=True)
    assert sentence in output
    assert code == expected_code


def test_torchrun_and_numbers_of_processes_exclude_each_other(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ValueError, match="torchrun has started the processes; leave these out"):
        run_in_processes(print, (), per_machine=2)


def test_batch_norms_keep_their_values_and_names():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3, track_running_stats=False), nn.LayerNorm(3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    synchronise_batch_norms(model)
    assert [type(module) for module in model] == [SynchronisedBatchNorm1d, nn.BatchNorm1d, nn.LayerNorm]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_synchronised_batch_norm_computes_what_torch_does(monkeypatch, momentum):
    """With sums over one process that takes itself for several."""
    ours, theirs = (nn.BatchNorm1d(5, momentum=momentum, dtype=torch.float64) for _ in range(2))
    synchronise_batch_norms(ours)
    monkeypatch.setattr("detectron2.utils.comm.get_world_size", lambda: 2)
    for step in range(3):
        x = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(step)) * 3 + 100
        inputs = [x.clone().requires_grad_() for _ in range(2)]
        results = [norm(y) for norm, y in zip((ours, theirs), inputs, strict=True)]
        torch.testing.assert_close(*results)
        for result in results:
            (result * torch.arange(5)).cos().sum().backward()
        torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], msg=name)
