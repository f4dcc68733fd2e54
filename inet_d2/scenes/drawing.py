"""Drawing one person in one pose, part after part from the far side to the near side."""

from __future__ import annotations

import numpy as np

from inet_d2.scenes.canvas import Canvas, Paint, capsule, ellipse, moved, rounded
from inet_d2.scenes.cloth import plain, upper_cloth, with_folds
from inet_d2.scenes.head import draw_hair_behind, draw_head
from inet_d2.scenes.person import Person
from inet_d2.scenes.pose import Pose

DOWN = np.array([0.0, 1.0])
FAR_TONE = 0.84


def draw_person(person: Person, pose: Pose, light: float, unit: int, rng: np.random.Generator) -> np.ndarray:
    """Draw somebody on a transparent ground.

    Args:
        person: who.
        pose: how.
        light: where light comes from, -1 left, 1 right.
        unit: pixels of one body height; draw at twice the wanted size or more and shrink, for smooth edges.
        rng: source of chance for the folds.

    Returns:
        (h, w, 4) float32, cut to the person: RGB multiplied by alpha, then alpha; both 0-255.
    """
    canvas = Canvas(unit, 1.1, 1.16, -light if pose.is_mirrored else light)
    is_side, is_back = pose.view == "side", pose.view == "back"
    upper = with_folds(upper_cloth(person, pose.hip[1] - pose.neck[1]), rng)
    far_upper = with_folds(upper_cloth(person, pose.hip[1] - pose.neck[1], FAR_TONE), rng)
    lower = with_folds(plain(person.lower), rng, 0.12)

    if not is_back:
        _draw_backpack(canvas, person, pose)
        draw_hair_behind(canvas, person, pose)
    if is_side:
        _draw_arm(canvas, person, pose.arms[0], far_upper, FAR_TONE)
    for index in (0, 1):
        tone = FAR_TONE if is_side and index == 0 else 1.0
        _draw_leg(canvas, person, pose, index, tone, rng)
    _draw_hips(canvas, person, pose, lower)
    _draw_torso(canvas, person, pose, upper)
    if not is_side:
        _draw_arm(canvas, person, pose.arms[0], upper, 1.0)
        _draw_arm(canvas, person, pose.arms[1], upper, 1.0)
    draw_head(canvas, person, pose)
    if is_back:
        draw_hair_behind(canvas, person, pose)
        _draw_backpack(canvas, person, pose)
    _draw_side_bag(canvas, person, pose)
    if is_side:
        _draw_arm(canvas, person, pose.arms[1], upper, 1.0)
    sprite = canvas.crop()
    return sprite[:, ::-1] if pose.is_mirrored else sprite


def _draw_leg(canvas: Canvas, person: Person, pose: Pose, index: int, tone: float, rng: np.random.Generator) -> None:
    hip, knee, ankle = pose.legs[index]
    width = 0.5 + 0.5 * person.width
    cloth, skin = with_folds(plain(person.lower, tone), rng, 0.14), plain(person.skin, tone)
    if person.lower_kind == "trousers":
        canvas.limb(knee, ankle, 0.043 * width, 0.036 * width, cloth)
        canvas.limb(hip, knee, 0.056 * width, 0.044 * width, cloth)
    else:
        canvas.limb(knee, ankle, 0.033 * width, 0.024, skin)
        canvas.limb(hip, knee, 0.047 * width, 0.034 * width, skin)
    if person.lower_kind == "shorts":
        canvas.limb(hip, hip + 0.78 * (knee - hip), 0.058 * width, 0.052 * width, cloth)
    shoe = plain(person.shoes, tone)
    if pose.view == "side":
        heel, toe = moved(ankle, -0.014, 0.012), moved(ankle, 0.056, 0.016)
        canvas.fill(capsule(heel, toe, 0.02, 0.014), shoe, (ankle, ankle + DOWN), 0.06, 0.2)
        return
    outwards = 0.012 if index else -0.012
    centre = (ankle[0] + outwards, ankle[1] + 0.012)
    canvas.fill(ellipse(centre, 0.032, 0.022), shoe, (np.array(centre), np.array(centre) + DOWN), 0.034)


def _draw_hips(canvas: Canvas, person: Person, pose: Pose, cloth: Paint) -> None:
    x, y = pose.hip
    half = pose.hip_half
    if person.lower_kind == "skirt":
        swing = 0.5 * (pose.legs[0, 1, 0] + pose.legs[1, 1, 0]) - x
        bottom = y + 0.58 * person.legs
        wide = max(1.35 * half, float(np.abs(pose.legs[:, 1, 0] - x).max()) + 0.02)
        corners = [
            (x - half, y - 0.06),
            (x + half, y - 0.06),
            (x + swing + wide, bottom),
            (x + swing - wide, bottom),
        ]
        canvas.fill(np.array(corners), cloth, (pose.hip, pose.hip + DOWN), wide)
        return
    outline = rounded(
        [(x - half, y - 0.07), (x + half, y - 0.07), (x + 1.04 * half, y + 0.05), (x - 1.04 * half, y + 0.05)]
    )
    canvas.fill(outline, cloth, (pose.hip, pose.hip + DOWN), 1.05 * half)


def _draw_torso(canvas: Canvas, person: Person, pose: Pose, cloth: Paint) -> None:
    (nx, ny), (hx, hy) = pose.neck, pose.hip
    sh, hh = pose.shoulder_half, pose.hip_half
    hem = hy + 0.035
    waist = 0.5 * (ny + hy) + 0.05
    if pose.view == "side":
        belly = 0.04 * max(person.width - 0.9, 0)
        corners = [
            (nx - 0.3 * sh, ny - 0.035), (nx + 0.4 * sh, ny - 0.03), (nx + 0.98 * sh, ny + 0.06),
            (nx + sh, ny + 0.14), (hx + hh + belly, waist), (hx + 1.04 * hh, hem), (hx - 1.06 * hh, hem),
            (hx - 0.9 * hh, waist), (nx - 1.08 * sh, ny + 0.12), (nx - 0.9 * sh, ny + 0.01),
        ]  # fmt: skip
    else:
        mid = 0.5 * (0.92 * sh + hh) * 0.96
        corners = [
            (nx - 0.3 * sh, ny - 0.042), (nx + 0.3 * sh, ny - 0.042), (nx + 0.92 * sh, ny - 0.012),
            (nx + 1.03 * sh, ny + 0.05), (hx + mid, waist), (hx + 1.1 * hh, hem + 0.01), (hx - 1.1 * hh, hem + 0.01),
            (hx - mid, waist), (nx - 1.03 * sh, ny + 0.05), (nx - 0.92 * sh, ny - 0.012),
        ]  # fmt: skip
    canvas.fill(rounded(corners), cloth, (pose.neck, pose.hip), 1.02 * max(sh, hh))
    if person.pattern == "logo" and pose.view == "front":
        centre = moved(pose.neck, 0, 0.095)
        canvas.fill(ellipse(tuple(centre), 0.042, 0.042), plain(person.second), (centre, centre + DOWN), 0.1, 0.1)


def _draw_arm(canvas: Canvas, person: Person, arm: np.ndarray, cloth: Paint, tone: float) -> None:
    shoulder, elbow, hand = arm
    width = 0.5 + 0.5 * person.width
    skin = plain(person.skin, tone)
    canvas.limb(hand, hand + 0.12 * (hand - elbow), 0.021, 0.017, skin)
    if person.sleeves == "long":
        canvas.limb(elbow, hand, 0.029 * width, 0.023 * width, cloth)
        canvas.limb(shoulder, elbow, 0.036 * width, 0.03 * width, cloth)
        return
    canvas.limb(elbow, hand, 0.022 * width, 0.017, skin)
    canvas.limb(shoulder, elbow, 0.029 * width, 0.023 * width, skin)
    canvas.limb(shoulder, shoulder + 0.6 * (elbow - shoulder), 0.037 * width, 0.036 * width, cloth)


def _draw_backpack(canvas: Canvas, person: Person, pose: Pose) -> None:
    if person.bag != "backpack":
        return
    x, y = pose.neck
    paint, dark = plain(person.bag_colour), plain(person.bag_colour, 0.72)
    half, top, bottom = 0.086, y + 0.0, y + 0.22
    if pose.view == "side":
        x, half = x - pose.shoulder_half - 0.04, 0.055
    box = rounded([(x - half, top), (x + half, top), (x + 1.05 * half, bottom), (x - 1.05 * half, bottom)])
    if pose.view == "front":
        box = rounded([(x - 0.125, top + 0.02), (x + 0.125, top + 0.02), (x + 0.13, bottom), (x - 0.13, bottom)])
    centre = np.array([x, y])
    canvas.fill(box, paint, (centre, centre + DOWN), 1.1 * half)
    if pose.view == "back":
        pocket = [
            (x - 0.06, bottom - 0.09),
            (x + 0.06, bottom - 0.09),
            (x + 0.062, bottom - 0.015),
            (x - 0.062, bottom - 0.015),
        ]
        canvas.fill(rounded(pocket), dark, (centre, centre + DOWN), 0.09)


def _draw_side_bag(canvas: Canvas, person: Person, pose: Pose) -> None:
    dark = plain(person.bag_colour, 0.72)
    (nx, ny), (hx, hy) = pose.neck, pose.hip
    sh, hh = pose.shoulder_half, pose.hip_half
    if person.bag == "backpack" and pose.view == "front":
        for sign in (-1, 1):
            top, bottom = (
                np.array([nx + sign * 0.6 * sh, ny - 0.02]),
                np.array([nx + sign * 0.74 * sh, ny + 0.16]),
            )
            canvas.limb(top, bottom, 0.013, 0.012, dark)
        return
    if person.bag == "backpack" and pose.view == "side":
        canvas.limb(np.array([nx, ny - 0.02]), np.array([nx - 0.6 * sh, ny + 0.17]), 0.012, 0.012, dark)
        return
    if person.bag != "side":
        return
    side = 0.0 if pose.view == "side" else 1.12
    centre = np.array([hx + side * hh, hy + 0.035])
    start = np.array([nx, ny - 0.03]) if pose.view == "side" else np.array([nx - 0.62 * sh, ny - 0.03])
    canvas.limb(start, moved(centre, -0.3 * hh * (side > 0), -0.04), 0.009, 0.009, dark)
    x, y = centre
    box = rounded([(x - 0.062, y - 0.05), (x + 0.062, y - 0.05), (x + 0.066, y + 0.05), (x - 0.066, y + 0.05)])
    canvas.fill(box, plain(person.bag_colour), (centre, centre + DOWN), 0.075)
    flap = rounded([(x - 0.063, y - 0.05), (x + 0.063, y - 0.05), (x + 0.05, y - 0.008), (x - 0.05, y - 0.008)])
    canvas.fill(flap, dark, (centre, centre + DOWN), 0.075)
