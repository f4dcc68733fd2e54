"""A picture of one search: the query beside its matches, each in its scene and enlarged.

Lengths are pixels of the drawn picture unless a name says otherwise; images are (H, W, 3) uint8 RGB.
"""

import importlib.util
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAD = 14  # between and inside cards
CARD_SIZE = (228, 330)
SCENE_HEIGHT = 150
CROP_WIDTH = 76
QUERY_WIDTH = 300
QUERY_SCENE_HEIGHT = 204
MAX_COLUMNS = 5

PAGE, CARD, WELL = (241, 243, 246), (255, 255, 255), (226, 229, 235)
INK, FAINT = (28, 32, 40), (108, 115, 128)
ACCENT, RIGHT, WRONG = (255, 176, 32), (34, 160, 84), (214, 54, 54)
DIMMED = 0.55  # brightness of a scene around the box


@dataclass(frozen=True, eq=False)
class DrawnMatch:
    """One match as it is drawn.

    Attributes:
        image: (H, W, 3) uint8 RGB, the whole scene.
        box: 4 numbers XYXY, pixels of the scene.
        similarity: cosine similarity to the query in [-1, 1].
        name: file name of the scene.
        score: detection score in [0, 1]; None leaves it out.
        is_correct: frames the match in green or red; None where the truth is not known.
        label: a word or two below the name.
    """

    image: np.ndarray
    box: Sequence[float]
    similarity: float
    name: str
    score: float | None = None
    is_correct: bool | None = None
    label: str = ""


def draw_search_result(
    query_image: np.ndarray,
    query_box: Sequence[float],
    matches: Sequence[DrawnMatch],
    *,
    query_name: str = "",
) -> np.ndarray:
    """Draw the query beside its matches.

    Args:
        query_image: (H, W, 3) uint8 RGB, the query's whole scene.
        query_box: 4 numbers XYXY, pixels of the scene.
        matches: most similar first; any number, also none.
        query_name: file name of the query's scene.

    Returns:
        (h, w, 3) uint8 RGB; its size depends on the number of matches alone.
    """
    num_columns = min(MAX_COLUMNS, max(2, -(-len(matches) // 2)))
    num_rows = max(2, -(-len(matches) // num_columns))
    width, height = CARD_SIZE
    left = 2 * PAD + QUERY_WIDTH
    page_height = PAD + num_rows * (height + PAD)
    page = Image.new("RGB", (left + num_columns * (width + PAD), page_height), PAGE)
    page.paste(_draw_query(query_image, query_box, query_name, (QUERY_WIDTH, 2 * height + PAD)), (PAD, PAD))
    for index, match in enumerate(matches):
        row, column = divmod(index, num_columns)
        page.paste(_draw_match(match, index + 1), (left + column * (width + PAD), PAD + row * (height + PAD)))
    if not matches:
        middle = (left + num_columns * (width + PAD) // 2, page_height // 2)
        ImageDraw.Draw(page).text(middle, "no match", FAINT, _font(34), anchor="mm")
    return np.asarray(page)


def _draw_query(image: np.ndarray, box: Sequence[float], name: str, size: tuple[int, int]) -> Image.Image:
    card, draw = _new_card(size, None)
    inner = size[0] - 2 * PAD
    draw.text((PAD, PAD + 12), "Query", INK, _font(26), anchor="lm")
    top = PAD + 32
    card.paste(_draw_scene(image, box, (inner, QUERY_SCENE_HEIGHT)), (PAD, top))
    top += QUERY_SCENE_HEIGHT + PAD
    bottom = size[1] - PAD - 26
    card.paste(_draw_crop(image, box, (inner, bottom - top)), (PAD, top))
    _write_name(draw, (PAD, size[1] - PAD), name, size=15, width=inner, anchor="ls")
    return card


def _draw_match(match: DrawnMatch, rank: int) -> Image.Image:
    frame = {None: None, True: RIGHT, False: WRONG}[match.is_correct]
    card, draw = _new_card(CARD_SIZE, frame)
    width, height = CARD_SIZE
    card.paste(_draw_scene(match.image, match.box, (width - 2 * PAD, SCENE_HEIGHT)), (PAD, PAD))
    top = PAD + SCENE_HEIGHT + 10
    card.paste(_draw_crop(match.image, match.box, (CROP_WIDTH, height - PAD - top)), (PAD, top))

    left, right = PAD + CROP_WIDTH + 12, width - PAD
    draw.text((left, top - 4), f"{rank}", INK, _font(32), anchor="la")
    draw.text((left, top + 40), f"{match.similarity:.3f}", frame or INK, _font(22), anchor="la")
    bar = (left, top + 70, right, top + 76)
    draw.rounded_rectangle(bar, 3, WELL)
    filled = left + round((right - left) * min(max(match.similarity, 0.0), 1.0))
    if filled - left >= 6:
        draw.rounded_rectangle((left, bar[1], filled, bar[3]), 3, frame or ACCENT)
    lines = [match.name, *([] if match.score is None else [f"score {match.score:.2f}"]), match.label]
    for line, text in enumerate(lines):
        _write_name(draw, (left, top + 86 + 20 * line), text, size=14, width=right - left, anchor="la")
    return card


def _new_card(size: tuple[int, int], frame: tuple[int, int, int] | None) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    card = Image.new("RGB", size, PAGE)
    draw = ImageDraw.Draw(card)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 10, CARD, frame or WELL, 4 if frame else 1)
    return card, draw


def _draw_scene(image: np.ndarray, box: Sequence[float], size: tuple[int, int]) -> Image.Image:
    """Fit a scene into ``size`` with its box outlined and the rest darker."""
    scene, (left, top) = _fit(Image.fromarray(np.ascontiguousarray(image)), size)
    scale_x, scale_y = scene.width / image.shape[1], scene.height / image.shape[0]
    outline = (
        max(0, round(box[0] * scale_x)),
        max(0, round(box[1] * scale_y)),
        min(scene.width - 1, round(box[2] * scale_x)),
        min(scene.height - 1, round(box[3] * scale_y)),
    )
    picture = Image.fromarray((np.asarray(scene) * DIMMED).astype(np.uint8))
    if outline[0] < outline[2] and outline[1] < outline[3]:
        picture.paste(scene.crop(outline), outline[:2])
        ImageDraw.Draw(picture).rectangle(outline, outline=ACCENT, width=3)
    well = Image.new("RGB", size, WELL)
    well.paste(picture, (left, top))
    return well


def _draw_crop(image: np.ndarray, box: Sequence[float], size: tuple[int, int]) -> Image.Image:
    """Enlarge the part of a scene that lies in a box to fit ``size``."""
    height, width = image.shape[:2]
    x1, y1 = min(max(0, int(box[0])), width - 1), min(max(0, int(box[1])), height - 1)
    x2, y2 = min(max(x1 + 1, int(np.ceil(box[2]))), width), min(max(y1 + 1, int(np.ceil(box[3]))), height)
    crop, place = _fit(Image.fromarray(np.ascontiguousarray(image[y1:y2, x1:x2])), size)
    well = Image.new("RGB", size, CARD)
    well.paste(crop, place)
    return well


def _fit(image: Image.Image, size: tuple[int, int]) -> tuple[Image.Image, tuple[int, int]]:
    """Scale an image to fit ``size``, and tell where its corner goes to be in the middle."""
    scale = min(size[0] / image.width, size[1] / image.height)
    fitted = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS
    )
    return fitted, ((size[0] - fitted.width) // 2, (size[1] - fitted.height) // 2)


def _write_name(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], name: str, *, size: int, width: int, anchor: str
) -> None:
    """Write a name in the first font that has all of its letters; some systems keep accents apart from letters."""
    name, fonts = unicodedata.normalize("NFC", name), [_font(size), *_wide_fonts(size)]
    font = next((font for font in fonts if drawable(name, font) == name), fonts[-1])
    draw.text(place, _shorten(name, font, width), FAINT, font, anchor=anchor)


def _wide_fonts(size: int) -> list[ImageFont.FreeTypeFont]:
    """The font that comes with matplotlib, where that is installed: it has the letters of most of Europe, and more."""
    found = importlib.util.find_spec("matplotlib")
    file = found and Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"
    return [ImageFont.truetype(file, size)] if file and file.is_file() else []


def _shorten(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Leave out the middle of a text until it fits ``width``; what the font lacks is written as its code point."""
    text = drawable(text, font)
    if font.getlength(text) <= width:
        return text
    candidates = (text[: kept // 2] + "…" + text[len(text) - (kept - kept // 2) :] for kept in range(len(text), 0, -1))
    return next((candidate for candidate in candidates if font.getlength(candidate) <= width), "")


def drawable(text: str, font: ImageFont.FreeTypeFont) -> str:
    r"""Write what a font has no shape for as its code point: ``\u4e2d`` in the place of an empty box."""
    empty = bytes(font.getmask("\uffff"))

    def has_shape(character: str) -> bool:
        return character.isprintable() and (character.isascii() or bytes(font.getmask(character)) != empty)

    return "".join(character if has_shape(character) else ascii(character)[1:-1] for character in text)


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
