import numpy as np
import pytest

from inet_d2.baselines.descriptors.colour_names import NAMES, name_probabilities, survey_table

LIKELY = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "brown": (101, 55, 0),
    "green": (0, 160, 0),
    "grey": (130, 130, 130),
    "orange": (255, 140, 0),
    "pink": (255, 130, 190),
    "purple": (126, 30, 156),
    "red": (229, 0, 0),
    "white": (255, 255, 255),
    "yellow": (255, 255, 20),
}


@pytest.mark.parametrize("name", NAMES)
def test_likely_names(name):
    crop = np.array(LIKELY[name], dtype=np.uint8).reshape(1, 1, 1, 3)
    assert NAMES[name_probabilities(crop, survey_table())[0, 0, 0].argmax()] == name


def test_probabilities():
    table = survey_table()
    assert table.shape == (32768, 11)
    assert table.min() >= 0
    np.testing.assert_allclose(table.sum(axis=1), 1, rtol=1e-5)


def test_rows_of_the_table():
    # R 255 -> 31, G 16 -> 2, B 8 -> 1: 31 + 32 * 2 + 1024 * 1 = 1119.
    table = np.arange(32768, dtype=np.float32)[:, None].repeat(11, axis=1)
    assert name_probabilities(np.array([[[[255, 16, 8]]]], dtype=np.uint8), table)[0, 0, 0, 0] == 1119
