from dataclasses import dataclass

import numpy as np
import pytest
import torch

from faults.digest import digest


@dataclass
class Box:
    corners: np.ndarray


def content():
    return {"a": [np.arange(3.0), torch.zeros(2)], "b": Box(np.zeros(4)), "c": ("text", None, 1)}


def test_equal_content_has_equal_digests():
    assert digest(content()) == digest(content())


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x["a"].__setitem__(0, np.array([0.0, 1.0, np.nextafter(2.0, 3.0)])),
        lambda x: x["a"].__setitem__(0, np.arange(3)),  # another type
        lambda x: x["a"].__setitem__(1, torch.zeros(2, 1)),
        lambda x: x["b"].corners.__setitem__(3, 1.0),
        lambda x: x.update(c=("text", None, True)),
        lambda x: x.update(d=0),
    ],
)
def test_other_content_has_another(change):
    changed = content()
    change(changed)
    assert digest(changed) != digest(content())
