"""Filling shaded, patterned shapes in body units on a large canvas, to be shrunk afterwards."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

# Colour at (u, v): u across and v along a shape, both in body heights; (h, w) arrays -> (h, w, 3) float32 RGB.
Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]


def moved(point: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """The point ``dx`` to the right and ``dy`` below.

    Args:
        point: (2,) x, y.
        dx: body heights.
        dy: body heights.

    Returns:
        (2,) float.
    """
    return np.asarray(point, dtype=np.float64) + np.array([dx, dy])


def capsule(a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float) -> np.ndarray:
    """Outline of a limb: two half circles, joined.

    Args:
        a: (2,) one end.
        b: (2,) the other.
        radius_a: at ``a``.
        radius_b: at ``b``.

    Returns:
        (18, 2) float points.
    """
    along = np.arctan2(b[1] - a[1], b[0] - a[0])
    turn = np.linspace(0.5, 1.5, 9) * np.pi + along
    start = a + radius_a * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    end = b + radius_b * np.stack([np.cos(turn + np.pi), np.sin(turn + np.pi)], axis=1)
    return np.concatenate([start, end])


def ellipse(centre: tuple[float, float], rx: float, ry: float, start: float = 0.0, stop: float = 360.0) -> np.ndarray:
    """Outline of an ellipse or, cut by its chord, of a part.

    Args:
        centre: x, y.
        rx: half width.
        ry: half height.
        start: angle in degrees, 0 right, 90 down.
        stop: angle in degrees.

    Returns:
        (33, 2) float points.
    """
    turn = np.deg2rad(np.linspace(start, stop, 33))
    return np.stack([centre[0] + rx * np.cos(turn), centre[1] + ry * np.sin(turn)], axis=1)


def rounded(points: list[tuple[float, float]] | np.ndarray, times: int = 2) -> np.ndarray:
    """Cut the corners of a polygon again and again (Chaikin).

    Args:
        points: (n, 2) corners.
        times: number of rounds.

    Returns:
        (n * 2 ** times, 2) float points.
    """
    points = np.asarray(points, dtype=np.float64)
    for _ in range(times):
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], axis=1).reshape(-1, 2)
    return points


class Canvas:
    """An RGB picture with a mask, addressed in body heights.

    Attributes:
        rgb: (H, W, 3) float32, 0-255.
        mask: (H, W) uint8, 255 where something was painted.
        unit: pixels of one body height.
        light: where light comes from, -1 left, 1 right.
    """

    def __init__(self, unit: int, width: float, height: float, light: float = 0.0) -> None:
        self.unit = unit
        self.light = light
        self.origin = np.array([width / 2, 0.1]) * unit
        shape = (int(height * unit), int(width * unit))
        self.rgb = np.zeros((*shape, 3), np.float32)
        self.mask = np.zeros(shape, np.uint8)

    def fill(
        self,
        outline: np.ndarray,
        paint: Paint,
        axis: tuple[np.ndarray, np.ndarray],
        half_width: float,
        roundness: float = 0.26,
    ) -> None:
        """Paint a shape, darker towards its sides as a round thing is.

        Args:
            outline: (n, 2) points in body heights.
            paint: colour as a function of u and v.
            axis: two points; v runs from the first to the second, u across.
            half_width: |u| at the sides of the shape.
            roundness: part of the light that the sides lose.
        """
        pixels = outline * self.unit + self.origin
        height, width = self.mask.shape
        x0, y0 = np.maximum(np.floor(pixels.min(axis=0)).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 1, (width, height))
        if x0 >= x1 or y0 >= y1:
            return
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(mask, [np.rint((pixels - (x0, y0)) * 16).astype(np.int32)], 255, shift=4)
        xs = ((np.arange(x0, x1) + 0.5 - self.origin[0]) / self.unit - axis[0][0]).astype(np.float32)
        ys = ((np.arange(y0, y1) + 0.5 - self.origin[1]) / self.unit - axis[0][1]).astype(np.float32)[:, None]
        step = np.subtract(axis[1], axis[0])
        dx, dy = (step / max(float(np.hypot(*step)), 1e-6)).astype(np.float32)
        u, v = xs * dy - ys * dx, xs * dx + ys * dy
        t = np.clip(u / np.float32(half_width), -1, 1)
        shade = 1.03 + np.float32(0.12 * self.light) * t - np.float32(roundness) * t * t
        colour = paint(u, v) * shade[..., None]
        np.copyto(self.rgb[y0:y1, x0:x1], colour, where=mask[..., None] > 0)
        np.maximum(self.mask[y0:y1, x0:x1], mask, out=self.mask[y0:y1, x0:x1])

    def limb(self, a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float, paint: Paint) -> None:
        """Paint a tapered limb from ``a`` to ``b``."""
        self.fill(capsule(a, b, radius_a, radius_b), paint, (a, b), max(radius_a, radius_b))

    def crop(self) -> np.ndarray:
        """The painted part.

        Returns:
            (h, w, 4) float32, RGB multiplied by alpha, then alpha; both 0-255.
        """
        x, y, w, h = cv2.boundingRect(self.mask)
        alpha = self.mask[y : y + h, x : x + w].astype(np.float32)
        rgb = np.clip(self.rgb[y : y + h, x : x + w], 0, 255) * (alpha[..., None] > 0)
        return np.dstack([rgb, alpha])
