from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

EASY = np.uint8([[0]])


def mat_box(box):
    """A box as MATLAB stores it: the smallest integer type, or an empty double (1, 0)."""
    if box is None:
        return np.zeros((1, 0))
    if any(value != int(value) for value in box):
        return np.array([box], dtype=np.float64)
    fitting = (d for d in (np.uint8, np.uint16, np.int16, np.int32) if np.array_equal(np.array(box).astype(d), box))
    return np.array([box], dtype=next(fitting))


def struct_array(fields, rows):
    array = np.empty((1, len(rows)), dtype=[(field, object) for field in fields])
    for column, row in enumerate(rows):
        array[0, column] = tuple(row)
    return array


def cell(values, column=True):
    array = np.empty((len(values), 1) if column else (1, len(values)), dtype=object)
    array.reshape(-1)[:] = values
    return array


class CuhkSysuCopy:
    """Writes a CUHK-SYSU folder from plain lists; boxes are (x, y, width, height)."""

    def __init__(self, root: Path):
        self.root = root
        self.train_test = root / "annotation" / "test" / "train_test"
        self.train_test.mkdir(parents=True)

    def images(self, boxes_by_name):
        rows = [
            (
                name,
                len(boxes),
                struct_array(["idlocate", "ishard"], [(mat_box(b), EASY) for b in boxes]),
            )
            for name, boxes in boxes_by_name.items()
        ]
        array = struct_array(["imname", "nAppear", "box"], rows)
        savemat(self.root / "annotation" / "Images.mat", {"Img": array}, do_compression=True)

    def pool(self, names):
        savemat(self.root / "annotation" / "pool.mat", {"pool": cell(names)})

    def train(self, identities):
        cells = []
        for number, scenes in enumerate(identities):
            rows = [(name, mat_box(box), EASY) for name, box in scenes]
            scene = struct_array(["imname", "idlocate", "ishard"], rows)
            cells.append(struct_array(["idname", "nAppear", "scene"], [(f"p{number}", len(rows), scene)]))
        savemat(self.train_test / "Train.mat", {"Train": cell(cells)})

    def protocol(self, size, queries, path=None, variable=None):
        """``queries``: rows of (image, box, [(gallery image, box or None), ...])."""
        rows = []
        for number, (name, box, gallery) in enumerate(queries):
            query = struct_array(
                ["imname", "idlocate", "ishard", "idname"],
                [(name, mat_box(box), EASY, f"p{number}")],
            )
            entries = [(n, mat_box(b), mat_box(b)[:, :1]) for n, b in gallery]
            rows.append((query, struct_array(["imname", "idlocate", "ishard"], entries)))
        variable = variable or f"TestG{size}"
        path = path or self.train_test / f"{variable}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, {variable: struct_array(["Query", "Gallery"], rows)}, do_compression=True)

    def frames(self, names, size=(400, 300)):
        folder = self.root / "Image" / "SSM"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            Image.new("RGB", size).save(folder / name)


@pytest.fixture
def cuhk_copy(tmp_path):
    """An empty CUHK-SYSU folder to fill."""
    return CuhkSysuCopy(tmp_path / "CUHK-SYSU")


@pytest.fixture
def small_cuhk(cuhk_copy):
    """Three training and four test images with every oddity of the real files."""
    cuhk_copy.images(
        {
            "s10.jpg": [(200, 20, 100, 250), (5, 5, 20, 60)],  # uint8 200 + 100 would wrap to 44
            "s2.jpg": [(-3, 4, 30, 70), (300, 40, 50, 120)],  # negative coordinate
            "s3.jpg": [(1.5, 2.25, 30.5, 70.0), (9, 9, 0, 40), (10, 20, 30, 80), (10, 20, 30, 80)],
            "s7.jpg": [(11, 12, 40, 90), (60, 60, 12, 34)],
            "s8.jpg": [(21, 22, 40, 90)],
            "s9.jpg": [(31, 32, 40, 90), (131, 32, 40, 90)],
            "s1.jpg": [(41, 42, 40, 90), (260, 42, 40, 90)],
        }
    )
    cuhk_copy.pool(["s9.jpg", "s7.jpg", "s1.jpg", "s8.jpg"])
    cuhk_copy.train(
        [
            [("s10.jpg", (200, 20, 100, 250)), ("s2.jpg", (-3, 4, 30, 70)), ("s3.jpg", (10, 20, 30, 80))],
            [("s3.jpg", (1.5, 2.25, 30.5, 70.0)), ("s10.jpg", (5, 5, 20, 60))],
            [("s2.jpg", (300, 40, 50, 121)), ("s10.jpg", (9, 9, 9, 9))],  # match no annotated box
        ]
    )
    cuhk_copy.protocol(
        50,
        [
            ("s9.jpg", (31, 32, 40, 90), [("s7.jpg", (11, 12, 40, 90)), ("s8.jpg", None), ("s1.jpg", None)]),
            ("s8.jpg", (21, 22, 40, 90), [("s1.jpg", (260, 42, 40, 90)), ("s9.jpg", (131, 32, 40, 90))]),
        ],
    )
    return cuhk_copy
