"""Where people stand: boxes that overlap little, groups side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inet_d2.scenes.preset import ScenePreset
from inet_d2.scenes.street import Camera

TRIES = 12
CANDIDATES = 192


def place_people(
    aspects: np.ndarray, groups: Sequence[int], camera: Camera, preset: ScenePreset, rng: np.random.Generator
) -> np.ndarray:
    """Give everybody a box.

    Nobody is drawn here: a place is sought for boxes only, so that it costs nothing to try again. When a try ends
    with two people too close, everybody is made a little smaller and placed anew.

    Args:
        aspects: (n,) width over height of each person.
        groups: sizes of the groups that stand together; their sum is n.
        camera: links height and place.
        preset: gives the frame's size, the people's and the overlap allowed.
        rng: source of chance.

    Returns:
        (n, 4) int64 boxes x, y, width, height, inside the frame. The overlap allowed is only passed when the last
        try, with the smallest people, found nothing better.
    """
    best, least = None, np.inf
    for attempt in range(TRIES):
        boxes, worst = _try_once(aspects, groups, camera, preset, 1 - attempt / TRIES, rng)
        if worst < least:
            best, least = boxes, worst
        if least <= preset.max_overlap:
            break
    return best


def _try_once(
    aspects: np.ndarray,
    groups: Sequence[int],
    camera: Camera,
    preset: ScenePreset,
    room: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float]:
    """Boxes in turn, and the largest overlap among them."""
    boxes = np.zeros((len(aspects), 4), np.int64)
    worst, k = 0.0, 0
    for size in groups:
        partner = None
        for _ in range(size):
            candidates = _candidates(aspects[k], partner, camera, preset, room, rng)
            overlap = _overlap(candidates, boxes[:k]).max(axis=1, initial=0.0)
            allowed = np.flatnonzero(overlap <= preset.max_overlap)
            chosen = int(allowed[0]) if len(allowed) else int(overlap.argmin())
            boxes[k] = candidates[chosen]
            worst = max(worst, float(overlap[chosen]))
            partner = boxes[k]
            k += 1
    return boxes, worst


def _candidates(
    aspect: float,
    partner: np.ndarray | None,
    camera: Camera,
    preset: ScenePreset,
    room: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """(CANDIDATES, 4) int64 boxes; the first half beside the partner, where there is one."""
    smallest, tallest = preset.person_height
    tallest = min(tallest, (preset.height - 1 - camera.horizon) / camera.rise, 0.97 * preset.width / aspect)
    tallest = max(smallest + room * (tallest - smallest), smallest)
    heights = np.exp(rng.uniform(np.log(smallest), np.log(tallest), CANDIDATES))
    beside = np.arange(CANDIDATES) < (CANDIDATES // 2 if partner is not None else 0)
    if partner is not None:
        near = np.clip(partner[3] * rng.uniform(0.9, 1.1, CANDIDATES), smallest, tallest)
        heights = np.where(beside, near, heights)
    h = np.rint(heights).astype(np.int64)
    w = np.maximum(np.rint(h * aspect).astype(np.int64), 2)
    x = np.floor(rng.random(CANDIDATES) * (preset.width - w + 1)).astype(np.int64)
    if partner is not None:
        side = np.where(rng.random(CANDIDATES) < 0.5, -w, partner[2]) * rng.uniform(0.7, 1.2, CANDIDATES)
        x = np.where(beside, np.clip(partner[0] + np.rint(side), 0, preset.width - w), x).astype(np.int64)
    jitter = rng.uniform(-0.03, 0.03, CANDIDATES) * h
    foot = np.clip(np.rint(camera.foot_of(h) + jitter), h, preset.height).astype(np.int64)
    return np.stack([x, foot - h, w, h], axis=1)


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) shared area over the area of the smaller box."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    smaller = np.minimum(a[:, None, 2:].prod(axis=2), b[None, :, 2:].prod(axis=2))
    return shared / smaller
