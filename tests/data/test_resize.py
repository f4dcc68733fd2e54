import numpy as np
import pytest
from detectron2.data import transforms as T

from inet_d2.data.resize import RESIZERS, FloatResizeTransform, FloorResize, build_augmentations, floored_size
from inet_d2.engine import load_config


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        # 1080 x 1920: 900 / 1080 would make 1600 columns, so 1500 / 1920 = 0.78125: 843.75 rows, floored.
        ((1080, 1920), (843, 1500)),
        # 600 x 1000: 900 / 600 = 1.5 would make exactly 1500 columns, which is allowed.
        ((600, 1000), (900, 1500)),
        # 576 x 720: 900 / 576 = 1.5625, 720 * 1.5625 = 1125.
        ((576, 720), (900, 1125)),
        # 4000 x 8: 1500 / 4000 = 0.375, 8 * 0.375 = 3.
        ((4000, 8), (1500, 3)),
        # 4000 x 1: a side never vanishes.
        ((4000, 1), (1500, 1)),
    ],
)
def test_sides_by_hand(size, expected):
    assert floored_size(size, short_edge_length=900, max_size=1500) == expected


def test_pixels_by_hand():
    # Two columns to four: centres at -0.25, 0.25, 0.75 and 1.25 of the old ones, the outer ones held at the border.
    image = np.array([[[10], [20]]], dtype=np.uint8)
    resized = FloatResizeTransform((1, 2), (1, 4)).apply_image(image)
    assert resized.dtype == np.float32
    assert resized[0, :, 0].tolist() == [10.0, 12.5, 17.5, 20.0]


def test_shrinking_is_not_antialiased():
    # Four columns to two: the centres fall at 0.5 and 2.5, halfway between two columns each; the others do not count.
    image = np.array([[[0], [100], [200], [100]]], dtype=np.uint8)
    assert FloatResizeTransform((1, 4), (1, 2)).apply_image(image)[0, :, 0].tolist() == [50.0, 150.0]
    # Eight columns to two: the centres are at 1.5 and 5.5, so that columns 0, 3, 4 and 7 have no part in it.
    image = np.array([[[255], [10], [20], [255], [255], [30], [40], [255]]], dtype=np.uint8)
    assert FloatResizeTransform((1, 8), (1, 2)).apply_image(image)[0, :, 0].tolist() == [15.0, 35.0]


def test_boxes_are_scaled_axis_by_axis_and_not_in_place():
    given = np.array([[10.0, 20.0, 30.0, 40.0]])
    moved = FloatResizeTransform((100, 50), (43, 25)).apply_box(given)
    assert moved.tolist() == [[5.0, pytest.approx(8.6), 15.0, pytest.approx(17.2)]]
    assert given.tolist() == [[10.0, 20.0, 30.0, 40.0]]


def test_lengths_are_drawn_as_asked():
    image = np.zeros((10, 20, 3), dtype=np.uint8)
    drawn = {FloorResize([10, 30], 1000).get_transform(image).new_size[0] for _ in range(40)}
    assert drawn == {10, 30}
    between = {FloorResize([10, 12], 1000, "range").get_transform(image).new_size[0] for _ in range(60)}
    assert between == {10, 11, 12}
    untouched = FloorResize([0], 1000).get_transform(image)
    assert untouched.apply_image(image) is image


def test_the_resizer_is_a_key():
    cfg = load_config("", ["INPUT.MIN_SIZE_TEST", "90", "INPUT.MAX_SIZE_TEST", "150"])
    assert isinstance(build_augmentations(cfg, is_train=False)[0], T.ResizeShortestEdge)
    cfg.INPUT.RESIZE = "torchvision"
    (resize,) = build_augmentations(cfg, is_train=False)
    assert resize.get_transform(np.zeros((108, 192, 3), dtype=np.uint8)).new_size == (84, 150)
    train = build_augmentations(cfg, is_train=True)
    assert [type(x) for x in train] == [FloorResize, T.RandomFlip]


def test_another_resizer_is_refused():
    cfg = load_config("", ["INPUT.RESIZE", "pillow"])
    with pytest.raises(
        ValueError, match=r"INPUT\.RESIZE: expected one of detectron2, torchvision, fast, found .pillow."
    ):
        build_augmentations(cfg, is_train=True)


@pytest.mark.parametrize("resizer", RESIZERS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MIN_SIZE_TRAIN": (), "MIN_SIZE_TRAIN_SAMPLING": "choice"}, r"MIN_SIZE_TRAIN of 0 or more .* found \(\) and"),
        ({"MIN_SIZE_TRAIN": (480, -1)}, r"found \(480, -1\) and"),
        ({"MAX_SIZE_TRAIN": 0}, "MAX_SIZE_TRAIN of at least 1"),
        ({"MIN_SIZE_TRAIN_SAMPLING": "random"}, 'SAMPLING: expected "choice" or "range", found \'random\''),
        ({"MIN_SIZE_TRAIN": (480,), "MIN_SIZE_TRAIN_SAMPLING": "range"}, r"two lengths.* found \(480,\)"),
        ({"MIN_SIZE_TRAIN": (480, 600, 800), "MIN_SIZE_TRAIN_SAMPLING": "range"}, r"found \(480, 600, 800\)"),
        ({"MIN_SIZE_TRAIN": (600, 480), "MIN_SIZE_TRAIN_SAMPLING": "range"}, r"found \(600, 480\)"),
    ],
)
def test_sizes_that_cannot_be_drawn_are_refused(resizer, changes, message):
    cfg = load_config("")
    cfg.INPUT.RESIZE = resizer
    for key, value in changes.items():
        cfg.INPUT[key] = value
    with pytest.raises(ValueError, match=message):
        build_augmentations(cfg, is_train=True)


def test_the_testing_size_is_checked_too():
    cfg = load_config("")
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = 0, 0
    build_augmentations(cfg, is_train=False)
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = -5, 1333
    with pytest.raises(ValueError, match=r"MIN_SIZE_TEST of 0 or more .* found \(-5,\) and 1333"):
        build_augmentations(cfg, is_train=False)


@pytest.mark.parametrize("resizer", RESIZERS)
@pytest.mark.parametrize("size", [(1, 3001), (3001, 1)])
def test_no_side_vanishes(resizer, size):
    cfg = load_config("", ["INPUT.RESIZE", resizer, "INPUT.MIN_SIZE_TEST", "60", "INPUT.MAX_SIZE_TEST", "100"])
    (resize,) = build_augmentations(cfg, is_train=False)
    image = np.zeros((*size, 3), dtype=np.uint8)
    transform = resize.get_transform(image)
    # 100 / 3001 = 0.033 of a pixel is left of the short side
    assert transform.apply_image(image).shape[:2] == tuple(min(100, side) for side in size)
    scaled = transform.apply_box(np.array([[0.0, 0.0, size[1], size[0]]]))
    np.testing.assert_allclose(scaled, [[0, 0, min(100, size[1]), min(100, size[0])]])
