"""The far side of the street: a row of houses with shops, windows and roofs."""

from __future__ import annotations

import cv2
import numpy as np

from inet_d2.scenes.person import LOWER_COLOURS, UPPER_COLOURS, Colour

# RGB. Shop signs, awnings, shutters and goods have the colours of clothes, so that colour alone finds nobody.
CLOTH_COLOURS = UPPER_COLOURS + LOWER_COLOURS
WALLS: tuple[Colour, ...] = (
    (214, 190, 164),
    (188, 126, 104),
    (226, 216, 196),
    (176, 180, 184),
    (164, 176, 156),
    (228, 198, 152),
    (150, 160, 180),
    (208, 172, 168),
    (134, 120, 116),
    (238, 234, 226),
)
GLASS: tuple[Colour, ...] = ((108, 132, 150), (84, 104, 124), (136, 160, 172), (216, 196, 150))


def draw_houses(image: np.ndarray, wall: float, person: float, rng: np.random.Generator) -> None:
    """Draw a row of houses from the left to the right edge, with a gap now and then.

    Args:
        image: (H, W, 3) uint8 RGB, changed.
        wall: row where the houses stand.
        person: height of a person who stands there, pixels; everything is in proportion to it.
        rng: source of chance.
    """
    x = -rng.uniform(0, 1.5) * person
    while x < image.shape[1]:
        width = rng.uniform(1.7, 3.6) * person
        if rng.random() < 0.12:
            width *= 0.3
        else:
            _draw_house(image, x, wall, width, person, rng)
        x += width


def _rectangle(image: np.ndarray, x: float, y: float, w: float, h: float, colour: Colour) -> None:
    cv2.rectangle(image, (round(x), round(y)), (round(x + w) - 1, round(y + h) - 1), colour, -1)


def _tone(colour: Colour, factor: float) -> Colour:
    red, green, blue = (int(min(max(c * factor, 0), 255)) for c in colour)
    return red, green, blue


def _pick(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _draw_house(
    image: np.ndarray, x: float, wall: float, width: float, person: float, rng: np.random.Generator
) -> None:
    colour = _tone(_pick(WALLS, rng), rng.uniform(0.92, 1.05))
    storey = rng.uniform(1.3, 1.5) * person
    top = wall - storey * rng.uniform(1.35, 3.2)
    _rectangle(image, x, top, width, wall - top, colour)
    texture = rng.integers(3)
    if texture:
        _draw_courses(image, (x, top, width, wall - top), colour, person, bool(texture == 1))
    _draw_roof(image, x, top, width, person, rng)
    _draw_windows(image, (x, top, width, wall - storey), storey, person, rng)
    (_draw_shop if rng.random() < 0.65 else _draw_entrance)(image, x, wall, width, storey, person, colour, rng)
    _rectangle(image, x, wall - 0.07 * person, width, 0.07 * person, _tone(colour, 0.7))
    _rectangle(image, x + width - 0.03 * person, top, 0.03 * person, wall - top, _tone(colour, 0.82))


def _draw_courses(
    image: np.ndarray, area: tuple[float, float, float, float], colour: Colour, person: float, bricks: bool
) -> None:
    """Brickwork or boards: thin lines a little darker than the wall."""
    x, top, width, height = area
    line, step = _tone(colour, 0.93), (0.075 if bricks else 0.16) * person
    for row in range(int(height / step)):
        y = top + row * step
        _rectangle(image, x, y, width, max(0.012 * person, 1), line)
        for brick in np.arange(x + (row % 2) * step, x + width - 1, 2.2 * step) if bricks else ():
            _rectangle(image, brick, y, max(0.012 * person, 1), step, line)


def _draw_roof(image: np.ndarray, x: float, top: float, width: float, person: float, rng: np.random.Generator) -> None:
    tiles = _pick(((150, 84, 70), (96, 90, 94), (120, 104, 92), (84, 96, 112)), rng)
    if rng.random() < 0.5:
        rise, inset = rng.uniform(0.3, 0.8) * person, rng.uniform(0.1, 0.5) * width
        corners = [(x - 0.05 * person, top), (x + inset, top - rise), (x + width - inset, top - rise)]
        corners.append((x + width + 0.05 * person, top))
        cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], tiles)
    _rectangle(image, x - 0.03 * person, top - 0.06 * person, width + 0.06 * person, 0.1 * person, _tone(tiles, 1.2))


def _draw_windows(
    image: np.ndarray,
    area: tuple[float, float, float, float],
    storey: float,
    person: float,
    rng: np.random.Generator,
) -> None:
    """Upper storeys: every window of a house alike, but for curtains and light."""
    x, top, width, bottom = area
    columns = max(int(width / (rng.uniform(0.62, 0.85) * person)), 1)
    w, h = rng.uniform(0.28, 0.38) * person, rng.uniform(0.5, 0.7) * person
    frame = _pick(((240, 236, 228), (96, 84, 78), (206, 200, 190)), rng)
    shutter = _pick(CLOTH_COLOURS, rng) if rng.random() < 0.4 else None
    for row in range(int(np.ceil((bottom - top) / storey))):
        y = bottom - row * storey - 0.25 * storey - h * 0.75
        if y < top + 0.12 * person:
            continue
        for column in range(columns):
            left = x + (column + 0.5) * width / columns - w / 2
            if shutter:
                _rectangle(image, left - 0.42 * w, y, 1.84 * w, h, shutter)
            _draw_pane(image, left, y, w, h, frame, rng)
            _rectangle(image, left - 0.06 * w, y + h, 1.12 * w, 0.05 * person, _tone(frame, 0.88))


def _draw_pane(
    image: np.ndarray, x: float, y: float, w: float, h: float, frame: Colour, rng: np.random.Generator
) -> None:
    edge = 0.09 * w
    glass = _pick(GLASS, rng)
    _rectangle(image, x - edge, y - edge, w + 2 * edge, h + 2 * edge, frame)
    _rectangle(image, x, y, w, h, glass)
    shine = [
        (x + 0.1 * w, y),
        (x + 0.55 * w, y),
        (x + 0.1 * w, y + 0.5 * h),
        (x, y + 0.5 * h),
        (x, y + 0.1 * h),
    ]
    cv2.fillPoly(image, [np.rint(shine).astype(np.int32)], _tone(glass, 1.14))
    _rectangle(image, x + w / 2 - edge / 2, y, edge, h, frame)
    _rectangle(image, x, y + 0.42 * h, w, edge, frame)


def _draw_shop(
    image: np.ndarray,
    x: float,
    wall: float,
    width: float,
    storey: float,
    person: float,
    colour: Colour,
    rng: np.random.Generator,
) -> None:
    """A shop window with goods, a door, a sign, perhaps a striped awning."""
    paint = _pick(CLOTH_COLOURS, rng)
    top, left, span = wall - 0.97 * storey, x + 0.05 * width, 0.9 * width
    _rectangle(image, left, top, span, wall - top, _tone(paint, 0.82))
    door = 0.5 * person
    at_left = rng.random() < 0.5
    glass_x = left + (door + 0.16 * person if at_left else 0.08 * person)
    glass_y, glass_w = top + 0.36 * person, span - door - 0.24 * person
    _rectangle(image, glass_x, glass_y, glass_w, wall - 0.26 * person - glass_y, (186, 200, 204))
    _draw_goods(image, glass_x, wall - 0.26 * person, glass_w, person, rng)
    door_x = left + 0.08 * person if at_left else left + span - door - 0.08 * person
    _rectangle(image, door_x, glass_y, door, wall - glass_y, _tone(paint, 0.6))
    _rectangle(image, door_x + 0.1 * door, glass_y + 0.08 * person, 0.8 * door, 0.5 * person, (150, 170, 178))
    _rectangle(image, left, top, span, 0.24 * person, paint)
    _draw_letters(image, left + 0.15 * span, top + 0.06 * person, 0.7 * span, person, paint, rng)
    if rng.random() < 0.6:
        _draw_awning(image, left, top + 0.24 * person, span, person, _pick(CLOTH_COLOURS, rng))


def _draw_letters(
    image: np.ndarray,
    x: float,
    y: float,
    width: float,
    person: float,
    ground: Colour,
    rng: np.random.Generator,
) -> None:
    ink = (250, 246, 236) if sum(ground) < 480 else (66, 58, 60)
    end = x + width * rng.uniform(0.6, 1.0)
    while x < end:
        w = rng.uniform(0.04, 0.09) * person
        h = rng.uniform(0.08, 0.12) * person
        _rectangle(image, x, y + 0.12 * person - h, w, h, ink)
        x += w + (0.03 if rng.random() < 0.85 else 0.1) * person


def _draw_goods(
    image: np.ndarray, x: float, bottom: float, width: float, person: float, rng: np.random.Generator
) -> None:
    """Boxes and bottles on a shelf, in the colours of clothes."""
    step = 0.19 * person
    for left in np.arange(x + 0.05 * person, x + width - step, step):
        h = rng.uniform(0.1, 0.36) * person
        colour = _tone(_pick(CLOTH_COLOURS, rng), 0.95)
        if rng.random() < 0.3:
            centre = (round(left + 0.07 * person), round(bottom - 0.08 * person))
            cv2.circle(image, centre, round(0.08 * person), colour, -1)
        else:
            _rectangle(image, left, bottom - h, 0.14 * person, h, colour)


def _draw_awning(image: np.ndarray, x: float, y: float, width: float, person: float, colour: Colour) -> None:
    """Stripes that widen downwards, with a scalloped edge."""
    drop, out = 0.22 * person, 0.08 * person
    count = max(2 * round(width / (0.36 * person)) + 1, 3)
    upper = np.linspace(x, x + width, count + 1)
    lower = np.linspace(x - out, x + width + out, count + 1)
    for k in range(count):
        paint = colour if k % 2 == 0 else (246, 242, 232)
        corners = [(upper[k], y), (upper[k + 1], y), (lower[k + 1], y + drop), (lower[k], y + drop)]
        cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], paint)
        radius = (lower[k + 1] - lower[k]) / 2
        centre = (round(lower[k] + radius), round(y + drop))
        cv2.ellipse(image, centre, (round(radius), round(0.06 * person)), 0, 0, 180, _tone(paint, 0.88), -1)


def _draw_entrance(
    image: np.ndarray,
    x: float,
    wall: float,
    width: float,
    storey: float,
    person: float,
    colour: Colour,
    rng: np.random.Generator,
) -> None:
    """A door with steps, windows beside it and a poster."""
    door = _pick(CLOTH_COLOURS, rng)
    centre = x + rng.uniform(0.25, 0.75) * width
    _rectangle(image, centre - 0.31 * person, wall - 1.1 * person, 0.62 * person, 1.1 * person, (236, 230, 220))
    _rectangle(image, centre - 0.25 * person, wall - 1.04 * person, 0.5 * person, 1.04 * person, door)
    _rectangle(image, centre - 0.18 * person, wall - 0.96 * person, 0.36 * person, 0.3 * person, _tone(door, 0.72))
    _rectangle(image, centre - 0.18 * person, wall - 0.56 * person, 0.36 * person, 0.36 * person, _tone(door, 0.84))
    _rectangle(image, centre - 0.4 * person, wall - 0.06 * person, 0.8 * person, 0.06 * person, _tone(colour, 0.8))
    for left in np.arange(x + 0.2 * person, x + width - 0.5 * person, 0.62 * person):
        if abs(left + 0.17 * person - centre) < 0.55 * person:
            continue
        if rng.random() < 0.25:
            poster = _pick(CLOTH_COLOURS, rng)
            _rectangle(image, left, wall - 0.95 * person, 0.34 * person, 0.5 * person, poster)
            _rectangle(
                image,
                left + 0.05 * person,
                wall - 0.88 * person,
                0.24 * person,
                0.2 * person,
                _tone(poster, 1.3),
            )
        else:
            _draw_pane(image, left, wall - 0.98 * person, 0.34 * person, 0.56 * person, (240, 236, 228), rng)
