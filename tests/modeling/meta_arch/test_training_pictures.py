import random

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from inet_d2.modeling.meta_arch.training_pictures import picture_regions, rgb_image, seen_regions
from inet_d2.randomness import seed_generators
from inet_d2.visualization.region_picture import COLOURS, HEADER, pid_colour

LEFT, RIGHT = (10, 10, 40, 80), (70, 20, 110, 90)


class Album(EventStorage):
    """Pictures that were put into a storage: name -> (iteration, picture)."""

    def __init__(self, start_iter=0):
        super().__init__(start_iter)
        self.pictures = {}

    def put_image(self, img_name, img_tensor):
        self.pictures[img_name] = self.iter, img_tensor


def step(model, batch, iteration):
    seed_generators(iteration)
    with Album(iteration) as storage:
        losses = {name: float(value.detach()) for name, value in model(batch).items()}
    return losses, storage, (torch.rand(1).item(), np.random.random(), random.random())  # noqa: NPY002


def test_looking_changes_neither_losses_nor_random_numbers(tiny_cfg, make_image):
    batch = [make_image([(LEFT, 2), (RIGHT, -1)]), make_image([(RIGHT, 2)], seed=1)]
    runs = []
    for tiny_cfg.VIS_PERIOD in (0, 2):
        torch.manual_seed(0)
        model = build_model(tiny_cfg)
        runs.append([step(model, batch, iteration) for iteration in range(3)])
        assert torch.equal(batch[0]["instances"].gt_boxes.tensor[0], torch.tensor(LEFT, dtype=torch.float32))
    for (losses, _, state), (losses_seen, _, state_seen) in zip(*runs, strict=True):
        assert losses == losses_seen
        assert state == state_seen
    assert [sorted(storage.pictures) for _, storage, _ in runs[0]] == [[]] * 3
    names = ["training/proposals", "training/regions"]
    assert [sorted(storage.pictures) for _, storage, _ in runs[1]] == [names, [], names]
    scalars = [[{n: v for n, (v, _) in storage.latest().items()} for _, storage, _ in run] for run in runs]
    assert scalars[0] == scalars[1]


def test_both_images_of_a_pair_are_shown(tiny_cfg, make_image):
    tiny_cfg.VIS_PERIOD = 1
    batch = [make_image([(LEFT, 2), (RIGHT, -1)]), make_image([(RIGHT, 2)], seed=1, size=(96, 112))]
    _, storage, _ = step(build_model(tiny_cfg), batch * 2, 7)
    pictures = {name: picture for name, (iteration, picture) in storage.pictures.items() if iteration == 7}
    rows = 2 * (96 + HEADER)
    assert {name: x.shape for name, x in pictures.items()} == {
        "training/proposals": (3, rows, 2 * 128),
        "training/regions": (3, rows, 3 * 128),
    }
    for picture in pictures.values():  # the first image's people are drawn in its first panel
        assert picture.dtype == np.uint8
        assert tuple(picture[:, HEADER + 60, LEFT[0]]) == pid_colour(2)
        assert tuple(picture[:, HEADER + 60, RIGHT[0]]) == pid_colour(-1)


def test_where_nothing_needs_pairs_one_image_is_shown(tiny_cfg, make_image):
    tiny_cfg.VIS_PERIOD = 1
    tiny_cfg.MODEL.ROI_REID_HEAD.OLP.ENABLED = False
    tiny_cfg.MODEL.ROI_REID_HEAD.HEP.ENABLED = False
    tiny_cfg.MODEL.ROI_REID_HEAD.OIM.ENABLED = True
    _, storage, _ = step(build_model(tiny_cfg), [make_image([]), make_image([(RIGHT, 2)], seed=1)], 0)
    assert {x.shape[1] for _, x in storage.pictures.values()} == {96 + HEADER}


def test_only_the_main_process_draws(tiny_cfg, make_image, monkeypatch):
    tiny_cfg.VIS_PERIOD = 1
    model = build_model(tiny_cfg)
    monkeypatch.setattr(comm, "is_main_process", lambda: False)
    _, storage, _ = step(model, [make_image([(LEFT, 2)]), make_image([(RIGHT, 2)], seed=1)], 0)
    assert storage.pictures == {}


def test_a_subclass_may_show_something_else(tiny_cfg, make_image, monkeypatch):
    tiny_cfg.VIS_PERIOD = 1
    model = build_model(tiny_cfg)
    calls = []
    monkeypatch.setattr(model, "visualize_training", lambda *arguments: calls.append(arguments))
    batch = [make_image([(LEFT, 2)]), make_image([(RIGHT, 2)], seed=1)]
    step(model, batch, 0)
    ((inputs, proposals),) = calls
    assert inputs is batch
    assert [x.has("proposal_boxes") for x in proposals] == [True, True]


def test_crops_are_shown_in_a_grid(tiny_cfg, make_image):
    tiny_cfg.MODEL.META_ARCHITECTURE = "CropReID"
    tiny_cfg.MODEL.PROPOSAL_GENERATOR.NAME = "PrecomputedProposals"
    batch = [make_image([((8, 8, 56, 88), pid)], seed=i, size=(96, 64)) for i, pid in enumerate([0, 0, 3, 3])]
    runs = []
    for tiny_cfg.VIS_PERIOD in (0, 1):
        torch.manual_seed(0)
        runs.append(step(build_model(tiny_cfg), batch, 0))
    assert runs[0][0] == runs[1][0]
    assert list(runs[1][1].pictures) == ["training/crops"]
    _, grid = runs[1][1].pictures["training/crops"]
    assert grid.shape == (3, 2 * (96 + HEADER), 3 * 64)  # ceil(sqrt(4 * 96 / 64)) = 3 columns
    third = rgb_image(batch[2]["image"], tiny_cfg.INPUT.FORMAT)
    assert (grid[:, HEADER : HEADER + 96, 2 * 64 :].transpose(1, 2, 0) == third).all()


def test_regions_are_those_of_the_losses(tiny_cfg, make_image):
    model = build_model(tiny_cfg)
    batch = [make_image([(LEFT, 2)]), make_image([(RIGHT, 2)], seed=1)]
    with seen_regions(model.roi_heads) as seen:
        step(model, batch, 0)
    num_sampled = [len(x) for x in seen.sampled]
    assert sum(num_sampled) > 0
    assert [x.gt_pids.tolist() for x in seen.targets] == [[2], [2]]
    with Album():
        model(batch)
    assert [len(x) for x in seen.sampled] == num_sampled  # outside of the block nothing is kept
    assert not model.roi_heads._forward_hooks


@pytest.mark.parametrize(("image_format", "expected"), [("BGR", (3, 2, 1)), ("RGB", (1, 2, 3))])
def test_channels_are_put_in_order(image_format, expected):
    image = torch.tensor([1.0, 2, 3])[:, None, None].expand(3, 4, 5)
    found = rgb_image(image, image_format)
    assert (found.shape, found.dtype, tuple(found[0, 0])) == ((4, 5, 3), np.uint8, expected)


def test_a_region_that_overlaps_too_little_is_ignored():
    # IoU of the second region with the person: 20 x 40 of 30 x 40 + 20 x 40 - 20 x 40 = 2/3 < 0.7.
    target = Instances((80, 100), gt_boxes=Boxes(torch.tensor([[10.0, 10, 40, 50]])), gt_pids=torch.tensor([3]))
    sampled = Instances(
        (80, 100),
        proposal_boxes=Boxes(torch.tensor([[10.0, 10, 40, 50], [20, 10, 40, 50]])),
        gt_classes=torch.tensor([0, 0]),
        gt_pids=torch.tensor([3, 3]),
    )
    picture = picture_regions(np.zeros((80, 100, 3), np.uint8), target, sampled, person_iou=0.7, background_iou=0.3)
    assert tuple(picture[HEADER + 45, 100 + 10]) == pid_colour(3)
    assert tuple(picture[HEADER + 45, 200 + 20]) == COLOURS[-3]
