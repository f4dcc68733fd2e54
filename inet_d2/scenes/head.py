"""Drawing a head: neck, face, hair and hat."""

from __future__ import annotations

import numpy as np

from inet_d2.scenes.canvas import Canvas, ellipse, moved, rounded
from inet_d2.scenes.cloth import plain
from inet_d2.scenes.person import Person
from inet_d2.scenes.pose import Pose

DOWN = np.array([0.0, 1.0])
EYE = (44, 36, 40)


def draw_hair_behind(canvas: Canvas, person: Person, pose: Pose) -> None:
    """Long hair: behind the body when it is seen from the front, over it when seen from behind."""
    if person.hair_style != "long":
        return
    x, y = pose.head
    r = 0.058 * person.head
    if pose.view == "side":
        corners = [
            (x - 1.1 * r, y - r),
            (x + 0.3 * r, y - r),
            (x + 0.1 * r, y + 1.6 * r),
            (x - 1.5 * r, y + 2.3 * r),
        ]
    else:
        corners = [(x - r, y - r), (x + r, y - r), (x + 1.45 * r, y + 2.3 * r), (x - 1.45 * r, y + 2.3 * r)]
    canvas.fill(rounded(corners, 3), plain(person.hair, 0.9), (pose.head, pose.head + DOWN), 1.6 * r)


def draw_head(canvas: Canvas, person: Person, pose: Pose) -> None:
    """Neck, face, hair and hat.

    Args:
        canvas: drawn on.
        person: whose head.
        pose: gives its place and the view.
    """
    head = pose.head
    axis = (head, head + DOWN)
    rx, ry = 0.053 * person.head, 0.068 * person.head
    skin = plain(person.skin)
    canvas.limb(head, moved(pose.neck, 0, -0.012), 0.026, 0.03, plain(person.skin, 0.84))
    if pose.view == "side":
        canvas.fill(ellipse((head[0] + 0.95 * rx, head[1] + 0.16 * ry), 0.014, 0.013), skin, axis, 1.5 * rx)
    canvas.fill(ellipse(tuple(head), rx, ry), skin, axis, 1.1 * rx)
    if pose.view != "back":
        _draw_face(canvas, person, pose, rx, ry)
    if person.hair_style != "bald":
        _draw_hair(canvas, person, pose, rx, ry)
    if person.hat != "none":
        _draw_hat(canvas, person, pose, rx, ry)


def _draw_face(canvas: Canvas, person: Person, pose: Pose, rx: float, ry: float) -> None:
    x, y = pose.head
    axis = (pose.head, pose.head + DOWN)
    eyes = (x + 0.55 * rx,) if pose.view == "side" else (x - 0.42 * rx, x + 0.42 * rx)
    cheeks = tuple(int(c) for c in 0.72 * np.array(person.skin) + 0.28 * np.array((226, 92, 92)))
    for eye in eyes:
        canvas.fill(ellipse((eye, y + 0.36 * ry), 0.011, 0.008), plain(cheeks), axis, rx, 0.1)
        canvas.fill(ellipse((eye, y + 0.06 * ry), 0.006, 0.0085), plain(EYE), axis, rx, 0.0)
    mouth = x + (0.62 * rx if pose.view == "side" else 0.0)
    canvas.fill(ellipse((mouth, y + 0.48 * ry), 0.014, 0.011, 0, 180), plain((150, 62, 62)), axis, rx, 0.0)


def _draw_hair(canvas: Canvas, person: Person, pose: Pose, rx: float, ry: float) -> None:
    x, y = pose.head
    axis = (pose.head, pose.head + DOWN)
    hair = plain(person.hair)

    def blob(dx: float, dy: float, width: float, height: float, start: float = 0, stop: float = 360) -> None:
        canvas.fill(ellipse((x + dx * rx, y + dy * ry), width * rx, height * ry, start, stop), hair, axis, 1.4 * rx)

    if person.hair_style == "curly":
        for turn in np.deg2rad(np.linspace(165, 375, 8)):
            blob(0.95 * np.cos(turn), 0.85 * np.sin(turn), 0.42, 0.34)
    if person.hair_style == "bun":
        blob(-0.85 if pose.view == "side" else 0.0, -1.05, 0.5, 0.4)
    if pose.view == "back":
        blob(0, -0.04, 1.12, 1.06)
    elif pose.view == "side":
        blob(-0.1, -0.12, 1.12, 1.04, 155, 325)
        blob(-0.5, -0.02, 0.68, 0.86)
    else:
        blob(0, -0.12, 1.12, 1.02, 186, 354)
        for sign in (-1, 1):
            blob(sign * 0.94, -0.05, 0.2, 0.42 if person.hair_style == "short" else 0.6)


def _draw_hat(canvas: Canvas, person: Person, pose: Pose, rx: float, ry: float) -> None:
    x, y = pose.head
    axis = (pose.head, pose.head + DOWN)
    paint, dark = plain(person.hat_colour), plain(person.hat_colour, 0.76)
    brow = y - 0.3 * ry
    canvas.fill(ellipse((x, brow), 1.2 * rx, 0.92 * ry, 180, 360), paint, axis, 1.3 * rx)
    if person.hat == "beanie":
        band = [
            (x - 1.24 * rx, brow - 0.2 * ry),
            (x + 1.24 * rx, brow - 0.2 * ry),
            (x + 1.24 * rx, brow + 0.14 * ry),
            (x - 1.24 * rx, brow + 0.14 * ry),
        ]
        canvas.fill(rounded(band, 1), dark, axis, 1.3 * rx)
        canvas.fill(ellipse((x, brow - 0.98 * ry), 0.3 * rx, 0.24 * ry), dark, axis, 1.3 * rx)
    elif pose.view == "side":
        canvas.fill(ellipse((x + 1.25 * rx, brow), 0.85 * rx, 0.14 * ry), dark, axis, 2.2 * rx)
    elif pose.view == "front":
        canvas.fill(ellipse((x, brow + 0.06 * ry), 1.08 * rx, 0.2 * ry), dark, axis, 1.3 * rx)
