import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inet_d2.data.pids import IGNORED, UNLABELLED
from inet_d2.evaluation.reid_metric import rank_crops, reid_figures, single_shot_ranks


def example(seed, num_queries=6, num_gallery=25, levels=12):
    """Few levels of distance, so that many are equal; distractors and junk among the gallery."""
    rng = np.random.default_rng(seed)
    distances = rng.integers(-levels, levels, (num_queries, num_gallery)) / 4
    return distances, {
        "query_pids": rng.integers(0, 4, num_queries),
        "query_cameras": rng.integers(1, 4, num_queries),
        "gallery_pids": rng.choice([IGNORED, UNLABELLED, 0, 1, 2, 3], num_gallery),
        "gallery_cameras": rng.integers(1, 4, num_gallery),
    }


def kept_ranking(distances, people, query):
    """(gallery row, is match) of one query, nearest first."""
    ranking = []
    for row in sorted(range(distances.shape[1]), key=lambda row: distances[query, row]):
        same = people["gallery_pids"][row] == people["query_pids"][query]
        if people["gallery_pids"][row] == IGNORED:
            continue
        if same and people["gallery_cameras"][row] == people["query_cameras"][query]:
            continue
        ranking.append((row, same))
    return ranking


def slow_average_precision(labels, kind):
    total, hits = 0.0, 0
    for place, is_match in enumerate(labels):
        before = hits / place if place else 1.0
        hits += is_match
        after = hits / (place + 1)
        total += is_match * (after if kind == "step" else (before + after) / 2)
    return total / max(hits, 1)


def test_hand_case_with_same_camera_junk_and_distractor():
    # By distance: own camera (out), match, junk (out), distractor, another person, match.
    # Ranked: [1, 0, 0, 1]; step (1/1 + 2/4) / 2 = 0.75; trapezoid ((1 + 1)/2 + (1/3 + 2/4)/2) / 2 = (1 + 5/12) / 2.
    people = {
        "query_pids": np.array([7]),
        "query_cameras": np.array([1]),
        "gallery_pids": np.array([7, 7, IGNORED, UNLABELLED, 3, 7]),
        "gallery_cameras": np.array([1, 2, 1, 2, 2, 3]),
    }
    distances = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
    precision, first = rank_crops(distances, **people)
    assert precision == pytest.approx([0.75])
    assert first.tolist() == [0]
    assert rank_crops(distances, **people, ap="trapezoid")[0] == pytest.approx([(1 + 5 / 12) / 2])


def test_the_official_trapezoid():
    # [1, 0, 1] gives 0.7917 in the authors' evaluation, where precision is 1 before the first item.
    people = {
        "query_pids": np.array([0]),
        "query_cameras": np.array([0]),
        "gallery_pids": np.array([0, UNLABELLED, 0]),
        "gallery_cameras": np.array([1, 1, 1]),
    }
    assert rank_crops(np.array([[1.0, 2, 3]]), **people, ap="trapezoid")[0] == pytest.approx([0.79166667])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(["step", "trapezoid"]))
def test_against_the_slow_twin(seed, kind):
    distances, people = example(seed)
    precision, first = rank_crops(distances, **people, ap=kind)
    for query in range(len(distances)):
        labels = [is_match for _, is_match in kept_ranking(distances, people, query)]
        assert precision[query] == pytest.approx(slow_average_precision(labels, kind))
        assert first[query] == (labels.index(True) if any(labels) else -1)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_blocks_of_queries_give_the_same(seed):
    distances, people = example(seed)
    whole = np.stack(rank_crops(distances, **people))
    gallery = {key: value for key, value in people.items() if key.startswith("gallery")}
    parts = [
        np.stack(
            rank_crops(
                distances[part],
                query_pids=people["query_pids"][part],
                query_cameras=people["query_cameras"][part],
                **gallery,
            )
        )
        for part in (slice(0, 2), slice(2, 6))
    ]
    assert (np.concatenate(parts, axis=1) == whole).all()


def test_distractors_only_push_back_and_junk_does_nothing():
    distances, people = example(3, levels=1000)
    before = rank_crops(distances, **people)

    def with_rows(pid):
        more = {
            **people,
            "gallery_pids": np.append(people["gallery_pids"], [pid] * 5),
            "gallery_cameras": np.append(people["gallery_cameras"], range(5)),
        }
        return rank_crops(np.hstack([distances, np.full((len(distances), 5), -999.0)]), **more)

    assert (with_rows(IGNORED)[0] == before[0]).all()
    found = before[1] >= 0
    assert found.any()
    assert (with_rows(UNLABELLED)[1][found] == before[1][found] + 5).all()
    assert (with_rows(UNLABELLED)[0][found] < before[0][found]).all()


def test_figures_leave_out_queries_without_a_match():
    figures = reid_figures(np.array([1.0, 0.0, 0.5]), np.array([0, -1, 4]), top_k=(1, 5))
    assert figures == {"mAP": 75.0, "top1": 50.0, "top5": 100.0, "queries": 2.0, "skipped": 1.0}
    assert reid_figures(np.zeros(1), np.array([-1]))["mAP"] == 0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_single_shot_against_the_chance_of_a_hit(seed):
    # Rank 1: a match p is drawn with chance 1/m, and each other identity must have drawn an image behind p.
    distances, people = example(seed, num_queries=3, num_gallery=14, levels=10**6)
    repeats = 3000
    ranks = single_shot_ranks(distances, **people, repeats=repeats, seed=seed)
    for query in range(len(distances)):
        kept = kept_ranking(distances, people, query)
        matches = [row for row, is_match in kept if is_match]
        if not matches:
            assert (ranks[query] == -1).all()
            continue
        others = {}
        for row, is_match in kept:
            pid = people["gallery_pids"][row]
            if not is_match:
                others.setdefault(pid if pid >= 0 else -100 - row, []).append(row)
        chance = np.mean(
            [
                np.prod([np.mean(distances[query, rows] > distances[query, p]) for rows in others.values()])
                for p in matches
            ]
        )
        # Five standard deviations of the mean of that many draws.
        assert np.mean(ranks[query] == 0) == pytest.approx(chance, abs=5 * 0.5 / repeats**0.5)
        assert ranks[query].max() <= len(others)


def test_single_shot_is_a_function_of_the_seed():
    distances, people = example(1)
    first = single_shot_ranks(distances, **people, seed=4)
    assert first.shape == (6, 10)
    assert (first == single_shot_ranks(distances, **people, seed=4)).all()
    assert (first != single_shot_ranks(distances, **people, seed=5)).any()


def test_bad_input():
    distances, people = example(0)
    with pytest.raises(ValueError, match=r"distances: expected \(6, 25\)"):
        rank_crops(distances[:, :3], **people)
    with pytest.raises(ValueError, match="query_pids: expected identities >= 0, found -1"):
        rank_crops(distances, **{**people, "query_pids": np.full(6, -1)})
    with pytest.raises(ValueError, match="finite"):
        rank_crops(np.full_like(distances, np.nan), **people)
    with pytest.raises(ValueError, match="ap: expected one of"):
        rank_crops(distances, **people, ap="mean")
