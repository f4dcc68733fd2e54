"""Two images of one person, in random order, each flipped on its own."""

import numpy as np
import pytest

from inet_d2.data.paired_mapper import PairedDatasetMapper


@pytest.fixture
def pair(make_record):
    first = make_record("a.png", [([10, 5, 30, 20], 3), ([1, 1, 5, 5], -1)])
    second = make_record("b.png", [([20, 8, 40, 30], 3)])
    return {"first": first, "second": second, "pid": 3}


def seed(value):
    np.random.seed(value)  # noqa: NPY002


def test_the_person_is_in_both_inputs(cfg, pair):
    outputs = PairedDatasetMapper(cfg)(pair)
    assert len(outputs) == 2
    assert {output["image_id"] for output in outputs} == {"a.png", "b.png"}
    assert all(pair["pid"] in output["instances"].gt_pids.tolist() for output in outputs)


def test_order_and_flips_are_independent(cfg, pair):
    seed(0)
    mapper = PairedDatasetMapper(cfg)
    seen = set()
    for _ in range(200):
        outputs = mapper(pair)
        left = {output["image_id"]: output["instances"].gt_boxes.tensor[0, 0].item() for output in outputs}
        seen.add((outputs[0]["image_id"], left["a.png"], left["b.png"]))
    # boxes start at 10 or, mirrored, at 64 - 30 = 34; at 20 or 64 - 40 = 24
    assert seen == {(first, a, b) for first in ("a.png", "b.png") for a in (10.0, 34.0) for b in (20.0, 24.0)}


def test_no_flip_when_the_config_says_none(cfg, pair):
    cfg.INPUT.RANDOM_FLIP = "none"
    mapper = PairedDatasetMapper(cfg)
    for _ in range(8):
        outputs = {output["image_id"]: output for output in mapper(pair)}
        assert outputs["a.png"]["instances"].gt_boxes.tensor[0, 0] == 10.0


def test_numpy_seed_decides(cfg, pair):
    mapper = PairedDatasetMapper(cfg)

    def draw():
        seed(5)
        return [
            (output["image_id"], output["instances"].gt_boxes.tensor.tolist())
            for _ in range(5)
            for output in mapper(pair)
        ]

    assert draw() == draw()


def test_a_missing_image_raises_instead_of_giving_none(cfg, pair):
    pair["second"]["file_name"] += ".gone"
    with pytest.raises(FileNotFoundError, match=r"b\.png\.gone is missing"):
        PairedDatasetMapper(cfg)(pair)
