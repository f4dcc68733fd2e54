"""Records with small images on disk."""

import cv2
import numpy as np
import pytest
from detectron2.config import get_cfg
from detectron2.structures import BoxMode

from inet_d2.config import add_inet_config


@pytest.fixture
def cfg():
    cfg = get_cfg()
    add_inet_config(cfg)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.INPUT.MIN_SIZE_TRAIN = (0,)
    cfg.INPUT.MIN_SIZE_TEST = 0
    return cfg


@pytest.fixture
def make_record(tmp_path):
    """A function that writes a PNG of noise and returns its record: ``make_record(name, people, size=(h,
    w))``.

    ``people`` is a list of (box, pid); the image is noise seeded by its name, or ``image`` (BGR) where it is
    given.
    """

    def make(name, people=(), size=(48, 64), image=None):
        if image is None:
            seed = sum(name.encode())
            image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        path = tmp_path / name
        cv2.imwrite(str(path), image)
        annotations = [
            {
                "bbox": list(box),
                "bbox_mode": BoxMode.XYXY_ABS,
                "category_id": 0,
                "iscrowd": 0,
                "person_id": pid,
            }
            for box, pid in people
        ]
        height, width = image.shape[:2]
        return {
            "file_name": str(path),
            "image_id": name,
            "height": height,
            "width": width,
            "annotations": annotations,
        }

    return make
