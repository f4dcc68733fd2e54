"""Small copies of re-identification data sets, for tests: people of one colour each, seen by two cameras."""

from pathlib import Path

import numpy as np
from PIL import Image


def person_crop(pid: int, rng: np.random.Generator, size: tuple[int, int] = (16, 8)) -> Image.Image:
    """Somebody with a colour of their own above and below, in some noise."""
    own = np.random.default_rng(pid)
    crop = np.empty((*size, 3))
    crop[: size[0] // 2], crop[size[0] // 2 :] = own.uniform(30, 220, 3), own.uniform(30, 220, 3)
    return Image.fromarray(np.clip(crop + rng.normal(0, 12, crop.shape), 0, 255).astype(np.uint8))


def write_market(root: Path, *, train_ids: int = 6, test_ids: int = 5) -> Path:
    """Write a Market-1501 folder under ``root``.

    Each training person has two crops from each of two cameras; each test person has a query from camera 1, one crop of
    the same camera and two of camera 2 in the gallery, which also has two distractors and one crop of junk.
    """
    rng = np.random.default_rng(0)
    folder = root / "Market-1501-v15.09.15"
    names = [
        f"bounding_box_train/{pid:04d}_c{c}s1_{k}.png"
        for pid in range(1, train_ids + 1)
        for c in (1, 2)
        for k in (1, 2)
    ]
    for pid in range(101, 101 + test_ids):
        names += [
            f"query/{pid:04d}_c1s1_0.png",
            *(f"bounding_box_test/{pid:04d}_c{c}s1_{k}.png" for c, k in ((1, 1), (2, 2), (2, 3))),
        ]
    names += [
        "bounding_box_test/0000_c1s1_1.png",
        "bounding_box_test/0000_c2s1_2.png",
        "bounding_box_test/-1_c2s1_3.png",
    ]
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pid = int(path.name.split("_")[0])
        person_crop(pid if pid > 0 else 900 + number, rng).save(path)
    return folder
