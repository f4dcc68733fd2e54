"""One frame: an empty street, people and things from far to near, then the camera's faults."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inet_d2.scenes.drawing import draw_person
from inet_d2.scenes.look import PlainLook, look_of
from inet_d2.scenes.person import sample_person
from inet_d2.scenes.photo import develop, relight
from inet_d2.scenes.placement import place_people
from inet_d2.scenes.plan import FramePlan
from inet_d2.scenes.pose import sample_pose
from inet_d2.scenes.preset import ScenePreset
from inet_d2.scenes.props import PROPS, draw_prop
from inet_d2.scenes.street import Camera, draw_street, sample_camera
from inet_d2.scenes.writer import DrawnFrame

JPEG_QUALITY = (60, 96)
# A person of whom less shows is "hard" in the annotation.
HARD_BELOW = 0.75
# Things are left out where they would leave less of a person.
LEAST_SHOWN = 0.62
OCCLUDED = 0.2
# Everything is drawn this many times larger, then shrunk.
FINE = 2


@dataclass(frozen=True)
class _Sprite:
    """A cut-out picture and its place.

    Attributes:
        pixels: (h, w, 4) float32, RGB multiplied by alpha, then alpha; of the box's size.
        box: (4,) int64 x, y, width, height; may pass the frame's edges.
        person: index of the person, -1 for a thing.
    """

    pixels: np.ndarray
    box: np.ndarray
    person: int


def draw_frame(plan: FramePlan, preset: ScenePreset, seed: int) -> tuple[bytes, DrawnFrame]:
    """Draw one frame; the same arguments give the same bytes.

    Args:
        plan: who is in it.
        preset: sizes and photometric strength.
        seed: of the data set.

    Returns:
        The JPEG file's bytes, and the people's boxes.

    Raises:
        RuntimeError: OpenCV could not encode the picture.
    """
    rng = np.random.default_rng([seed, 2, plan.number])
    light = float(rng.uniform(-1, 1))
    camera = sample_camera(preset, rng)
    image = draw_street(preset, camera, rng)
    look = look_of(preset, seed)
    people = _draw_people(plan, light, camera, preset, seed, look, rng)
    boxes = np.stack([sprite.box for sprite in people])
    sprites = people + _draw_things(boxes, light, camera, preset, rng)
    sprites.sort(key=lambda sprite: int(sprite.box[1] + sprite.box[3]))
    owner = np.full(image.shape[:2], -1, np.int16)
    full = np.zeros(len(people), np.int64)
    for sprite in sprites:
        _paste(image, owner, full, sprite, light)
    shown = np.bincount(owner[owner >= 0], minlength=len(people)) / np.maximum(full, 1)
    seen_by = look.camera_number(rng)
    image = develop(look.exposed(image, seen_by), preset.hard, rng)
    options = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*JPEG_QUALITY))]
    done, jpeg = cv2.imencode(".jpg", image[..., ::-1], options)
    if not done:
        raise RuntimeError(f"OpenCV could not encode frame {plan.name}")
    return jpeg.tobytes(), DrawnFrame(plan.number, plan.people, boxes, shown < HARD_BELOW, seen_by)


def _draw_people(
    plan: FramePlan,
    light: float,
    camera: Camera,
    preset: ScenePreset,
    seed: int,
    look: PlainLook,
    rng: np.random.Generator,
) -> list[_Sprite]:
    """Draw everybody once, large, then find places."""
    unit = int(np.clip(FINE * preset.person_height[1], 200, 600))
    pictures = []
    for number in plan.people:
        person = look.dress(sample_person(np.random.default_rng([seed, 1, number])), number)
        pose = sample_pose(person, rng)
        pictures.append(look.woven(draw_person(look.turned(person, pose.view, number), pose, light, unit, rng), rng))
    aspects = np.array([picture.shape[1] / picture.shape[0] for picture in pictures])
    groups = [*map(len, plan.groups), *([1] * len(plan.strangers))]
    boxes = place_people(aspects, groups, camera, preset, rng)
    sprites = []
    for k, picture in enumerate(pictures):
        small = cv2.resize(picture, boxes[k, 2:].tolist(), interpolation=cv2.INTER_AREA)
        sprites.append(_Sprite(relight(small, preset.hard, rng), boxes[k], k))
    return sprites


def _draw_things(
    boxes: np.ndarray, light: float, camera: Camera, preset: ScenePreset, rng: np.random.Generator
) -> list[_Sprite]:
    """Things in the street, and slim ones close before some of the people."""
    slim = [kind for kind in PROPS if kind.is_slim]
    nearest = min(float(camera.foot_of(preset.person_height[1])), preset.height)
    things = []
    for _ in range(int(rng.integers(2, 6))):
        foot = camera.wall + rng.uniform(0.02, 1.0) ** 1.6 * (nearest - camera.wall)
        kind = PROPS[int(rng.integers(len(PROPS)))]
        things.append((kind, rng.uniform(0, preset.width), foot))
    for x, y, w, h in boxes[rng.random(len(boxes)) < OCCLUDED].tolist():
        kind = slim[int(rng.integers(len(slim)))]
        things.append((kind, x + w * rng.uniform(-0.1, 1.1), y + h * rng.uniform(1.01, 1.08)))
    sprites: list[_Sprite] = []
    covered = np.zeros(len(boxes))
    for kind, x, foot in things:
        scale = float(camera.height_at(foot))
        unit = int(np.clip(FINE * scale, 60, 500))
        picture = draw_prop(kind, light, unit, rng)
        w, h = (max(round(side * scale / unit), 1) for side in picture.shape[1::-1])
        box = np.array([round(x - w / 2), round(foot) - h, w, h])
        covers = _covered_by(box, boxes)
        if (covered + covers).max() < 1 - LEAST_SHOWN:
            covered += covers
            sprites.append(_Sprite(cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA), box, -1))
    return sprites


def _covered_by(box: np.ndarray, people: np.ndarray) -> np.ndarray:
    """(n,) part of each person's box that a thing covers; 0 for those who stand before it."""
    low = np.maximum(people[:, :2], box[:2])
    high = np.minimum(people[:, :2] + people[:, 2:], box[:2] + box[2:])
    covers = np.clip(high - low, 0, None).prod(axis=1) / people[:, 2:].prod(axis=1)
    return np.where(people[:, 1] + people[:, 3] <= box[1] + box[3], covers, 0.0)


def _paste(image: np.ndarray, owner: np.ndarray, full: np.ndarray, sprite: _Sprite, light: float) -> None:
    """Put a shadow and a picture into the frame; note which pixels show it."""
    x, y, w, h = sprite.box.tolist()
    _cast_shadow(image, x + w / 2, y + h, 0.2 * h if sprite.person >= 0 else 0.5 * w, light)
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + w, image.shape[1]), min(y + h, image.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    pixels = sprite.pixels[y0 - y : y1 - y, x0 - x : x1 - x]
    alpha = pixels[..., 3:] / 255
    part = image[y0:y1, x0:x1]
    part *= 1 - alpha
    part += pixels[..., :3]
    solid = alpha[..., 0] > 0.5
    owner[y0:y1, x0:x1][solid] = sprite.person
    if sprite.person >= 0:
        full[sprite.person] = np.count_nonzero(solid)


def _cast_shadow(image: np.ndarray, x: float, foot: float, radius: float, light: float) -> None:
    """A soft, flat shadow on the ground, away from the light."""
    height, width = image.shape[:2]
    x -= 0.5 * light * radius
    rows = slice(max(int(foot - 0.6 * radius), 0), min(int(foot + 0.6 * radius) + 1, height))
    columns = slice(max(int(x - 2.2 * radius), 0), min(int(x + 2.2 * radius) + 1, width))
    dy = (np.arange(rows.start, rows.stop, dtype=np.float32) - foot + 1) / max(0.22 * radius, 0.5)
    dx = (np.arange(columns.start, columns.stop, dtype=np.float32) - x) / max(radius, 0.5)
    dark = 0.42 * np.exp(-(dx[None] ** 2) - dy[:, None] ** 2)
    image[rows, columns] *= 1 - dark[..., None]
