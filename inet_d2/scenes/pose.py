"""How somebody stands or walks in one picture: the view and the joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inet_d2.scenes.canvas import moved
from inet_d2.scenes.person import Person

VIEWS = ("front", "back", "side")
VIEW_CHANCES = (0.38, 0.27, 0.35)


@dataclass(frozen=True)
class Pose:
    """Joints in body heights; x right, y down, 0 the top of the head, 1 the ground.

    Attributes:
        view: "front", "back" or "side"; who walks in side view walks to the right, before mirroring.
        is_mirrored: whether the finished drawing is mirrored.
        neck: (2,) middle of the shoulder line.
        hip: (2,) middle of the hip line.
        shoulder_half: half width of the shoulders.
        hip_half: half width of the hips.
        arms: (2, 3, 2) far or left arm first; shoulder, elbow, hand.
        legs: (2, 3, 2) far or left leg first; hip, knee, ankle.
        head: (2,) centre of the head.
    """

    view: str
    is_mirrored: bool
    neck: np.ndarray
    hip: np.ndarray
    shoulder_half: float
    hip_half: float
    arms: np.ndarray
    legs: np.ndarray
    head: np.ndarray


def sample_pose(person: Person, rng: np.random.Generator) -> Pose:
    """Put somebody into a pose.

    Args:
        person: gives the proportions.
        rng: source of chance.

    Returns:
        The pose.
    """
    view = VIEWS[int(rng.choice(3, p=VIEW_CHANCES))]
    is_side = view == "side"
    hip_y = 0.97 - person.legs
    lean = rng.uniform(-0.012, 0.02) if is_side else rng.uniform(-0.008, 0.008)
    neck, hip = np.array([lean, 0.2]), np.array([0.0, hip_y])
    shoulder_half = 0.108 * person.width * person.shoulders * (0.58 if is_side else 1)
    hip_half = 0.084 * person.width * (0.72 if is_side else 1)
    make_legs, make_arms = (_side_legs, _side_arms) if is_side else (_front_legs, _front_arms)
    stride = rng.uniform(0.05, 0.4)
    return Pose(
        view=view,
        is_mirrored=bool(rng.random() < 0.5),
        neck=neck,
        hip=hip,
        shoulder_half=shoulder_half,
        hip_half=hip_half,
        arms=make_arms(neck, shoulder_half, stride, rng),
        legs=make_legs(hip, hip_half, person.legs, stride, rng),
        head=np.array([1.4 * lean + (0.012 if is_side else 0.0), 0.088]),
    )


def limb_joints(start: np.ndarray, lengths: tuple[float, float], angles: tuple[float, float]) -> np.ndarray:
    """(3, 2) joints of a limb that hangs from ``start``; angles from straight down, positive to the right."""
    points = [np.asarray(start)]
    for length, angle in zip(lengths, angles, strict=True):
        points.append(points[-1] + length * np.array([np.sin(angle), np.cos(angle)]))
    return np.stack(points)


def _side_legs(hip: np.ndarray, hip_half: float, length: float, stride: float, rng: np.random.Generator) -> np.ndarray:
    forward = 1 if rng.random() < 0.5 else -1
    bend = rng.uniform(0.1, 0.6) * stride / 0.5
    half = (0.5 * length, 0.5 * length)
    legs = np.stack(
        [
            limb_joints(hip, half, (forward * stride * 0.9, forward * stride * 0.9 - (bend if forward < 0 else 0.05))),
            limb_joints(
                hip,
                half,
                (-forward * stride * 0.9, -forward * stride * 0.9 - (bend if forward > 0 else 0.05)),
            ),
        ]
    )
    return legs


def _side_arms(neck: np.ndarray, shoulder_half: float, stride: float, rng: np.random.Generator) -> np.ndarray:
    swing = stride * rng.uniform(0.6, 1.2) * (1 if rng.random() < 0.5 else -1)
    shoulder = moved(neck, 0, 0.035)
    lengths = (0.165, 0.15)
    arms = [limb_joints(shoulder, lengths, (s, s + rng.uniform(0.1, 0.6))) for s in (-swing, swing)]
    if rng.random() < 0.1:
        arms[1] = limb_joints(shoulder, lengths, (0.5, 2.4))
    return np.stack(arms)


def _front_legs(hip: np.ndarray, hip_half: float, length: float, stride: float, rng: np.random.Generator) -> np.ndarray:
    spread = rng.uniform(0.0, 0.09, 2)
    lifted = int(rng.integers(2))
    legs = []
    for k, sign in enumerate((-1, 1)):
        short = 1 - 0.12 * stride if k == lifted else 1.0
        start = moved(hip, sign * 0.52 * hip_half, 0)
        angle = sign * spread[k]
        legs.append(limb_joints(start, (0.5 * length * short, 0.5 * length * short), (angle, angle * 0.3)))
    return np.stack(legs)


def _front_arms(neck: np.ndarray, shoulder_half: float, stride: float, rng: np.random.Generator) -> np.ndarray:
    arms = []
    raised = int(rng.integers(2)) if rng.random() < 0.1 else -1
    for k, sign in enumerate((-1, 1)):
        shoulder = moved(neck, sign * (shoulder_half - 0.022), 0.03)
        out, bend = rng.uniform(0.06, 0.26), rng.uniform(-0.25, 0.08)
        angles = (0.75, 2.5) if k == raised else (out, out + bend)
        arms.append(limb_joints(shoulder, (0.165, 0.15), (sign * angles[0], sign * angles[1])))
    return np.stack(arms)
