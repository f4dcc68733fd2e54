import re

import numpy as np
import pytest
from detectron2.config import get_cfg

from inet_d2.baselines.descriptors import DESCRIPTOR_REGISTRY, build_descriptor
from inet_d2.config import add_inet_config
from places import ROOT


def settings(name):
    cfg = get_cfg()
    add_inet_config(cfg)
    cfg.TWO_STEP.DESCRIPTOR = name
    return cfg.TWO_STEP


@pytest.mark.parametrize("name", ["LOMO", "BagOfWords", "DenseColourSift"])
def test_every_descriptor_by_name(name):
    descriptor = build_descriptor(settings(name))
    assert type(descriptor).__name__ == name
    blank = np.zeros((2, *descriptor.size, 3), dtype=np.uint8)
    blank[1] = 200
    if name == "BagOfWords":
        descriptor.words = np.eye(11, dtype=np.float32).repeat(32, axis=0)[:350]
        descriptor.fit([blank])
    rows = descriptor.describe(blank)
    assert rows.dtype == np.float32
    assert len(rows) == 2


def test_one_of_the_users():
    """The example of docs/baselines.md."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/baselines.md").read_text(), re.S)
    try:
        exec(code, {})
        descriptor = build_descriptor(settings("MeanColour"))
        assert descriptor.size == (64, 32)
        crops = np.full((2, 64, 32, 3), (10, 20, 30), dtype=np.uint8)
        np.testing.assert_array_equal(descriptor.describe(crops), [[10, 20, 30]] * 2)
    finally:
        del DESCRIPTOR_REGISTRY._obj_map["MeanColour"]


def test_unknown_name():
    with pytest.raises(ValueError, match="expected one of BagOfWords, DenseColourSift, LOMO, found 'SIFT'"):
        build_descriptor(settings("SIFT"))
