import dataclasses
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from inet_d2.scenes.plan import plan_scenes
from inet_d2.scenes.preset import PRESETS, get_preset


@pytest.fixture(scope="module")
def demo_plan():
    return plan_scenes(PRESETS["demo"], seed=5)


def test_labelled_people_recur_and_strangers_do_not(demo_plan):
    labelled = Counter(p for frame in demo_plan.frames for p in frame.labelled)
    strangers = Counter(p for frame in demo_plan.frames for p in frame.strangers)
    assert len(labelled) == 200 + 120
    assert min(labelled.values()) == 3
    assert max(labelled.values()) == 6
    assert set(strangers.values()) == {1}
    assert not set(labelled) & set(strangers)


def test_splits_share_nobody(demo_plan):
    train = {p for frame in demo_plan.frames if not frame.is_test for p in frame.people}
    test = {p for frame in demo_plan.frames if frame.is_test for p in frame.people}
    assert not train & test
    assert set(demo_plan.train_people) == {p for p in train if p < 320}


def test_nobody_is_twice_in_a_frame_and_no_frame_is_empty(demo_plan):
    for frame in demo_plan.frames:
        assert len(set(frame.people)) == len(frame.people) >= 1
    assert [frame.number for frame in demo_plan.frames] == list(range(1, 371))


def test_groups_walk_together(demo_plan):
    """Two frames that share anybody share about two people."""
    frames = [set(frame.labelled) for frame in demo_plan.frames if not frame.is_test]
    shared = [len(a & b) for a, b in combinations(frames, 2) if a & b]
    assert 800 <= len(shared) <= 1200
    assert 1.7 <= np.mean(shared) <= 2.4


def test_negatives_hold_neither_the_person_nor_training_frames(demo_plan):
    by_number = {frame.number: frame for frame in demo_plan.frames}
    for query in demo_plan.queries:
        assert all(query.person in by_number[n].labelled for n in (query.frame, *query.positives))
        for number in query.negatives:
            assert by_number[number].is_test
            assert query.person not in by_number[number].people
        # Enough for the largest gallery, TestG100.
        assert len(query.positives) + len(query.negatives) >= 100


def test_same_seed_same_plan_other_seed_other_plan():
    tiny = PRESETS["tiny"]
    assert plan_scenes(tiny, 1) == plan_scenes(tiny, 1)
    assert plan_scenes(tiny, 1) != plan_scenes(tiny, 2)


def test_paper_preset_has_the_papers_numbers():
    paper = PRESETS["paper"]
    assert (paper.train.frames, paper.test.frames) == (11206, 6978)
    assert (paper.train.ids, paper.test.ids) == (5532, 2900)


def test_the_study_is_the_demo_with_more_people():
    study, demo = PRESETS["study"], PRESETS["demo"]
    assert (study.train.ids, study.test.ids) == (1000, 500)
    for split in ("train", "test"):
        small, large = getattr(demo, split), getattr(study, split)
        assert (large.appearances, large.strangers) == (small.appearances, small.strangers)
        # People in a frame: 200 ids in 210 frames, 120 in 160; within half a percent of it.
        assert large.ids / large.frames == pytest.approx(small.ids / small.frames, rel=0.005)


def test_sizes_can_be_changed():
    preset = get_preset("demo", frames=(50, 40), ids=(30, 20), hard=1)
    assert (preset.train.frames, preset.test.frames) == (50, 40)
    assert (preset.train.ids, preset.test.ids) == (30, 20)
    assert preset.hard == 1.0
    assert preset.train.appearances == PRESETS["demo"].train.appearances
    assert dataclasses.asdict(get_preset("demo")) == dataclasses.asdict(PRESETS["demo"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "huge"}, "unknown preset 'huge'; choose one of tiny, demo, street, study, paper"),
        ({"hard": 2.5}, r"hard must be in \[0, 2\], found 2.5"),
        ({"hard": float("nan")}, r"hard must be in \[0, 2\], found nan"),
        ({"frames": (0, 10)}, "training split needs frames and ids, found 0"),
        ({"ids": (8, 0)}, "test split needs frames and ids"),
        ({"frames": (4, 10)}, "4 training frames are too few"),
        # 20 ids x 3 appearances over 10 frames + 0.5 strangers = 6.5 fit, 30 ids = 9.5 do not.
        ({"ids": (8, 30)}, "30 identities in 10 test frames are 9.5 people"),
    ],
)
def test_bad_sizes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        get_preset(changes.pop("name", "tiny"), **changes)
