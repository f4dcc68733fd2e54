import csv

import numpy as np
import pytest

from inet_d2.evaluation.query_report import COLUMNS, failures, losses, mean_losses, query_rows, write_query_table
from inet_d2.evaluation.search_ranking import SearchRanking

BOX = [0, 0, 40, 40]


@pytest.fixture
def ranking():
    """Found; found first with one appearance missing; third; never boxed; no ground truth."""
    return SearchRanking(
        average_precisions=np.array([1.0, 0.5, 1 / 3, 0.0, 0.0]),
        best_ranks=np.array([0, 0, 2, -1, -1]),
        num_ground_truths=np.array([2, 2, 1, 3, 0]),
        num_hits=np.array([2, 1, 1, 0, 0]),
    )


def test_what_keeps_the_person_from_the_first_place(ranking):
    assert failures(ranking).tolist() == ["", "", "embedding", "box", "no ground truth"]


def test_losses_and_precision_add_up(ranking):
    to_boxes, to_embeddings = losses(ranking)
    # Second: one of two appearances has no box, and the other stands first. Third: everybody is boxed, 1 - 1/3 is left.
    assert to_boxes.tolist() == [0, 0.5, 0, 1, 0]
    assert to_embeddings == pytest.approx([0, 0, 2 / 3, 0, 0])
    total = to_boxes + to_embeddings + ranking.average_precisions
    assert total[:4] == pytest.approx([1, 1, 1, 1])
    assert sum(mean_losses(ranking)) + ranking.figures()["mAP"] == pytest.approx(100)


def test_losses_without_queries():
    none = np.zeros(0, dtype=np.int64)
    assert mean_losses(SearchRanking(none, none, none, none)) == (0.0, 0.0)


def test_the_table_of_queries(twins, ranking, tmp_path):
    protocol = twins.protocol([("q", [("a", BOX)])] * 5, ["a"], query_boxes=[[1, 2, 3, 4.5]] * 5)
    rows = list(query_rows("p.npz", {"50": protocol}, {"50": ranking}))
    write_query_table(tmp_path / "q.csv", rows)
    with (tmp_path / "q.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert list(written[0]) == list(COLUMNS)
    assert [row["best_rank"] for row in written] == ["1", "1", "3", "", ""]
    assert float(written[2]["ap"]) == 1 / 3
    third = {key: written[2][key] for key in ("predictions", "gallery", "query", "image", "y2", "boxed", "failure")}
    assert third == {
        "predictions": "p.npz", "gallery": "50", "query": "2", "image": "q", "y2": "4.5", "boxed": "1",
        "failure": "embedding",
    }  # fmt: skip
