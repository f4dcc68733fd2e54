"""What cloth looks like: colour, pattern and folds as functions of a place on the body."""

from __future__ import annotations

import numpy as np

from inet_d2.scenes.canvas import Paint
from inet_d2.scenes.person import Colour, Person


def plain(colour: Colour, tone: float = 1.0) -> Paint:
    """One colour.

    Args:
        colour: RGB.
        tone: factor on it.

    Returns:
        The paint.
    """
    flat = np.asarray(colour, np.float32) * np.float32(tone)
    return lambda u, v: np.broadcast_to(flat, (*np.broadcast_shapes(u.shape, v.shape), 3))


def with_folds(paint: Paint, rng: np.random.Generator, strength: float = 0.10) -> Paint:
    """Add a few soft, slanted folds.

    Args:
        paint: the cloth.
        rng: source of chance; the folds differ from scene to scene.
        strength: part of the light lost in a fold.

    Returns:
        The paint.
    """
    slant, phase, bend = rng.uniform(-1.2, 1.2), rng.uniform(0, 6.3), rng.uniform(0, 6.3)
    rate = rng.uniform(26, 42)

    def folded(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        wave = np.sin((v + slant * u) * np.float32(rate) + 2 * np.sin(u * 14 + np.float32(bend)) + np.float32(phase))
        return paint(u, v) * (1 - np.float32(strength) * np.maximum(wave, 0) ** 2)[..., None]

    return folded


def upper_cloth(person: Person, length: float, tone: float = 1.0) -> Paint:
    """The pattern of somebody's upper clothes; the chest logo is drawn apart.

    Args:
        person: whose.
        length: of the torso, body heights; two-tone clothes change colour half way.
        tone: factor on the colours.

    Returns:
        The paint; v runs down from the shoulders.
    """
    first, second = (np.asarray(c, np.float32) * np.float32(tone) for c in (person.upper, person.second))
    period = np.float32(person.pattern_size)

    def stripes(x: np.ndarray) -> np.ndarray:
        return np.mod(x / period, 1) < 0.45

    def paint(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        u, v = np.broadcast_arrays(u, v)
        if person.pattern == "horizontal":
            where = stripes(v)
        elif person.pattern == "vertical":
            where = stripes(u + period * 0.225)
        elif person.pattern == "checks":
            where = stripes(u + period * 0.225) ^ stripes(v)
        elif person.pattern == "two_tone":
            where = v > 0.5 * length
        else:
            where = np.zeros(u.shape, bool)
        return np.where(where[..., None], second, first)

    return paint
