import re

import numpy as np
import pytest

from benchmarks import score
from inet_d2.data.datasets.protocol import LISTED_THEN_REST
from inet_d2.evaluation.search_ranking import rank_queries


def test_both_ratios_and_the_memory_are_printed(tool, capsys):
    sizes = ["--queries", "30", "--images", "200", "--detections", "600", "--size", "16", "--walk-queries", "5"]
    assert tool("benchmark").main(["--task", "score", *sizes]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"scoring takes \d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\) as long", shown)
    assert re.search(r"scoring is \d+ times faster", shown)
    assert float(re.search(r"largest difference in AP (\S+)\)", shown)[1]) < 1e-12
    assert re.search(r"memory for scoring +\d+ MiB", shown)
    assert "gallery sizes 50 100 at once" in shown


def test_the_timed_walk_gives_the_same_figures():
    generator = np.random.default_rng(3)
    gallery = score.make_gallery(generator, 100, 300)
    embeddings, queries = score.unit_rows(generator, 300, 8), score.unit_rows(generator, 40, 8)
    protocol = score.make_protocol(generator, gallery, 40, 50, LISTED_THEN_REST)
    ranking = rank_queries(queries, gallery, embeddings, {"all": protocol})["all"]
    walk = score.OfficialWalk(protocol, gallery, embeddings)
    found = [walk.search(query, queries[query]) for query in range(40)]
    assert ranking.average_precisions == pytest.approx([average for average, _ in found])
    assert ranking.best_ranks.tolist() == [best for _, best in found]
    assert ranking.num_hits.sum() > 40
