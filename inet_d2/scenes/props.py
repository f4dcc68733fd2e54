"""Things that stand in a street, drawn like people: lamps, trees, planters, bins, signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inet_d2.scenes.canvas import Canvas, ellipse, moved, rounded
from inet_d2.scenes.cloth import plain
from inet_d2.scenes.person import LOWER_COLOURS, UPPER_COLOURS, Colour

GREENS: tuple[Colour, ...] = ((88, 138, 84), (68, 116, 82), (126, 154, 84), (84, 128, 110))
METALS: tuple[Colour, ...] = ((70, 76, 82), (60, 84, 78), (120, 122, 126), (88, 66, 60))
CLOTH_COLOURS = UPPER_COLOURS + LOWER_COLOURS
GROUND = 1.0


@dataclass(frozen=True)
class Prop:
    """A kind of thing.

    Attributes:
        draw: draws it on a canvas; its foot is at (0, 1) body heights.
        size: width and height of the canvas it needs, body heights.
        is_slim: whether it may stand close before a person.
    """

    draw: Callable[[Canvas, np.random.Generator], None]
    size: tuple[float, float]
    is_slim: bool


def draw_prop(kind: Prop, light: float, unit: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one thing.

    Args:
        kind: what.
        light: where light comes from, -1 left, 1 right.
        unit: pixels of one body height.
        rng: source of chance for colours and shape.

    Returns:
        (h, w, 4) float32 as ``draw_person`` gives; its foot is in the last row.
    """
    canvas = Canvas(unit, kind.size[0], kind.size[1], light)
    canvas.origin[1] = (kind.size[1] - GROUND - 0.05) * unit
    kind.draw(canvas, rng)
    return canvas.crop()


def _pick(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _box(canvas: Canvas, x: float, bottom: float, w: float, h: float, colour: Colour, tone: float = 1.0) -> None:
    corners = [(x - w / 2, bottom - h), (x + w / 2, bottom - h), (x + w / 2, bottom), (x - w / 2, bottom)]
    foot = np.array([x, bottom])
    canvas.fill(np.array(corners), plain(colour, tone), (moved(foot, 0, -1), foot), w / 2, 0.3)


def _disc(canvas: Canvas, x: float, y: float, rx: float, ry: float, colour: Colour, tone: float = 1.0) -> None:
    centre = np.array([x, y])
    canvas.fill(ellipse((x, y), rx, ry), plain(colour, tone), (centre, moved(centre, 0, 1)), rx, 0.06)


def _foliage(canvas: Canvas, x: float, y: float, rx: float, ry: float, rng: np.random.Generator) -> None:
    """Overlapping discs, darker below."""
    green = _pick(GREENS, rng)
    _disc(canvas, x, y + 0.1 * ry, 0.72 * rx, 0.72 * ry, green, 0.84)
    for tone, drop, count in ((0.84, 0.2, 9), (0.94, 0.0, 10), (1.05, -0.18, 9), (1.16, -0.36, 7)):
        turns = rng.uniform(0, 2 * np.pi, count)
        reach = np.sqrt(rng.uniform(0.05, 0.7, count))
        for turn, far in zip(turns, reach, strict=True):
            centre = x + far * rx * np.cos(turn), y + (drop + far * np.sin(turn)) * ry
            size = rng.uniform(0.24, 0.36)
            _disc(canvas, *centre, size * rx, size * ry, green, tone)


def _draw_tree(canvas: Canvas, rng: np.random.Generator) -> None:
    bark = (104, 82, 66)
    _box(canvas, 0, GROUND, 0.13, 1.2, bark)
    _foliage(canvas, 0, -0.45, 0.72, 0.62, rng)


def _draw_planter(canvas: Canvas, rng: np.random.Generator) -> None:
    _foliage(canvas, 0, 0.64, 0.26, 0.17, rng)
    bloom = _pick(UPPER_COLOURS, rng)
    for _ in range(7):
        _disc(canvas, rng.uniform(-0.2, 0.2), rng.uniform(0.5, 0.72), 0.022, 0.022, bloom)
    clay = _pick(((186, 112, 84), (150, 148, 144), (116, 90, 74)), rng)
    corners = [(-0.24, 0.74), (0.24, 0.74), (0.19, GROUND), (-0.19, GROUND)]
    canvas.fill(np.array(corners), plain(clay), (np.zeros(2), np.array([0.0, 1.0])), 0.24)
    _box(canvas, 0, 0.79, 0.52, 0.06, clay, 1.08)


def _draw_bush(canvas: Canvas, rng: np.random.Generator) -> None:
    _foliage(canvas, 0, 0.78, 0.42, 0.2, rng)
    _box(canvas, 0, GROUND, 0.06, 0.1, (92, 74, 60))


def _draw_lamp(canvas: Canvas, rng: np.random.Generator) -> None:
    metal = _pick(METALS, rng)
    _box(canvas, 0, GROUND, 0.055, 2.1, metal)
    _box(canvas, 0, GROUND, 0.12, 0.16, metal, 0.9)
    _box(canvas, 0, -0.98, 0.2, 0.03, metal)
    _disc(canvas, 0, -1.12, 0.11, 0.13, (250, 240, 206))
    canvas.fill(ellipse((0, -1.17), 0.14, 0.12, 180, 360), plain(metal), (np.zeros(2), np.array([0.0, 1.0])), 0.14)


def _draw_sign(canvas: Canvas, rng: np.random.Generator) -> None:
    _box(canvas, 0, GROUND, 0.04, 1.5, (138, 140, 144))
    colour = _pick(UPPER_COLOURS, rng)
    if rng.random() < 0.5:
        _disc(canvas, 0, -0.42, 0.17, 0.17, colour)
        _disc(canvas, 0, -0.42, 0.12, 0.12, (246, 244, 238))
    else:
        _box(canvas, 0, -0.3, 0.34, 0.3, colour)
        _box(canvas, 0, -0.4, 0.22, 0.06, (246, 244, 238))


def _draw_bollard(canvas: Canvas, rng: np.random.Generator) -> None:
    metal = _pick(METALS, rng)
    _box(canvas, 0, GROUND, 0.1, 0.46, metal)
    _disc(canvas, 0, 0.54, 0.06, 0.06, metal)
    _box(canvas, 0, 0.72, 0.102, 0.05, _pick(UPPER_COLOURS, rng))


def _draw_bin(canvas: Canvas, rng: np.random.Generator) -> None:
    colour = _pick(CLOTH_COLOURS, rng)
    corners = rounded([(-0.17, 0.52), (0.17, 0.52), (0.14, 1.0), (-0.14, 1.0)], 1)
    canvas.fill(corners, plain(colour, 0.9), (np.zeros(2), np.array([0.0, 1.0])), 0.17)
    _box(canvas, 0, 0.56, 0.38, 0.06, colour, 0.7)
    _box(canvas, 0, 0.68, 0.16, 0.06, (44, 44, 48))


def _draw_post_box(canvas: Canvas, rng: np.random.Generator) -> None:
    colour = _pick(UPPER_COLOURS, rng)
    _box(canvas, 0, GROUND, 0.3, 0.66, colour)
    canvas.fill(
        ellipse((0, 0.345), 0.165, 0.12, 180, 360),
        plain(colour, 1.05),
        (np.zeros(2), np.array([0.0, 1.0])),
        0.17,
    )
    _box(canvas, 0, 0.44, 0.18, 0.03, (40, 38, 42))
    _box(canvas, 0, 0.66, 0.14, 0.12, (240, 236, 226))


def _draw_board(canvas: Canvas, rng: np.random.Generator) -> None:
    """A menu board of a café."""
    wood = (142, 104, 72)
    _box(canvas, 0, GROUND, 0.36, 0.6, wood)
    _box(canvas, 0, 0.93, 0.3, 0.48, (58, 62, 64))
    for row in range(4):
        width = rng.uniform(0.1, 0.22)
        _box(canvas, -0.11 + width / 2, 0.56 + 0.1 * row, width, 0.025, _pick(UPPER_COLOURS, rng))


def _draw_bench(canvas: Canvas, rng: np.random.Generator) -> None:
    wood, metal = _pick(((150, 108, 76), (122, 88, 66), (176, 140, 100)), rng), (66, 70, 74)
    for x in (-0.4, 0.4):
        _box(canvas, x, GROUND, 0.05, 0.52, metal)
    for y in (0.56, 0.64, 0.76, 0.8):
        _box(canvas, 0, y, 1.0, 0.055, wood, 1.0 if y < 0.7 else 0.86)


PROPS = (
    Prop(_draw_tree, (1.7, 2.5), False),
    Prop(_draw_planter, (0.8, 0.8), True),
    Prop(_draw_bush, (1.1, 0.7), True),
    Prop(_draw_lamp, (0.5, 2.5), True),
    Prop(_draw_sign, (0.5, 1.8), True),
    Prop(_draw_bollard, (0.3, 0.7), True),
    Prop(_draw_bin, (0.5, 0.7), True),
    Prop(_draw_post_box, (0.5, 0.9), False),
    Prop(_draw_board, (0.5, 0.8), True),
    Prop(_draw_bench, (1.2, 0.7), False),
)
