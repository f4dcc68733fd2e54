import dataclasses
from collections import Counter

import numpy as np
import pytest

from inet_d2.scenes.canvas import capsule, rounded
from inet_d2.scenes.cloth import upper_cloth
from inet_d2.scenes.drawing import draw_person
from inet_d2.scenes.person import sample_person
from inet_d2.scenes.placement import _overlap, place_people
from inet_d2.scenes.pose import sample_pose
from inet_d2.scenes.preset import PRESETS
from inet_d2.scenes.street import Camera, sample_camera


def somebody(**changes):
    return dataclasses.replace(sample_person(np.random.default_rng(0)), **changes)


def pose_of(person, view, seed=0):
    rng = np.random.default_rng(seed)
    while True:
        pose = sample_pose(person, rng)
        if pose.view == view:
            return pose


def test_people_share_colours_but_not_everything():
    people = [sample_person(np.random.default_rng([0, 1, k])) for k in range(200)]
    uppers = Counter(person.upper for person in people)
    assert len(uppers) == 10
    assert min(uppers.values()) >= 5  # 200 people over 10 colours: 20 each in the mean
    assert len(set(people)) == 200
    assert all(person.upper != person.second for person in people)


def test_a_drawing_is_cut_to_the_person():
    person = somebody()
    sprite = draw_person(person, pose_of(person, "front"), 0.3, 200, np.random.default_rng(1))
    alpha = sprite[..., 3]
    for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
        assert edge.max() == 255
    assert sprite[..., :3][alpha == 0].max() == 0
    # A whole body is about one unit tall and narrower than tall.
    assert 180 <= sprite.shape[0] <= 232
    assert sprite.shape[1] < sprite.shape[0]


def test_same_pose_mirrored_is_the_mirror_image_under_even_light():
    person = somebody()
    pose = dataclasses.replace(pose_of(person, "side"), is_mirrored=False)
    plain = draw_person(person, pose, 0.0, 150, np.random.default_rng(1))
    mirrored = draw_person(person, dataclasses.replace(pose, is_mirrored=True), 0.0, 150, np.random.default_rng(1))
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])


@pytest.mark.parametrize("view", ["front", "back", "side"])
def test_clothes_show_from_every_side(view):
    """Most of the middle of the body has the colour of the plain upper clothes, shaded."""
    person = somebody(pattern="plain", upper=(194, 58, 56), bag="none", hair_style="short", sleeves="long")
    sprite = draw_person(person, pose_of(person, view), 0.0, 200, np.random.default_rng(1))
    band = sprite[60:90][sprite[60:90, :, 3] > 0][:, :3]
    assert (band[:, 0] > 2 * band[:, 1]).mean() > 0.8


def test_logo_shows_in_front_only():
    with_logo = somebody(pattern="logo", bag="none", hair_style="short")
    without = dataclasses.replace(with_logo, pattern="plain")
    for view, differs in (("front", True), ("back", False)):
        pose = pose_of(with_logo, view)
        first, second = (draw_person(p, pose, 0.0, 150, np.random.default_rng(1)) for p in (with_logo, without))
        assert (first != second).any() == differs


def test_stripes_run_as_they_are_called():
    u, v = np.linspace(-0.1, 0.1, 40)[None], np.linspace(0, 0.3, 60)[:, None]
    rows = upper_cloth(somebody(pattern="horizontal"), 0.3)(u, v)[..., 0]
    columns = upper_cloth(somebody(pattern="vertical"), 0.3)(u, v)[..., 0]
    assert (rows == rows[:, :1]).all()
    assert len(np.unique(rows)) == 2
    assert (columns == columns[:1]).all()
    assert len(np.unique(columns)) == 2


def test_two_tone_changes_half_way():
    person = somebody(pattern="two_tone")
    colours = upper_cloth(person, 0.3)(np.zeros((1, 1)), np.array([[0.14], [0.16]]))
    assert colours[0, 0].tolist() == list(person.upper)
    assert colours[1, 0].tolist() == list(person.second)


def test_capsule_reaches_its_radii():
    # From (0, 0) to (2, 0) with radius 1: x from -1 to 3, y from -1 to 1.
    points = capsule(np.zeros(2), np.array([2.0, 0.0]), 1.0, 1.0)
    np.testing.assert_allclose(points.min(axis=0), [-1, -1], atol=1e-9)
    np.testing.assert_allclose(points.max(axis=0), [3, 1], atol=1e-9)


def test_rounded_cuts_each_corner_at_a_quarter():
    # Unit square, one round: the corner (0, 0) becomes (0.25, 0) and, from its other side, (0, 0.25).
    points = rounded([(0, 0), (1, 0), (1, 1), (0, 1)], 1).tolist()
    assert len(points) == 8
    assert [0.25, 0.0] in points
    assert [0.0, 0.25] in points


def test_overlap_is_measured_against_the_smaller_box():
    # 10x10 at (0, 0) and 4x5 at (8, 0): 2 x 5 = 10 shared pixels of the smaller one's 20.
    a, b = np.array([[0, 0, 10, 10]]), np.array([[8, 0, 4, 5]])
    assert _overlap(a, b).tolist() == [[0.5]]


@pytest.mark.parametrize("seed", range(6))
def test_people_of_the_demo_stand_apart(seed):
    demo, rng = PRESETS["demo"], np.random.default_rng(seed)
    camera = sample_camera(demo, rng)
    boxes = place_people(rng.uniform(0.3, 0.5, 6), [3, 2, 1], camera, demo, rng)
    overlap = _overlap(boxes, boxes) - np.eye(6)
    assert overlap.max() <= demo.max_overlap
    assert (boxes[:, 3] >= 78).all()
    assert (boxes[:, 3] <= 185).all()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= (320, 240)).all()


def test_a_camera_maps_height_and_place_both_ways():
    # Horizon in row 40, camera 1.1 body heights up: 100 pixels tall, feet in row 40 + 110 = 150.
    camera = Camera(horizon=40.0, rise=1.1, wall=100.0)
    assert camera.foot_of(100.0) == pytest.approx(150.0)
    assert camera.height_at(150.0) == pytest.approx(100.0)
