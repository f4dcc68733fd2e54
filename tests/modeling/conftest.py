import pytest
import torch
from detectron2.structures import Boxes, Instances

from narrow import narrow_config


@pytest.fixture
def tiny_cfg():
    """A network that takes a few milliseconds a step."""
    options = ["MODEL.BACKBONE.FREEZE_AT", 1, "MODEL.ANCHOR_GENERATOR.SIZES", [[24, 48]]]
    return narrow_config("Base-INet-VGG16.yaml", options)


@pytest.fixture
def make_image():
    """One training input: make_image([(box, pid), ...])."""

    def make(people, seed=0, size=(96, 128)):
        generator = torch.Generator().manual_seed(seed)
        boxes = torch.tensor([box for box, _ in people], dtype=torch.float32).reshape(-1, 4)
        instances = Instances(
            size,
            gt_boxes=Boxes(boxes),
            gt_classes=torch.zeros(len(people), dtype=torch.int64),
            gt_pids=torch.tensor([pid for _, pid in people], dtype=torch.int64),
        )
        image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
        return {"image": image, "instances": instances, "height": size[0], "width": size[1]}

    return make
