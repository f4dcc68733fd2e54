import hashlib
import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from inet_d2.scenes.frame import draw_frame
from inet_d2.scenes.generate import VERSION
from inet_d2.scenes.look import PlainLook, StreetLook, look_of
from inet_d2.scenes.person import sample_person
from inet_d2.scenes.plan import plan_scenes
from inet_d2.scenes.preset import get_preset


@pytest.fixture
def street():
    return StreetLook(get_preset("street"), seed=5)


@pytest.fixture
def person():
    return sample_person(np.random.default_rng(0))


def test_the_settings_of_the_demo_stay():
    """What scenes.json of the demo holds: data sets that are there must not count as others."""
    settings = json.dumps({"version": VERSION, "seed": 2026, **asdict(get_preset("demo"))}, indent=2) + "\n"
    assert (
        hashlib.sha256(settings.encode()).hexdigest()
        == "68798b6f378eefe7a04d9e737f7b9fdfc15e50e473f75efe96666690fc7aabdf"
    )


@pytest.mark.skipif(
    cv2.__version__ != "5.0.0", reason="other releases of OpenCV draw and compress a little differently"
)
def test_the_bytes_of_the_demo_stay():
    preset = get_preset("demo")
    frames = plan_scenes(preset, 2026).frames[:2]
    found = [hashlib.sha256(draw_frame(frame, preset, 2026)[0]).hexdigest() for frame in frames]
    assert found == [
        "c90be41bb68ef13295e0b6936bd5670964695a91fad1a95b59866f1e8eac9d0f",
        "f309203dd27dc19677afcc517436ff45ca1ca06e204af3f518ef4c24a359dfd9",
    ]


def test_the_same_frame_looks_the_same_and_its_boxes_are_inside():
    preset = get_preset("street", frames=(8, 8), ids=(4, 4))
    frame = plan_scenes(preset, 3).frames[0]
    (first, boxes), (second, _) = draw_frame(frame, preset, 3), draw_frame(frame, preset, 3)
    assert first == second
    assert boxes.boxes[:, :2].min() >= 0
    assert (boxes.boxes[:, :2] + boxes.boxes[:, 2:] <= (320, 240)).all()


def test_only_the_street_has_a_look():
    assert type(look_of(get_preset("demo"), 1)) is PlainLook
    assert type(look_of(get_preset("street"), 1)) is StreetLook


def test_people_keep_their_clothes_and_share_outfits(street, person):
    assert street.dress(person, 7) == street.dress(person, 7)
    uppers = np.array([street.dress(person, number).upper for number in range(200)], dtype=float)
    # Seven in ten wear one of twelve outfits, each within 12 levels: far fewer kinds than people.
    near = (np.abs(uppers[:, None] - uppers).max(axis=2) <= 24).sum(axis=1) - 1
    assert np.median(near) > 5
    # Body, hair and bag stay.
    dressed = street.dress(person, 7)
    assert replace(dressed, **{k: getattr(person, k) for k in ("upper", "second", "lower", "pattern", "hat")}) == person


def test_backs_differ_from_fronts(street, person):
    striped = replace(person, pattern="horizontal", upper=(10, 20, 30), second=(200, 200, 200))
    assert street.turned(striped, "front", 1) == street.turned(striped, "side", 1) == striped
    backs = {street.turned(striped, "back", number).upper for number in range(20)}
    assert backs == {(10, 20, 30), (200, 200, 200)}
    assert street.turned(striped, "back", 1).pattern == "plain"


def test_cloth_is_new_in_every_frame_and_its_edge_stays(street):
    sprite = np.full((60, 30, 4), 120, dtype=np.float32)
    sprite[:, :5] = 0
    first, second = (street.woven(sprite, np.random.default_rng(s)) for s in (1, 2))
    assert np.abs(first - second).max() > 10
    np.testing.assert_array_equal(first[..., 3], sprite[..., 3])
    assert (first[..., :3] <= first[..., 3:]).all()


def test_cameras_differ_and_are_few(street):
    image = np.random.default_rng(0).uniform(0, 255, (24, 32, 3)).astype(np.float32)
    pictures = {street.exposed(image, street.camera_number(np.random.default_rng(s))).tobytes() for s in range(60)}
    assert len(pictures) == 6
    assert np.frombuffer(next(iter(pictures)), np.float32).max() <= 255.001


def test_the_plain_look_draws_no_random_number(person):
    look, rng = PlainLook(), np.random.default_rng(0)
    sprite = np.ones((4, 4, 4), dtype=np.float32)
    assert look.woven(sprite, rng) is sprite
    assert look.exposed(sprite, look.camera_number(rng)) is sprite
    assert look.turned(look.dress(person, 1), "back", 1) is person
    assert rng.random() == np.random.default_rng(0).random()
