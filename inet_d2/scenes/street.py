"""Backgrounds: sky, a row of houses, a pavement, street furniture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inet_d2.scenes.person import LOWER_COLOURS, UPPER_COLOURS
from inet_d2.scenes.preset import ScenePreset

SKIES = (
    ((142, 190, 228), (222, 236, 240)),
    ((168, 182, 198), (226, 228, 228)),
    ((238, 190, 150), (250, 228, 196)),
    ((120, 150, 190), (240, 214, 196)),
)
WALLS = (
    (206, 180, 152), (190, 120, 98), (222, 210, 188), (168, 172, 178), (150, 164, 140),
    (226, 190, 140), (132, 142, 164), (200, 160, 160), (118, 104, 100), (238, 232, 222),
)  # fmt: skip
FLOORS = ((196, 190, 182), (178, 176, 178), (206, 190, 168), (160, 160, 166), (188, 170, 158))
GREENS = ((86, 134, 80), (66, 112, 78), (118, 148, 78), (78, 124, 104))


@dataclass(frozen=True)
class Camera:
    """How a place on the ground maps to size: a person whose feet are at row y is ``(y - horizon) / rise`` tall.

    Attributes:
        horizon: row of the horizon, pixels.
        rise: height of the camera in body heights.
        wall: row where houses meet the ground, pixels.
    """

    horizon: float
    rise: float
    wall: float

    def height_at(self, foot: float | np.ndarray) -> float | np.ndarray:
        """Pixels that a person with the feet in this row is tall."""
        return (foot - self.horizon) / self.rise

    def foot_of(self, height: float | np.ndarray) -> float | np.ndarray:
        """Row of the feet of a person this many pixels tall."""
        return self.horizon + self.rise * height


def sample_camera(preset: ScenePreset, rng: np.random.Generator) -> Camera:
    """Choose a camera that shows the tallest people of the preset whole.

    Args:
        preset: gives the frame's size and the people's.
        rng: source of chance.

    Returns:
        The camera.
    """
    smallest, tallest = preset.person_height
    rise = rng.uniform(0.98, 1.2)
    highest = max(preset.height - 2 - rise * tallest, 0.08 * preset.height)
    horizon = min(rng.uniform(0.12, 0.34) * preset.height, highest)
    return Camera(horizon, rise, horizon + 0.9 * rise * smallest)


def draw_street(preset: ScenePreset, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Draw an empty street.

    Args:
        preset: gives the frame's size.
        camera: where the ground begins.
        rng: source of chance.

    Returns:
        (height, width, 3) float32 RGB, 0-255.
    """
    height, width = preset.height, preset.width
    top, bottom = SKIES[int(rng.integers(len(SKIES)))]
    fall = np.linspace(0, 1, 2 * height, dtype=np.float32)[:, None, None]
    image = np.broadcast_to(
        np.float32(top) * (1 - fall) + np.float32(bottom) * fall, (2 * height, 2 * width, 3)
    )
    image = np.ascontiguousarray(image, dtype=np.uint8)
    wall = int(2 * camera.wall)
    x = int(rng.integers(-100, 0))
    while x < 2 * width:
        w = int(rng.integers(140, 300))
        _draw_house(image, x, int(rng.uniform(-0.1, 0.35) * wall), w, wall, rng)
        x += w
    floor = FLOORS[int(rng.integers(len(FLOORS)))]
    cv2.rectangle(image, (0, wall), (2 * width, 2 * height), floor, -1)
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)


def _draw_house(image: np.ndarray, x: int, top: int, w: int, wall: int, rng: np.random.Generator) -> None:
    colour = WALLS[int(rng.integers(len(WALLS)))]
    cv2.rectangle(image, (x, top), (x + w - 1, wall), colour, -1)
    glass = (92, 112, 132)
    for wx in range(x + 14, x + w - 30, 44):
        for wy in range(top + 14, wall - 60, 56):
            cv2.rectangle(image, (wx, wy), (wx + 22, wy + 34), glass, -1)
    palette = UPPER_COLOURS + LOWER_COLOURS
    shop = palette[int(rng.integers(len(palette)))]
    cv2.rectangle(image, (x + 10, wall - 52), (x + w - 12, wall - 38), shop, -1)
