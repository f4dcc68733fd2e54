"""How somebody walks: all that stays the same from step to step, and the pose at any moment of a step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inet_d2.scenes.canvas import moved
from inet_d2.scenes.person import Person
from inet_d2.scenes.pose import VIEW_CHANCES, VIEWS, Pose, limb_joints

ARM = (0.165, 0.15)


@dataclass(frozen=True)
class Gait:
    """The way somebody walks past a camera.

    Attributes:
        view: "front", "back" or "side".
        is_mirrored: whether the finished drawing is mirrored.
        lean: of the neck before the hip, body heights.
        stride: largest angle of the legs in side view, radians.
        bend: how much the leg that swings forward bends, radians.
        swing: largest angle of the arms in side view, radians.
        spread: (2,) outward angles of legs and of arms in front and back view, radians.
    """

    view: str
    is_mirrored: bool
    lean: float
    stride: float
    bend: float
    swing: float
    spread: tuple[float, float]


def sample_gait(rng: np.random.Generator) -> Gait:
    """Draw a way of walking."""
    view = VIEWS[int(rng.choice(3, p=VIEW_CHANCES))]
    stride = float(rng.uniform(0.25, 0.42))
    return Gait(
        view=view,
        is_mirrored=bool(rng.random() < 0.5),
        lean=float(rng.uniform(-0.012, 0.02) if view == "side" else rng.uniform(-0.008, 0.008)),
        stride=stride,
        bend=float(rng.uniform(0.3, 0.7)),
        swing=stride * float(rng.uniform(0.6, 1.2)),
        spread=(float(rng.uniform(0.0, 0.09)), float(rng.uniform(0.06, 0.26))),
    )


def pose_at(person: Person, gait: Gait, phase: float) -> Pose:
    """The pose at a moment.

    Args:
        person: gives the proportions.
        gait: how they walk.
        phase: in double steps, so that 0 and 1 are the same pose and at 0.5 left and right have changed places.

    Returns:
        The pose.
    """
    is_side = gait.view == "side"
    forward = float(np.cos(2 * np.pi * phase))
    lifted = np.maximum(np.sin(2 * np.pi * phase) * np.array([-1.0, 1.0]), 0)
    neck, hip = np.array([gait.lean, 0.2]), np.array([0.0, 0.97 - person.legs])
    shoulder_half = 0.108 * person.width * person.shoulders * (0.58 if is_side else 1)
    hip_half = 0.084 * person.width * (0.72 if is_side else 1)
    half = 0.5 * person.legs
    arms, legs = [], []
    for side, sign in enumerate((-1, 1)):
        if is_side:
            leg, arm = sign * gait.stride * forward, -sign * gait.swing * forward
            legs.append(limb_joints(hip, (half, half), (leg, leg - 0.05 - gait.bend * lifted[side])))
            arms.append(limb_joints(moved(neck, 0, 0.035), ARM, (arm, arm + 0.3)))
        else:
            short = half * (1 - 0.12 * gait.stride * lifted[side])
            leg, arm = sign * gait.spread[0], sign * gait.spread[1]
            legs.append(limb_joints(moved(hip, sign * 0.52 * hip_half, 0), (short, short), (leg, 0.3 * leg)))
            shoulder = moved(neck, sign * (shoulder_half - 0.022), 0.03)
            arms.append(limb_joints(shoulder, ARM, (arm, 0.5 * arm)))
    return Pose(
        view=gait.view,
        is_mirrored=gait.is_mirrored,
        neck=neck,
        hip=hip,
        shoulder_half=shoulder_half,
        hip_half=hip_half,
        arms=np.stack(arms),
        legs=np.stack(legs),
        head=np.array([1.4 * gait.lean + (0.012 if is_side else 0.0), 0.088]),
    )
