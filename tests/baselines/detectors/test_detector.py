import numpy as np
import pytest

from inet_d2.baselines.detectors import ACF, build_detector
from inet_d2.baselines.detectors.boosting import BoostingPlan
from inet_d2.boxes import paired_iou
from inet_d2.data.datasets import load_annotations
from inet_d2.data.frame_reader import read_frame
from inet_d2.data.records import annotation_boxes
from inet_d2.engine import load_config
from places import config_path

PLAN = BoostingPlan(stages=(16, 48), negatives=150, negatives_kept=300, least_height=36, frames=12)


@pytest.fixture(scope="module")
def records(tiny_scenes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETECTRON2_DATASETS", str(tiny_scenes))
        yield load_annotations("cuhk_sysu_train")


@pytest.fixture(scope="module")
def detector(records):
    found = ACF(plan=PLAN, per_octave=4, progress=False)
    found.fit(records)
    return found


def test_it_finds_the_people_that_it_learned(detector, records):
    hits = people = alarms = 0
    for record in records:
        boxes, scores = detector.detect(np.ascontiguousarray(read_frame(dict(record), "RGB")))
        boxes = boxes[scores >= 0.5]
        truths = annotation_boxes(record["annotations"])
        overlaps = paired_iou(np.repeat(truths, len(boxes), 0), np.tile(boxes, (len(truths), 1)))
        overlaps = overlaps.reshape(len(truths), len(boxes))
        hits += (overlaps.max(axis=1, initial=0) >= 0.5).sum()
        people += len(truths)
        alarms += len(boxes)
    assert hits / people > 0.6
    # As many detections reach 0.5 as there are people, since all training frames are looked at.
    assert alarms == people


def test_boxes_have_the_person_s_aspect(detector, records):
    boxes, scores = detector.detect(np.ascontiguousarray(read_frame(dict(records[0]), "RGB")))
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(sides[:, 0] / sides[:, 1], 0.41, atol=0.02)
    assert (np.diff(scores) <= 0).all()
    assert 0 < scores.min() <= scores.max() < 1


def test_a_saved_detector_is_the_same(detector, records, tmp_path):
    detector.save(tmp_path / "detector.npz")
    again = ACF(plan=PLAN, per_octave=4, progress=False)
    again.load(tmp_path / "detector.npz")
    image = np.ascontiguousarray(read_frame(dict(records[1]), "RGB"))
    for found, expected in zip(again.detect(image), detector.detect(image), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.savez(tmp_path / "other.npz", name="CCF")
    with pytest.raises(ValueError, match="expected a cascade of ACF, found CCF"):
        again.load(tmp_path / "other.npz")


def test_negatives_show_nobody(records, monkeypatch):
    detector = ACF(plan=PLAN, progress=False)
    seen = []
    monkeypatch.setattr(
        ACF, "_windows", lambda self, rows, boxes, **_: seen.append((rows[0], boxes[0])) or np.zeros((len(boxes[0]), 4))
    )
    found = detector._negatives(records, np.random.default_rng(0), 0)
    assert len(found) == 150
    for record, boxes in seen:
        people = annotation_boxes(record["annotations"])
        assert len(boxes) <= PLAN.per_frame
        for box in boxes:
            assert paired_iou(np.tile(box, (len(people), 1)), people).max() < 0.1


def test_a_frame_without_room_for_a_person(detector):
    boxes, scores = detector.detect(np.zeros((20, 10, 3), dtype=np.uint8))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_nobody_to_learn_from(records):
    with pytest.raises(ValueError, match=r"expected people of 900 pixels or more, found none in 12 frames"):
        ACF(plan=BoostingPlan(least_height=900), progress=False).fit(records)


def test_by_configuration():
    cfg = load_config(config_path("demo/acf.yaml"))
    detector = build_detector(cfg)
    assert type(detector) is ACF
    assert detector.plan.stages == (32, 128, 512)
    assert detector.plan.frames == 60
    cfg.DETECTOR.NAME = "HOG"
    with pytest.raises(ValueError, match=r"DETECTOR\.NAME: expected one of ACF, CCF, found 'HOG'"):
        build_detector(cfg)
