"""An index takes nobody whom a search could not rank."""

import numpy as np
import pytest

from inet_d2.search import open_store
from inet_d2.search.people_check import check_people
from inet_d2.search.store import People


def people(embedding=(0.6, 0.8), box=(1, 2, 3, 4), score=0.9):
    return People(np.array([box], np.float32), np.array([score], np.float32), np.array([embedding], np.float32))


def test_sound_people_pass():
    check_people(people(), 2, "x")
    check_people(people(embedding=np.array([0.6, 0.8], np.float16)), 2, "x")
    # Times the score, as CONFIDENCE_WEIGHT has it: 0.5 * (0.6, 0.8).
    check_people(people(embedding=(0.3, 0.4), score=0.5), 2, "x")
    check_people(People(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 2))), 2, "x")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (people(embedding=(0.6, 0.8, 0)), r"expected embeddings \(1, 2\), found \(1, 3\)"),
        (people(embedding=(np.nan, 0.8)), "unit length, found 1 of 1 others, first one of length nan"),
        (people(embedding=(30, 40)), "unit length, found 1 of 1 others, first one of length 50"),
        (people(embedding=(0, 0)), "first one of length 0; scale them to 1"),
        (people(embedding=(0.3, 0.4), score=0.9), "first one of length 0.5"),
        (people(box=(1, 2, np.inf, 4)), "expected finite boxes and scores"),
        (people(score=np.nan), "expected finite boxes and scores"),
    ],
)
def test_others_are_refused(found, message):
    with pytest.raises(ValueError, match=f"^x: .*{message}"):
        check_people(found, 2, "x")


def test_nothing_of_a_refused_source_is_kept(tmp_path, make):
    with open_store(str(tmp_path / "an.index"), create=True) as store:
        with pytest.raises(ValueError, match=r"an\.index: /photos/0\.jpg: expected embeddings of unit length"):
            store.add([(make.source(0), [make.frame((1.0, 0.0)), make.frame((3.0, 0.0))])])
        assert store.count() == (0, 0, 0)
        store.add([(make.source(0), [make.frame((1.0, 0.0))])])
        with pytest.raises(ValueError, match="expected finite examples"):
            store.search(np.array([[np.nan, 0]]), 1)
