import re

import numpy as np
import pytest

from inet_d2.data.datasets.protocol import LISTED_THEN_REST
from inet_d2.evaluation.search_ranking import rank_queries


def test_score_prints_both_ratios_and_the_memory(tool, capsys):
    arguments = ["--queries", "30", "--images", "200", "--detections", "600", "--size", "16", "--walk-queries", "5"]
    assert tool("benchmark").main(["--task", "score", *arguments]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"scoring takes \d+\.\d\d times as long", shown)
    assert re.search(r"scoring is \d+ times faster", shown)
    assert re.search(r"peak memory +\d+ MiB", shown)
    assert "gallery sizes 50 100 at once" in shown


def test_the_timed_walk_gives_the_same_figures(tool):
    module = tool("benchmark")
    generator = np.random.default_rng(3)
    gallery = module.make_gallery(generator, 100, 300)
    embeddings, queries = module.unit_rows(generator, 300, 8), module.unit_rows(generator, 40, 8)
    protocol = module.make_protocol(generator, gallery, 40, 50, LISTED_THEN_REST)
    ranking = rank_queries(queries, gallery, embeddings, {"all": protocol})["all"]
    walk = module.OfficialWalk(protocol, gallery, embeddings)
    found = [walk.search(query, queries[query]) for query in range(40)]
    assert ranking.average_precisions == pytest.approx([average for average, _ in found])
    assert ranking.best_ranks.tolist() == [best for _, best in found]
    assert ranking.num_hits.sum() > 40


def test_sizes_are_checked(tool, capsys):
    with pytest.raises(SystemExit):
        tool("benchmark").main(["--task", "score", "--queries", "0"])
    assert "--queries: expected at least 1, found 0" in capsys.readouterr().err
