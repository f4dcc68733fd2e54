import cv2
import numpy as np
import pytest


@pytest.fixture
def make_crops():
    """make_crops(n, height, width): smooth random crops, the same each time."""

    def make(count, height, width, seed=0):
        rng = np.random.default_rng(seed)
        small = rng.integers(0, 256, (count, 12, 6, 3), dtype=np.uint8)
        return np.stack([cv2.resize(crop, (width, height), interpolation=cv2.INTER_LINEAR) for crop in small])

    return make
