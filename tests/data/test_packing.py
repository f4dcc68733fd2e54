import pickle
import subprocess
import sys
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from detectron2.structures import Boxes, Instances
from torch.utils.data import DataLoader

from inet_d2.data.packing import LARGE, PackedSamples

TENSORS = {
    "image": lambda: torch.arange(24, dtype=torch.uint8).reshape(3, 2, 4),
    "empty": lambda: torch.zeros(0, 4),
    "number": lambda: torch.tensor(3.5, dtype=torch.float64),
    "view": lambda: torch.arange(12).reshape(3, 4).T[::2],
    "bfloat16": lambda: torch.arange(4, dtype=torch.bfloat16),
    "learned": lambda: torch.ones(3, requires_grad=True),
    "large": lambda: torch.arange(LARGE + 5, dtype=torch.int64).to(torch.uint8),
}


def sample(name):
    people = Instances((2, 4))
    people.gt_boxes = Boxes(torch.tensor([[0.0, 1.0, 2.0, 3.0]]))
    return {"value": TENSORS[name](), "instances": people, "file_name": name}


@pytest.mark.parametrize("name", TENSORS)
def test_samples_arrive_from_a_process_as_they_were(name):
    loader = DataLoader([name], num_workers=1, collate_fn=lambda names: PackedSamples([sample(name) for name in names]))
    ((found,),) = loader
    expected = sample(name)
    assert found["value"].dtype == expected["value"].dtype
    assert found["value"].layout == expected["value"].layout
    assert found["value"].requires_grad == expected["value"].requires_grad
    assert torch.equal(found["value"].to_dense(), expected["value"].to_dense())
    assert found["file_name"] == name
    assert found["instances"].image_size == (2, 4)
    assert found["instances"].gt_boxes.tensor.tolist() == [[0.0, 1.0, 2.0, 3.0]]


def test_only_large_tensors_take_shared_memory():
    sizes = (LARGE - 1, LARGE)
    small, large = (len(ForkingPickler.dumps(PackedSamples([torch.zeros(n, dtype=torch.uint8)]))) for n in sizes)
    assert large < 2000
    assert small > LARGE - 1


def test_what_was_unpacked_may_be_written_to():
    (found,) = pickle.loads(pickle.dumps(PackedSamples([torch.zeros(3)])))
    found += 1
    assert found.tolist() == [1, 1, 1]


KILLED = """
import os, signal, time, torch
from torch.utils.data import DataLoader
from inet_d2.data.packing import LARGE, PackedSamples

def packed(items):
    return PackedSamples([torch.zeros(LARGE - 1, dtype=torch.uint8)])

if __name__ == "__main__":
    for batch in DataLoader(range(99), num_workers=2, prefetch_factor=8, collate_fn=packed):
        time.sleep(1)  # the pipe fills
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_loader_processes_end_after_a_killed_training(tmp_path):
    # They hold its output open: if one stays, this waits until the time is over.
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    result = subprocess.run([sys.executable, script], capture_output=True, timeout=120)
    assert result.returncode == -9, result.stderr
