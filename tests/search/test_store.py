"""The contract of every store: what one backend does, the others do."""

import numpy as np
import pytest

from inet_d2.search import Where, open_store

BACKENDS = ["sqlite", "sqlite-half", "milvus"]
X, Y, DIAGONAL = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8)


def address(backend, folder, request):
    """Options that open the same new index again and again."""
    if backend == "milvus":
        return {"where": f"{request.getfixturevalue('milvus_server')}/t{abs(hash(str(folder)))}"}
    return {"where": str(folder / "an.index"), "half": backend == "sqlite-half"}


def fill(store, make):
    """Image 0 with X and Y, image 1 with nobody, video 2 with X at 1 s (still until 4 s) and the diagonal at 9 s."""
    store.add([(make.source(0), [make.frame(X, Y)]), (make.source(1), [make.frame(*np.zeros((0, 2)))])])
    frames = [make.frame(X, offset=1.0, until=4.0, score=0.7), make.frame(DIAGONAL, offset=9.0)]
    store.add([(make.source(2, duration=10.0), frames)])
    return store


@pytest.fixture(params=BACKENDS)
def where_to(request, tmp_path):
    return address(request.param, tmp_path, request)


@pytest.fixture
def store(where_to):
    with open_store(**where_to, create=True) as store:
        yield store


@pytest.fixture
def filled(store, make):
    return fill(store, make)


@pytest.fixture(scope="module", params=BACKENDS)
def unchanged(request, make, tmp_path_factory):
    """A filled index for tests that only read."""
    with open_store(**address(request.param, tmp_path_factory.mktemp("store"), request), create=True) as store:
        yield fill(store, make)


def test_search_is_hand_worked(unchanged):
    rows = unchanged.search(np.array([[0.8, 0.6]], np.float32), 10)
    # diagonal 0.6 * 0.8 + 0.8 * 0.6 = 0.96; X 0.8 twice, in the order of their ids; Y 0.6
    np.testing.assert_allclose(rows.similarities, [0.96, 0.8, 0.8, 0.6], atol=1e-3)
    paths = {source.id: source.path for source in unchanged.sources()}
    assert [paths[i][-5] for i in rows.sources[[0, 3]]] == ["2", "0"]
    assert rows.offsets[0] == 9.0
    assert rows.times[0] == 2009.0
    np.testing.assert_allclose(rows.embeddings[0], DIAGONAL, atol=1e-3)
    np.testing.assert_allclose(rows.boxes[3], [4, 5, 6, 7])
    assert len(set(rows.ids.tolist())) == 4
    assert len(unchanged.search(np.array([X], np.float32), 2)) == 2


def test_several_examples_are_the_mean_of_the_best_three(unchanged):
    examples = np.array([X, X, Y, (0.6, 0.8)], np.float32)
    rows = unchanged.search(examples, 10)
    # X: 1, 1, 0, 0.6 -> 2.6 / 3; Y: 0, 0, 1, 0.8 -> 1.8 / 3; diagonal: 0.6, 0.6, 0.8, 1 -> 2.4 / 3
    np.testing.assert_allclose(rows.similarities, [2.6 / 3, 2.6 / 3, 0.8, 0.6], atol=1e-3)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Where(), 4),
        (Where(sources=[]), 0),
        (Where(times=(None, 1000.0)), 2),
        (Where(times=(2003.0, None)), 2),  # the still picture lasts until 2004
        (Where(times=(2005.0, 2008.0)), 0),
        (Where(offsets=(9.0, 9.0)), 1),
        (Where(min_score=0.8), 3),
        (Where(offsets=(0.5, None), min_score=0.8), 1),
    ],
)
def test_filters(unchanged, where, expected):
    assert len(unchanged.search(np.array([X], np.float32), 10, where)) == expected
    assert len(unchanged.rows(where)) == expected


def test_filter_by_source(unchanged):
    for source, expected in zip(unchanged.sources(), (2, 0, 2), strict=True):
        rows = unchanged.search(np.array([Y], np.float32), 10, Where(sources=[source.id]))
        assert len(rows) == expected
        assert set(rows.sources.tolist()) <= {source.id}


def test_filtered_search_equals_the_slow_twin(store, make):
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(60, 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    store.add([(make.source(i), [make.frame(*embeddings[3 * i : 3 * i + 3])]) for i in range(20)])
    ids = [source.id for source in store.sources()]
    for chosen in ([0], [3, 17], list(range(5, 15)), list(range(20))):
        rows = store.search(embeddings[:1], 7, Where(sources=[ids[i] for i in chosen]))
        products = np.concatenate([embeddings[3 * i : 3 * i + 3] for i in chosen]) @ embeddings[0]
        np.testing.assert_allclose(rows.similarities, np.sort(products)[::-1][:7], atol=2e-3)


def test_counts_sources_and_windows(unchanged):
    assert tuple(unchanged.count()) == (3, 3, 4)
    assert [source.path for source in unchanged.sources()] == ["/photos/0.jpg", "/photos/1.jpg", "/photos/2.jpg"]
    assert unchanged.windows(Where(), 2.0) == 3  # the image, and the video's stretches 0-2 and 8-10
    assert unchanged.windows(Where(), 20.0) == 2
    assert unchanged.windows(Where(sources=[]), 2.0) == 0


def test_sources_by_their_ids(unchanged):
    first, _, video = unchanged.sources()
    assert unchanged.sources([video.id, first.id, 77]) == [first, video]
    assert unchanged.sources([]) == []


def test_rows_are_spread_evenly(unchanged):
    assert unchanged.rows(Where(), 2).ids.tolist() == unchanged.rows().ids[[0, 2]].tolist()
    assert len(unchanged.rows(Where(), 100)) == 4


def test_content_comes_once_and_videos_go_on(store, make):
    assert store.add([(make.source(0), [make.frame(X)])]) == (1, 1)
    assert store.add([(make.source(0, note="again"), [make.frame(X)])]) == (0, 0)
    first = make.source(1, indexed_until=60.0)
    assert store.add([(first, [make.frame(X, offset=3.0)])]) == (1, 1)
    assert store.add([(first, [make.frame(X, offset=3.0)])]) == (0, 0)  # another process was faster
    second = make.source(1, indexed_until=120.0)
    assert store.add([(second, [make.frame(X, offset=61.0)])]) == (1, 1)
    assert store.add([(make.source(1, note="cut"), [])]) == (1, 0)
    source = store.sources()[1]
    assert (source.indexed_until, source.note) == (None, "cut")
    assert store.count().people == 3


def test_removal(filled):
    first, _, video = filled.sources()
    rows = filled.rows()
    assert filled.remove_people(rows.ids[:1]) == 1
    assert filled.remove_people(rows.ids[:1]) == 0
    assert filled.rows().ids.tolist() == rows.ids[1:].tolist()  # ids of the others stay
    assert filled.remove_sources([video.id]) == 2
    assert filled.sources()[0] == first
    assert len(filled.search(np.array([X], np.float32), 10)) == 1
    assert filled.remove_people(filled.rows().ids) == 1
    assert filled.count().people == 0
    assert filled.purge() >= 0
    assert len(filled.search(np.array([X], np.float32), 10)) == 0


def test_meta_move_and_thumbnails_stay(where_to, make):
    with open_store(**where_to, create=True) as store:
        store.write_meta("settings", {"fps": 2.0, "name": "日本"})
        store.add([(make.source(0), [make.frame(X)])])
        store.move(store.sources()[0].id, "/other/a.jpg", 7)
    with open_store(where_to["where"]) as store:
        assert store.read_meta("settings") == {"fps": 2.0, "name": "日本"}
        assert store.read_meta("other") is None
        assert (store.sources()[0].path, store.sources()[0].modified_ns) == ("/other/a.jpg", 7)
        assert store.thumbnails(store.rows().ids) == [bytes(range(192))]


def test_embeddings_of_another_size_are_refused(filled, make):
    with pytest.raises(ValueError, match=r"expected embeddings \(1, 2\), found \(1, 3\)"):
        filled.add([(make.source(7), [make.frame((1.0, 0.0, 0.0))])])
    assert len(filled.sources()) == 3  # nothing of it came in
    with pytest.raises(ValueError, match=r"expected examples \(Q, 2\), found \(1, 3\)"):
        filled.search(np.ones((1, 3), np.float32), 3)
    with pytest.raises(ValueError, match="top: expected at least 1, found 0"):
        filled.search(np.array([X], np.float32), 0)


def test_an_empty_index_finds_nothing(store):
    assert len(store.search(np.ones((1, 5), np.float32), 3)) == 0
    assert len(store.rows()) == 0
    assert tuple(store.count()) == (0, 0, 0)


def test_a_second_opener_sees_what_comes(where_to, filled, make):
    with open_store(where_to["where"], read_only=True) as reader:
        assert reader.count().people == 4
        filled.add([(make.source(5), [make.frame(Y)])])
        assert len(reader.rows()) == 5
        filled.remove_sources([filled.sources()[0].id])
        assert len(reader.rows()) == 3


def test_a_missing_index_is_an_error(where_to):
    with pytest.raises(FileNotFoundError, match="there is none; make it with: inet-search index"):
        open_store(where_to["where"])
