"""Splits whose boxes lie outside of their images are refused, some such boxes are told once."""

import logging

import pytest

from inet_d2.data.datasets import box_check
from inet_d2.data.datasets.box_check import check_boxes


@pytest.fixture(autouse=True)
def untold():
    box_check._tell.cache_clear()


def record(*boxes, size=(64, 48)):
    people = [{"bbox": list(box)} for box in boxes]
    sizes = {} if size is None else {"width": size[0], "height": size[1]}
    return {"file_name": "a.jpg", "annotations": people, **sizes}


INSIDE, ACROSS = (10, 5, 30, 40), (-20, -20, 3, 90)
OUTSIDE = [(64, 5, 80, 40), (10, 48, 30, 60), (-30, 5, 0, 40), (10, -9, 30, 0), (30, 5, 10, 40), (10, 40, 30, 5)]


@pytest.mark.parametrize("box", [*OUTSIDE, (0.1, 0.2, 0.5, 0.9)])  # the last one in shares of the image
def test_most_boxes_outside_are_refused(box):
    message = (
        r"shop: 2 of 3 boxes have no area inside of their images, first .* in a\.jpg \(64 x 48 pixels\); expected pix"
    )
    with pytest.raises(ValueError, match=message):
        check_boxes([record(INSIDE), record(box, box)], "shop")


@pytest.mark.parametrize("box", OUTSIDE)
def test_some_are_told_once(box, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            check_boxes([record(INSIDE, box)], "shop")
    assert len(caplog.records) == 1
    assert "shop: 1 of 2 boxes have no area" in caplog.text


def test_without_sizes_a_box_is_measured_as_it_is(caplog):
    check_boxes([record(OUTSIDE[0], OUTSIDE[1], size=None)], "shop")
    assert not caplog.records
    with pytest.raises(ValueError, match=r"1 of 1 boxes .* in a\.jpg; expected pixels"):
        check_boxes([record((30, 5, 10, 40), size=None)], "shop")


def test_sound_splits_say_nothing(caplog):
    check_boxes([record(INSIDE, ACROSS), record()], "shop")
    check_boxes([], "shop")
    crowd = record((90, 90, 99, 99))
    crowd["annotations"][0]["iscrowd"] = 1
    check_boxes([crowd], "shop")
    assert not caplog.records
