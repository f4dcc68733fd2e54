"""One frame: an empty street, the people in it, what stands before them, the camera's faults."""

from __future__ import annotations

import cv2
import numpy as np

from inet_d2.scenes.drawing import draw_person
from inet_d2.scenes.person import sample_person
from inet_d2.scenes.placement import place_people
from inet_d2.scenes.plan import FramePlan
from inet_d2.scenes.pose import sample_pose
from inet_d2.scenes.preset import ScenePreset
from inet_d2.scenes.street import draw_street, sample_camera
from inet_d2.scenes.writer import DrawnFrame

JPEG_QUALITY = (60, 96)
HARD_BELOW = 0.75


def draw_frame(plan: FramePlan, preset: ScenePreset, seed: int) -> tuple[bytes, DrawnFrame]:
    """Draw one frame; the same arguments give the same bytes.

    Args:
        plan: who is in it.
        preset: sizes and photometric strength.
        seed: of the data set.

    Returns:
        The JPEG file's bytes, and the people's boxes.
    """
    rng = np.random.default_rng([seed, 2, plan.number])
    light = float(rng.uniform(-1, 1))
    camera = sample_camera(preset, rng)
    image = draw_street(preset, camera, rng)
    sprites = [_draw_somebody(number, light, preset, seed, rng) for number in plan.people]
    aspects = np.array([sprite.shape[1] / sprite.shape[0] for sprite in sprites])
    groups = [*map(len, plan.groups), *([1] * len(plan.strangers))]
    boxes = place_people(aspects, groups, camera, preset, rng)
    owner = np.full(image.shape[:2], -1, np.int16)
    for k in np.argsort(boxes[:, 1] + boxes[:, 3], kind="stable"):
        _paste(image, owner, sprites[k], boxes[k], int(k))
    image = _develop(image, preset.hard, rng)
    quality = int(rng.integers(*JPEG_QUALITY))
    done, jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"make_scenes: OpenCV could not encode frame {plan.name}")
    hard = np.zeros(len(boxes), bool)
    return jpeg.tobytes(), DrawnFrame(plan.number, plan.people, boxes, hard)


def _draw_somebody(
    number: int, light: float, preset: ScenePreset, seed: int, rng: np.random.Generator
) -> np.ndarray:
    person = sample_person(np.random.default_rng([seed, 1, number]))
    unit = int(np.clip(2.4 * preset.person_height[1], 200, 640))
    return draw_person(person, sample_pose(person, rng), light, unit, rng)


def _paste(image: np.ndarray, owner: np.ndarray, sprite: np.ndarray, box: np.ndarray, index: int) -> None:
    x, y, w, h = box.tolist()
    sprite = cv2.resize(sprite, (w, h), interpolation=cv2.INTER_AREA)
    alpha = sprite[..., 3:] / 255
    part = image[y : y + h, x : x + w]
    part *= 1 - alpha
    part += sprite[..., :3]
    owner[y : y + h, x : x + w][alpha[..., 0] > 0.5] = index


def _develop(image: np.ndarray, hard: float, rng: np.random.Generator) -> np.ndarray:
    """Exposure, colour cast, blur and noise of the camera; (H, W, 3) uint8."""
    image = image * (1 + hard * rng.uniform(-0.25, 0.25)) * (1 + hard * rng.uniform(-0.06, 0.06, 3))
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.4 + hard))
    image += rng.normal(0, 1 + 4 * hard * rng.random(), image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)
