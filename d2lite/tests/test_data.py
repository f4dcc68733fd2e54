import itertools

import numpy as np
import pytest
from detectron2.data import build_detection_test_loader, build_detection_train_loader
from detectron2.data import transforms as T
from detectron2.data.common import AspectRatioGroupedDataset
from detectron2.data.samplers import InferenceSampler, TrainingSampler
from detectron2.utils import comm
from torch.utils.data import SequentialSampler


def take(iterable, count):
    return list(itertools.islice(iter(iterable), count))


def test_samplers_golden(monkeypatch):  # G9
    stream = [5, 3, 4, 6, 0, 2, 1, 2, 6, 3, 1, 5, 0, 4, 0, 6, 3, 4, 2, 5, 1]
    assert take(TrainingSampler(7, seed=3), 21) == stream
    assert take(TrainingSampler(7, seed=-1), 7) == [2, 1, 3, 6, 4, 5, 0]
    parts = []
    for world, rank in ((2, 0), (2, 1), (3, 0), (3, 1), (3, 2)):
        monkeypatch.setattr(comm, "get_world_size", lambda world=world: world)
        monkeypatch.setattr(comm, "get_rank", lambda rank=rank: rank)
        parts.append(list(InferenceSampler(7)))
        if world == 2:
            assert take(TrainingSampler(7, seed=3), 8) == stream[rank:16:2]
    assert parts == [[0, 1, 2, 3], [4, 5, 6], [0, 1, 2], [3, 4], [5, 6]]


def test_aspect_grouping_golden():  # G10
    sizes = [(2, 1), (1, 2), (1, 1), (2, 1), (1, 2), (3, 1), (3, 1)]
    batches = AspectRatioGroupedDataset([{"i": i, "width": w, "height": h} for i, (w, h) in enumerate(sizes)], 2)
    assert [[x["i"] for x in batch] for batch in batches] == [[1, 2], [0, 3], [5, 6]]


@pytest.mark.parametrize("grouping", [True, False])
def test_workers_take_chunks(grouping):  # G10; without grouping a chunk is a batch, with grouping the batches mix
    items = [{"i": i, "width": 1, "height": 1} for i in range(8)]
    options = {"sampler": SequentialSampler(items), "total_batch_size": 2, "aspect_ratio_grouping": grouping}
    loader = build_detection_train_loader(items, mapper=dict, num_workers=2, **options)
    batches = [[x["i"] for x in batch] for batch in take(loader, 4)]
    assert batches == ([[0, 2], [1, 3], [4, 6], [5, 7]] if grouping else [[0, 1], [2, 3], [4, 5], [6, 7]])
    loader = build_detection_test_loader([3, 4, 5], mapper=float, batch_size=2)
    assert (len(loader), list(loader)) == (2, [[3.0, 4.0], [5.0]])


SHAPES = {(1080, 1920, 600, 1000): (562, 1000), (1080, 1920, 800, 1333): (750, 1333)}
SHAPES |= {(480, 640, 800, 1333): (800, 1067), (427, 640, 800, 1333): (800, 1199)}
SHAPES |= {(333, 500, 600, 1000): (600, 901), (768, 1365, 900, 1500): (844, 1500)}


def test_transforms():  # G7 and F2
    assert {shape: T.ResizeShortestEdge.get_output_shape(*shape) for shape in SHAPES} == SHAPES
    aug_input = T.AugInput(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    transforms = T.AugmentationList([T.ResizeShortestEdge(4, 99, "choice"), T.RandomFlip(prob=1.0)])(aug_input)
    assert aug_input.image.shape == (4, 8, 3)
    assert transforms.apply_box(np.array([[0.0, 0, 1, 2]])).tolist() == [[6.0, 0, 8, 4]]  # doubled, mirrored
    resize = T.ResizeTransform(96, 128, 64, 85)  # 30 * 85 / 128 = 19.92, 20 * 64 / 96 = 13.33; integers truncate
    assert resize.apply_box(np.array([[30, 20, 60, 70]])).tolist() == [[19, 13, 39, 46]]
    near = [[19.921875, 13.333333, 39.84375, 46.666667]]
    np.testing.assert_allclose(resize.apply_box(np.array([[30.0, 20, 60, 70]])), near, rtol=1e-6)
