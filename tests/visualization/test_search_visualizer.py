"""The picture of a search: what is where, for any number of matches."""

import unicodedata

import numpy as np
import pytest
from PIL import ImageFont

from inet_d2.visualization import search_visualizer as visualizer
from inet_d2.visualization.search_visualizer import DrawnMatch, draw_search_result

BOX = [20.0, 10.0, 40.0, 50.0]
GREY = np.full((60, 80, 3), 90, dtype=np.uint8)


def coloured_scene(colour):
    """A grey scene whose box is of one colour."""
    scene = GREY.copy()
    scene[10:50, 20:40] = colour
    return scene


def make_matches(n, **settings):
    return [DrawnMatch(coloured_scene((10 * i, 0, 250)), BOX, 1 - i / 20, f"s{i}.jpg", **settings) for i in range(n)]


def card(picture, rank, num_columns):
    """Cut the card of a match out of a picture."""
    row, column = divmod(rank - 1, num_columns)
    width, height = visualizer.CARD_SIZE
    left = 2 * visualizer.PAD + visualizer.QUERY_WIDTH + column * (width + visualizer.PAD)
    top = visualizer.PAD + row * (height + visualizer.PAD)
    return picture[top : top + height, left : left + width]


def count(picture, colour):
    return int((picture == np.array(colour)).all(axis=-1).sum())


@pytest.mark.parametrize(("num_matches", "num_columns"), [(0, 2), (1, 2), (3, 2), (5, 3), (10, 5), (12, 5)])
def test_every_match_has_a_card_in_its_place(num_matches, num_columns):
    query = coloured_scene((0, 250, 0))
    picture = draw_search_result(query, BOX, make_matches(num_matches), query_name="q.jpg")
    width, height = visualizer.CARD_SIZE
    num_rows = max(2, -(-num_matches // num_columns))
    expected_width = 2 * visualizer.PAD + visualizer.QUERY_WIDTH + num_columns * (width + visualizer.PAD)
    assert picture.shape == (visualizer.PAD + num_rows * (height + visualizer.PAD), expected_width, 3)
    assert picture.dtype == np.uint8
    for rank in range(1, num_matches + 1):
        here = card(picture, rank, num_columns)
        # the person is there twice: in the scene (20 x 40 of 80 x 60, drawn 50 x 100) and enlarged
        assert count(here, (10 * (rank - 1), 0, 250)) > 6000
    query_card = picture[:, : visualizer.QUERY_WIDTH + visualizer.PAD]
    assert count(query_card, (0, 250, 0)) > 20000


def test_box_is_outlined_and_the_rest_is_darker():
    here = card(draw_search_result(GREY, BOX, make_matches(1)), 1, 2)
    assert count(here, visualizer.ACCENT) > 500
    darker = int(90 * visualizer.DIMMED)
    assert count(here, (darker, darker, darker)) > 5000
    assert count(here, (90, 90, 90)) < 300


@pytest.mark.parametrize(
    ("is_correct", "colour"), [(True, visualizer.RIGHT), (False, visualizer.WRONG), (None, visualizer.WELL)]
)
def test_frame_tells_whether_a_match_is_right(is_correct, colour):
    here = card(draw_search_result(GREY, BOX, make_matches(1, is_correct=is_correct)), 1, 2)
    assert tuple(here[100, 0]) == colour
    assert tuple(here[100, -1]) == colour


def test_no_match_is_said():
    empty = draw_search_result(GREY, BOX, [])
    area = empty[:, 2 * visualizer.PAD + visualizer.QUERY_WIDTH :]
    assert count(area, visualizer.FAINT) > 200  # the words
    assert count(area, visualizer.CARD) == 0  # and no card


def test_boxes_over_the_border_and_without_area_are_drawn():
    boxes = (
        [-30.0, -20.0, 200.0, 90.0],
        [79.9, 59.9, 80.0, 60.0],
        [30.0, 30.0, 30.0, 30.0],
        [100.0, 70.0, 120.0, 90.0],
    )
    matches = [DrawnMatch(GREY, box, -0.3, "s.jpg", score=0.5) for box in boxes]
    assert draw_search_result(GREY, boxes[0], matches).shape[2] == 3


def test_long_names_lose_their_middle():
    font = ImageFont.load_default(14)
    name = "camera_17_" + "x" * 60 + "_0001.jpg"
    short = visualizer._shorten(name, font, 120)
    assert font.getlength(short) <= 120
    assert short.startswith("camera")
    assert short.endswith(".jpg")
    assert "…" in short
    assert visualizer._shorten("s1.jpg", font, 120) == "s1.jpg"


def test_caller_arrays_stay_as_they_are():
    scene = coloured_scene((0, 250, 0))
    before = scene.copy()
    draw_search_result(scene, BOX, [DrawnMatch(scene, BOX, 0.5, "s.jpg")])
    np.testing.assert_array_equal(scene, before)


def test_characters_without_a_shape_are_written_out():
    font = ImageFont.load_default(14)
    assert visualizer.drawable("yard 1 (2).jpg", font) == "yard 1 (2).jpg"
    assert visualizer.drawable("人.jpg", font) in ("人.jpg", "\\u4eba.jpg")  # fonts differ; an empty box is neither
    assert visualizer.drawable("a\u202eb\n", font) == "a\\u202eb\\n"
    assert visualizer.drawable("\U000f0000", font) == "\\U000f0000"


@pytest.fixture
def written(monkeypatch):
    """Draws a query of a name; the texts that were written: written(name)."""

    def call(name):
        texts, draw = [], visualizer.ImageDraw.ImageDraw
        monkeypatch.setattr(draw, "text", lambda self, place, text, *more, **options: texts.append(text))
        visualizer.draw_search_result(np.zeros((40, 30, 3), np.uint8), (5, 5, 20, 30), [], query_name=name)
        return texts

    return call


@pytest.mark.parametrize("name", ["Müller, José.jpg", "Mu\u0308ller, Jose\u0301.jpg", "Łódź.jpg"])
def test_names_with_accents_are_written_as_they_are(written, name):
    pytest.importorskip("matplotlib")
    assert unicodedata.normalize("NFC", name) in written(name)


def test_what_no_font_has_is_written_out(written, monkeypatch):
    assert "\\U000f0000.jpg" in written("\U000f0000.jpg")
    monkeypatch.setattr(visualizer.importlib.util, "find_spec", lambda name: None)
    assert "\\U000f0000.jpg" in written("\U000f0000.jpg")
