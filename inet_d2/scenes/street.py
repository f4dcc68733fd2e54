"""An empty street: the camera, the sky, the houses and the ground."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inet_d2.scenes.houses import draw_houses
from inet_d2.scenes.preset import ScenePreset

# RGB at the top of the frame and at the horizon.
SKIES = (
    ((136, 186, 226), (226, 238, 240)),
    ((176, 190, 204), (230, 232, 232)),
    ((244, 196, 152), (252, 232, 204)),
    ((128, 158, 200), (244, 220, 204)),
)
FLOORS = ((204, 198, 190), (184, 182, 182), (214, 198, 176), (166, 166, 170), (198, 182, 170))
ASPHALT = (122, 124, 130)
GRASS = ((138, 164, 104), (122, 152, 108))
FINE = 2


@dataclass(frozen=True)
class Camera:
    """How a place on the ground maps to size.

    A person whose feet are in row y is ``(y - horizon) / rise`` pixels tall.

    Attributes:
        horizon: row of the horizon, pixels.
        rise: height of the camera in body heights.
        wall: row where the houses meet the ground, pixels.
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
    return Camera(horizon, rise, horizon + 0.92 * rise * smallest)


def draw_street(preset: ScenePreset, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Draw an empty street.

    Args:
        preset: gives the frame's size.
        camera: gives the place of the houses and the lines of the ground.
        rng: source of chance.

    Returns:
        (height, width, 3) float32 RGB, 0-255.
    """
    height, width = FINE * preset.height, FINE * preset.width
    wall, horizon = FINE * camera.wall, FINE * camera.horizon
    image = _sky(height, width, wall, rng)
    draw_houses(image, wall, float(FINE * camera.height_at(camera.wall)), rng)
    _draw_ground(image, wall, horizon, FINE * camera.rise, rng)
    small = cv2.resize(image, (preset.width, preset.height), interpolation=cv2.INTER_AREA).astype(np.float32)
    return small * _blotches(preset.height, preset.width, rng)[..., None]


def _sky(height: int, width: int, wall: float, rng: np.random.Generator) -> np.ndarray:
    """A fall of colour down to the houses, and soft clouds."""
    top, bottom = np.float32(SKIES[int(rng.integers(len(SKIES)))])
    fall = np.clip(np.arange(height, dtype=np.float32) / wall, 0, 1)[:, None]
    image = np.repeat((top * (1 - fall) + bottom * fall)[:, None], width, axis=1).astype(np.uint8)
    for _ in range(int(rng.integers(0, 4))):
        x, y, size = rng.uniform(0, width), rng.uniform(0, 0.5 * wall), rng.uniform(0.03, 0.08) * width
        for k in range(4):
            centre = (round(x + (k - 1.5) * size), round(y - size * rng.uniform(0, 0.3)))
            axes = (round(size * rng.uniform(0.8, 1.3)), round(size * 0.42))
            cv2.ellipse(image, centre, axes, 0, 0, 360, (246, 246, 244), -1)
    return image


def _draw_ground(image: np.ndarray, wall: float, horizon: float, rise: float, rng: np.random.Generator) -> None:
    """A pavement along the houses, then a square, a road or a lawn."""
    height, width = image.shape[:2]
    floor = FLOORS[int(rng.integers(len(FLOORS)))]
    cv2.rectangle(image, (0, round(wall)), (width, height), floor, -1)
    vanishing = rng.uniform(0.2, 0.8) * width
    kind = ("square", "square", "road", "lawn")[int(rng.integers(4))]
    kerb = wall + rng.uniform(0.12, 0.3) * (height - wall)
    tiles_to = height if kind == "square" else kerb
    _draw_tiles(image, floor, (wall, tiles_to), (vanishing, horizon), rng)
    if kind == "square":
        return
    surface = ASPHALT if kind == "road" else GRASS[int(rng.integers(len(GRASS)))]
    cv2.rectangle(image, (0, round(kerb)), (width, height), surface, -1)
    edge = 0.016 * height
    cv2.rectangle(image, (0, round(kerb)), (width, round(kerb + edge)), (222, 218, 210), -1)
    if kind == "road":
        cv2.rectangle(image, (0, round(kerb + edge)), (width, round(kerb + 1.8 * edge)), (96, 96, 102), -1)
        _draw_crossing(image, kerb + 2.6 * edge, (vanishing, horizon), rng)
    else:
        _draw_path(image, kerb + edge, (vanishing, horizon), floor)


def _shine(y: np.ndarray, horizon: float, x: float, vanishing: float, height: int) -> np.ndarray:
    """Columns at rows y of the line that meets the bottom of the frame at x and the horizon at ``vanishing``."""
    return vanishing + (x - vanishing) * (y - horizon) / (height - horizon)


def _draw_tiles(
    image: np.ndarray,
    floor: tuple[int, int, int],
    rows: tuple[float, float],
    vanishing: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Joints towards a vanishing point and rows that draw together with distance."""
    height, width = image.shape[:2]
    joint = tuple(int(c * 0.9) for c in floor)
    step = rng.uniform(0.13, 0.24) * width
    ends = np.array(rows)
    for x in np.arange(vanishing[0] - 40 * step, vanishing[0] + 40 * step, step):
        columns = _shine(ends, vanishing[1], x, vanishing[0], height)
        if max(columns) < -width or min(columns) > 2 * width:
            continue
        points = np.rint(np.stack([columns, ends], axis=1)).astype(int)
        cv2.line(image, tuple(points[0].tolist()), tuple(points[1].tolist()), joint, 2, cv2.LINE_AA)
    depths = np.arange(1.0, 12.0, rng.uniform(0.14, 0.3))
    for y in vanishing[1] + (height - vanishing[1]) / depths:
        if rows[0] < y < rows[1]:
            cv2.line(image, (0, round(y)), (width, round(y)), joint, 1 + int(y > 0.6 * height))


def _draw_crossing(image: np.ndarray, top: float, vanishing: tuple[float, float], rng: np.random.Generator) -> None:
    """The white bars of a crossing."""
    height, width = image.shape[:2]
    ends = np.array([top, height])
    step = 0.16 * width
    first = rng.uniform(-0.5, 0.5) * width
    for x in first + step * np.arange(5):
        left, right = (_shine(ends, vanishing[1], edge, vanishing[0], height) for edge in (x, x + 0.55 * step))
        corners = [(left[0], ends[0]), (right[0], ends[0]), (right[1], ends[1]), (left[1], ends[1])]
        cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], (206, 206, 206))


def _draw_path(image: np.ndarray, top: float, vanishing: tuple[float, float], colour: tuple[int, int, int]) -> None:
    """A path over the lawn."""
    height, width = image.shape[:2]
    ends = np.array([top, height])
    left, right = (_shine(ends, vanishing[1], x * width, vanishing[0], height) for x in (0.1, 0.9))
    corners = [(left[0], ends[0]), (right[0], ends[0]), (right[1], ends[1]), (left[1], ends[1])]
    cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], colour)


def _blotches(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(height, width) float32 factors near 1 that vary slowly: worn paint, damp ground."""
    coarse = rng.normal(1, 0.02, (height // 24 + 2, width // 24 + 2)).astype(np.float32)
    fine = rng.normal(0, 0.012, (height // 4 + 1, width // 4 + 1)).astype(np.float32)
    size = (width, height)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) + cv2.resize(fine, size)
