"""Light and camera: what changes between two pictures of the same person."""

from __future__ import annotations

import cv2
import numpy as np


def relight(sprite: np.ndarray, hard: float, rng: np.random.Generator) -> np.ndarray:
    """Give one person their own light: gain, cast and a gradient.

    Args:
        sprite: (h, w, 4) float32, RGB multiplied by alpha, then alpha; 0-255.
        hard: strength; 1 is up to 16 % of gain, 5 % of cast and 12 % of gradient.
        rng: source of chance.

    Returns:
        (h, w, 4) float32, the same alpha.
    """
    height, width = sprite.shape[:2]
    gain = 1 + hard * rng.uniform(-0.16, 0.16) + hard * rng.uniform(-0.05, 0.05, 3)
    across, down = hard * rng.uniform(-0.24, 0.24, 2)
    columns, rows = (np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in (width, height))
    field = 1 + np.float32(across) * columns + np.float32(down) * rows[:, None]
    rgb = sprite[..., :3] * (gain.astype(np.float32) * field[..., None])
    return np.dstack([np.minimum(rgb, sprite[..., 3:]), sprite[..., 3]])


def develop(image: np.ndarray, hard: float, rng: np.random.Generator) -> np.ndarray:
    """Exposure, cast, contrast, blur and noise of the camera.

    Args:
        image: (H, W, 3) float32 RGB, 0-255.
        hard: strength; 1 is up to 22 % of exposure and 5 % of cast.
        rng: source of chance.

    Returns:
        (H, W, 3) uint8.
    """
    gain = (1 + hard * rng.uniform(-0.22, 0.22)) * (1 + hard * rng.uniform(-0.05, 0.05, 3))
    gamma = np.exp(hard * rng.uniform(-0.25, 0.25))
    image = 255 * np.clip(image * gain.astype(np.float32) / 255, 0, 1) ** np.float32(gamma)
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.35, 0.4 + 0.9 * hard))
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(0.8 + 4 * hard * rng.random())
    return np.clip(image + noise, 0, 255).astype(np.uint8)
