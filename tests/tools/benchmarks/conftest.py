from types import SimpleNamespace

import pytest

from places import ROOT


@pytest.fixture(scope="package")
def tiny():
    """A configuration whose steps take no time."""
    return ROOT / "configs/quick_schedules/inet_instant_test.yaml"


@pytest.fixture(scope="package")
def options(tiny):
    # Not every torch can clip sparse gradients.
    opts = ["SOLVER.CLIP_GRADIENTS.ENABLED", "False"]
    return SimpleNamespace(config_file=tiny, opts=opts, people=3, clock="wall", repetitions=2, identities=[20, 40])
