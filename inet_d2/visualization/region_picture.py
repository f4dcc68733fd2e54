"""Pictures of what a training step sees: people with identities, proposals, sampled regions, crops.

Images are (H, W, 3) uint8 RGB, boxes XYXY in their pixels, pids in the encoding of ``inet_d2/data/pids.py``.
"""

import colorsys
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED

COLOURS = {UNLABELLED: (255, 255, 255), BACKGROUND: (230, 60, 60), IGNORED: (150, 150, 150)}
PROPOSAL = (90, 220, 120)
PAPER, INK = (30, 32, 38), (255, 255, 255)
HEADER = 24  # pixels above a panel


def pid_colour(pid: int) -> tuple[int, int, int]:
    """RGB of a pid; identities that follow each other are far apart."""
    return COLOURS.get(pid) or tuple(round(255 * x) for x in colorsys.hsv_to_rgb(0.15 + 0.618 * pid % 0.8, 0.8, 1))


def draw_people(image: np.ndarray, boxes: np.ndarray, pids: np.ndarray) -> np.ndarray:
    """An image with its people, each in the colour of the pid and with its number.

    Args:
        image: (H, W, 3).
        boxes: (n, 4) float.
        pids: (n,) int64.

    Returns:
        (H + HEADER, W, 3) uint8 RGB, below a line that counts the people.
    """
    return _draw_panel(image, f"people: {len(boxes)}", boxes, [pid_colour(x) for x in pids.tolist()], pids)


def draw_proposals(image: np.ndarray, boxes: np.ndarray, found: int) -> np.ndarray:
    """An image with its best proposals; the line above counts all ``found``. See :func:`draw_people`."""
    return _draw_panel(image, f"proposals: best {len(boxes)} of {found}", boxes, [PROPOSAL] * len(boxes))


def draw_regions(image: np.ndarray, boxes: np.ndarray, pids: np.ndarray) -> np.ndarray:
    """An image twice: with the regions that are people, and with background (red) and what is ignored (grey).

    Args:
        image: (H, W, 3).
        boxes: (R, 4) float, sampled regions.
        pids: (R,) int64, what each is to the identity losses.

    Returns:
        (H + HEADER, 2 W, 3) uint8 RGB.
    """
    people, colours = pids >= UNLABELLED, np.array([pid_colour(x) for x in pids.tolist()]).reshape(-1, 3)
    labelled, unlabelled, background, ignored = (
        int(np.sum(x)) for x in (pids >= 0, pids == UNLABELLED, pids == BACKGROUND, pids == IGNORED)
    )
    title, rest = f"regions: {labelled} known, {unlabelled} not", f"{background} background, {ignored} ignored"
    return beside(
        [
            _draw_panel(image, title, boxes[people], colours[people], pids[people]),
            _draw_panel(image, rest, boxes[~people], colours[~people]),
        ]
    )


def draw_crops(crops: Sequence[np.ndarray], pids: Sequence[int]) -> np.ndarray:
    """Crops of one size in a grid that is about as wide as high, each below its pid."""
    columns = math.ceil(math.sqrt(len(crops) * crops[0].shape[0] / crops[0].shape[1]))
    tiles = [
        _draw_panel(crop, str(pid), np.empty((0, 4)), [], ink=pid_colour(pid))
        for crop, pid in zip(crops, pids, strict=True)
    ]
    return above([beside(tiles[first : first + columns]) for first in range(0, len(tiles), columns)])


def beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures in a row, dark below the lower ones."""
    height = max(x.shape[0] for x in pictures)
    return np.concatenate([_pad(x, height, x.shape[1]) for x in pictures], axis=1)


def above(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures in a column, dark beside the narrower ones."""
    width = max(x.shape[1] for x in pictures)
    return np.concatenate([_pad(x, x.shape[0], width) for x in pictures], axis=0)


def _pad(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    sheet = np.empty((height, width, 3), np.uint8)
    sheet[:] = PAPER
    sheet[: picture.shape[0], : picture.shape[1]] = picture
    return sheet


def _draw_panel(
    image: np.ndarray,
    title: str,
    boxes: np.ndarray,
    colours: Sequence[Sequence[int]],
    pids: np.ndarray | None = None,
    ink: tuple[int, int, int] = INK,
) -> np.ndarray:
    """A copy of an image below a title, with (n, 4) boxes; with pids they are drawn thick, identities with numbers."""
    panel = Image.fromarray(_pad(np.empty((0, 0, 3), np.uint8), image.shape[0] + HEADER, image.shape[1]))
    panel.paste(Image.fromarray(image), (0, HEADER))
    draw = ImageDraw.Draw(panel)
    draw.text((6, 5), title, ink, ImageFont.load_default(12))
    for row, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        corners = (x1, y1 + HEADER, max(x1, x2 - 1), max(y1, y2 - 1) + HEADER)
        colour = tuple(int(x) for x in colours[row])
        draw.rectangle(corners, outline=colour, width=1 if pids is None else 2)
        if pids is not None and pids[row] >= 0:
            draw.text((x1 + 3, y1 + HEADER + 1), str(pids[row]), colour, ImageFont.load_default(12))
    return np.asarray(panel)
