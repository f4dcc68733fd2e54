import numpy as np
import pytest

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from inet_d2.visualization.region_picture import (
    HEADER,
    PROPOSAL,
    above,
    beside,
    draw_crops,
    draw_people,
    draw_proposals,
    draw_regions,
    pid_colour,
)

BOXES = np.array([[10.0, 10, 30, 50], [40, 10, 60, 50], [70, 10, 90, 50], [5, 55, 30, 75]])
PIDS = np.array([3, UNLABELLED, BACKGROUND, IGNORED])
IMAGE = np.zeros((80, 100, 3), np.uint8)


def left_edge(picture, row, panel=0):
    x, y = int(BOXES[row, 0]) + 100 * panel, int(BOXES[row, 3]) - 5 + HEADER
    return tuple(picture[y, x])


def test_each_kind_of_region_is_in_its_panel():
    picture = draw_regions(IMAGE, BOXES, PIDS)
    assert picture.shape == (80 + HEADER, 200, 3)
    for row, panel in enumerate([0, 0, 1, 1]):
        assert left_edge(picture, row, panel) == pid_colour(int(PIDS[row]))
        assert left_edge(picture, row, 1 - panel) == (0, 0, 0)


def test_people_and_proposals():
    people, proposals = draw_people(IMAGE, BOXES[:2], PIDS[:2]), draw_proposals(IMAGE, BOXES[2:], 7)
    assert [left_edge(people, row) for row in range(4)] == [pid_colour(3), pid_colour(UNLABELLED), (0,) * 3, (0,) * 3]
    assert [left_edge(proposals, row) for row in range(4)] == [(0,) * 3, (0,) * 3, PROPOSAL, PROPOSAL]
    assert not IMAGE.any()


def test_nothing_to_draw_is_drawn():
    none = np.empty((0, 4)), np.empty(0, np.int64)
    assert draw_regions(IMAGE, *none).shape == (80 + HEADER, 200, 3)
    assert not draw_people(IMAGE, *none)[HEADER:].any()


def test_boxes_beyond_the_image_are_cut():
    assert draw_proposals(IMAGE, np.array([[-9.0, -9, 300, 300], [5, 5, 5, 5]]), 2).shape == (80 + HEADER, 100, 3)


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 2), (5, 2, 4), (9, 2, 5)])
def test_crops_in_a_grid(count, rows, columns):
    # Crops are twice as high as wide: a grid of 5 is 2 rows of ceil(sqrt(5 * 2)) = 4, the last with one crop.
    crops = [np.full((40, 20, 3), 10 * (i + 1), np.uint8) for i in range(count)]
    grid = draw_crops(crops, list(range(count)))
    assert grid.shape == (rows * (40 + HEADER), min(count, columns) * 20, 3)
    for i in range(count):
        row, column = divmod(i, columns)
        tile = grid[row * (40 + HEADER) :, column * 20 :][HEADER : HEADER + 40, :20]
        assert (tile == 10 * (i + 1)).all()


def test_pictures_of_different_sizes_stand_together():
    small, large = np.full((2, 3, 3), 1, np.uint8), np.full((4, 5, 3), 2, np.uint8)
    row, column = beside([small, large]), above([small, large])
    assert (row.shape, column.shape) == ((4, 8, 3), (6, 5, 3))
    assert (row[:2, :3] == 1).all()
    assert (row[:, 3:] == 2).all()
    assert (column[2:] == 2).all()
