"""The curve of false alarms: hand-worked rates, a simulated twin, words, refusals."""

import numpy as np
import pytest

from inet_d2.search import open_store
from inet_d2.search.calibration import curve_of, describe_curve, in_words, read_curve, write_curve
from inet_d2.search.labelled_people import measure_curve


def test_hand_worked_rates():
    # 20 people with 4 images each: half of them saw 0.1 0.2 0.3 0.4, half 0.5 0.6 0.7 0.8
    low, high = np.array([0.3, 0.1, 0.4, 0.2]), np.array([0.5, 0.8, 0.6, 0.7])
    curve = curve_of([low] * 10 + [high] * 10, [0.9] * 20, "data")
    # at 0.25, below both lines (the second best, 0.3 and 0.7): 2 of 4 images and 4 of 4
    assert curve.false_alarm_rate(0.25, 1) == pytest.approx((0.5 + 1) / 2)
    assert curve.false_alarm_rate(0.25, 3) == pytest.approx((1 - 0.5**3 + 1) / 2)
    # above its line 0.7, the high half has one of 4 images on a tail of mean excess 0.1: shape -0.3 (bound), scale
    # 0.1 * 1.3; at 0.9 (1 - 0.3 * 0.2 / 0.13)^(1 / 0.3) of it is left; the low half's tail has ended
    left = (1 - 0.3 * 0.2 / 0.13) ** (1 / 0.3)
    assert curve.false_alarm_rate(0.9, 1) == pytest.approx(left / 4 / 2)
    assert curve.false_alarm_rate(0.9, 7) == pytest.approx((1 - (1 - left / 4) ** 7) / 2)
    assert curve.is_extrapolated(5)
    assert not curve.is_extrapolated(4)
    assert not curve.is_far_beyond(40)
    assert curve.is_far_beyond(41)


def test_rates_fall_with_similarity_and_grow_with_size():
    generator = np.random.default_rng(0)
    curve = curve_of(list(generator.beta(4, 4, size=(50, 80))), [0.9] * 50, "data")
    rates = np.array([[curve.false_alarm_rate(s, n) for s in np.linspace(0, 1.2, 60)] for n in (1, 10, 80, 5000)])
    assert (np.diff(rates, axis=1) <= 1e-12).all()
    assert (np.diff(rates, axis=0) >= -1e-12).all()
    for size in (1, 100, 5000):
        threshold = curve.threshold(0.1, size)
        assert curve.false_alarm_rate(threshold, size) <= 0.1 < curve.false_alarm_rate(threshold - 1e-3, size)


def test_thresholds_hold_on_new_images():
    """Draw new galleries from the same distribution: the rate of false alarms is about the one asked for."""
    generator = np.random.default_rng(1)
    curve = curve_of(list(generator.normal(0.5, 0.1, size=(200, 300))), [0.9] * 200, "data")
    for size in (30, 300, 3000):  # the last is extrapolated
        threshold = curve.threshold(0.1, size)
        best = generator.normal(0.5, 0.1, size=(4000, size)).max(axis=1)
        assert 0.04 < (best >= threshold).mean() < 0.16


def test_people_who_are_there():
    curve = curve_of([np.array([0.5, 0.6, 0.6, 0.4])] * 20, [0.9] * 10 + [0.55] * 5 + [np.nan] * 5, "data")
    # the line is 0.6 with no excess, so nothing beats 0.9; 0.55 passes 0.52 but 2 of 4 images beat it; NaN was never
    # detected
    np.testing.assert_allclose(curve.detection_rates(0.52, 1), [1.0] * 10 + [0.5] * 5 + [0.0] * 5)
    np.testing.assert_allclose(curve.detection_rates(0.52, 2)[10:15], 0.25)
    assert curve.detection_rates(0.7, 1)[12] == 0.0


def test_too_few_people_are_refused():
    with pytest.raises(ValueError, match="19 labelled people in data support no rate"):
        curve_of([np.array([0.5])] * 19, [0.9] * 19, "data")
    curve = curve_of([np.array([0.5])] * 99, [0.9] * 99, "data")
    with pytest.raises(ValueError, match=r"--false-alarms 0\.01: 99 labelled people cannot support a rate below 0\.01"):
        curve.threshold(0.01, 10)
    curve.threshold(0.05, 10)
    with pytest.raises(ValueError, match="expected images without each person"):
        curve_of([np.array([0.5])] * 29 + [np.array([])], [0.9] * 30, "data")


def test_a_curve_survives_the_index(tmp_path):
    generator = np.random.default_rng(2)
    curve = curve_of(list(generator.random((30, 60))), [*generator.random(29), np.nan], "data of mine")
    with open_store(str(tmp_path / "an.index"), create=True) as store:
        assert read_curve(store) is None
        write_curve(store, curve)
        again = read_curve(store)
    assert (again.data, again.num_people) == ("data of mine", 30)
    assert again.threshold(0.1, 50) == pytest.approx(curve.threshold(0.1, 50), abs=1e-4)
    assert np.isnan(again.correct[-1])


def test_the_table_says_what_it_rests_on():
    curve = curve_of(list(np.random.default_rng(3).random((40, 500))), [0.99] * 39 + [np.nan], "data")
    text = describe_curve(curve)
    assert "40 people, 500 images without them each, from data" in text
    assert "1 of 40 were not detected" in text
    assert "1% needs 100 people" in text
    lines = [line for line in text.splitlines() if "4,000" in line]
    assert all("extrapolated" in line for line in lines)
    assert not any("extrapolated" in line for line in text.splitlines() if "    100 " in line)


@pytest.mark.parametrize(
    ("rate", "words"), [(0.05, "1 in 20 "), (0.5, "1 in 2 "), (0.9, "most "), (0.001, "1 in 1,000 "), (0, "fewer than")]
)
def test_rates_in_words(rate, words):
    assert in_words(rate).startswith(words)


def test_curve_of_labelled_images(embedder, tmp_path, make):
    """20 people of distinct colours, each in two of 21 images; the last image holds a stranger."""
    records = []
    hues = [tuple(int(x) for x in 70 + 180 * np.random.default_rng(i).random(3)) for i in range(21)]
    for i in range(21):
        path = make.write(tmp_path / f"{i:02}.png", hues[i], hues[(i + 1) % 20] if i < 20 else None)
        boxes = [(6, 12, 18, 52), (28, 12, 40, 52)][: 2 if i < 20 else 1]
        pids = [i, (i + 1) % 20] if i < 20 else [-1]
        people = [{"bbox": b, "bbox_mode": 0, "person_id": p} for b, p in zip(boxes, pids, strict=True)]
        records.append({"file_name": str(path), "annotations": people})
    curve = measure_curve(embedder, records, "drawn", min_score=0.5)
    assert curve.num_people == 20
    assert curve.num_images.tolist() == [19] * 20
    np.testing.assert_allclose(curve.correct, 1.0, atol=1e-5)
    units = np.array(hues) / np.linalg.norm(hues, axis=1, keepdims=True)
    # person 5 is in images 4 and 5; the stranger of another image who is most like them
    others = [max(units[j] @ units[5] for j in ((i, (i + 1) % 20) if i < 20 else (20,))) for i in range(21)]
    expected = sorted((s for i, s in enumerate(others) if i not in (4, 5)), reverse=True)
    np.testing.assert_allclose(curve.impostors[5][:19], expected, atol=1e-5)
