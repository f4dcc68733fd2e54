"""Queries: who is in the picture, sightings, copies, rejected people, the threshold."""

import numpy as np
import pytest
import torch
from PIL import Image

from inet_d2.data.resize import RESIZERS
from inet_d2.data.search_mapper import SearchDatasetMapper
from inet_d2.engine import load_config
from inet_d2.search import (
    Indexer,
    Query,
    SeveralPeopleError,
    Where,
    build_model_embedder,
    list_files,
    open_store,
    read_query,
    search,
)
from inet_d2.search.calibration import curve_of, write_curve
from inet_d2.search.embedder import model_fingerprint
from inet_d2.search.query_picture import QueryPicture
from inet_d2.search.similarity import unit_rows

X, Y = (1.0, 0.0), (0.0, 1.0)


@pytest.fixture
def store(tmp_path):
    with open_store(str(tmp_path / "an.index"), create=True) as store:
        yield store


@pytest.fixture
def indexed(store, embedder, photos):
    Indexer(store, embedder).add(list_files([photos]))
    return store


def names(answer):
    return [found.source.path.rsplit("/", 1)[-1] for found in answer.found]


def query_of(*pictures, **options):
    return Query(np.stack([picture.embedding for picture in pictures]), pictures=pictures, **options)


def test_the_only_person_is_taken(indexed, embedder, tmp_path, make):
    picture = read_query(embedder, make.write(tmp_path / "q.png", None, make.blue))
    assert picture.box.tolist() == [28, 12, 40, 52]
    answer = search(indexed, query_of(picture, top=2))
    assert set(names(answer)) == {"blue.png", "both.png"}
    assert answer.found[0].sighting.similarity == pytest.approx(1.0, abs=1e-4)
    assert (answer.threshold, answer.is_not_found, answer.num_people, answer.num_windows) == (None, False, 5, 4)
    assert answer.found[0].is_find is None


def test_one_of_several_is_chosen_by_number_or_box(embedder, photos):
    with pytest.raises(SeveralPeopleError, match=r"both\.png shows 2 people; say which with --person N") as caught:
        read_query(embedder, photos / "both.png")
    assert caught.value.boxes[:, 0].tolist() == [9, 53]  # numbered from the left
    assert read_query(embedder, photos / "both.png", person=2).box.tolist() == [53, 12, 65, 52]
    assert read_query(embedder, photos / "both.png", box=[50, -9, 70, 99]).box.tolist() == [50, 0, 70, 64]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nobody.png", {}, r"nobody\.png: nobody was found in this picture; give --box"),
        ("both.png", {"person": 3}, "--person: expected 1 to 2 for both.png, found 3"),
        ("both.png", {"person": 0}, "--person: expected 1 to 2"),
        ("red.png", {"box": [200, 0, 300, 50]}, r"--box 200 0 300 50: .* inside red\.png \(96 x 64 pixels\)"),
        ("red.png", {"box": [20, 0, 10, 50]}, "expected x1 < x2"),
        ("notes.txt", {}, r"notes\.txt cannot be decoded"),
    ],
)
def test_wrong_queries_are_sentences(embedder, photos, name, options, message):
    with pytest.raises(ValueError, match=message):
        read_query(embedder, photos / name, **options)


def test_a_missing_query_is_a_sentence(embedder, photos):
    with pytest.raises(FileNotFoundError, match=r"none\.png does not exist"):
        read_query(embedder, photos / "none.png")


def test_own_picture_and_copies_are_marked(indexed, embedder, photos, tmp_path, make):
    answer = search(indexed, query_of(read_query(embedder, photos / "red.png")))
    assert [(n, f.is_copy) for n, f in zip(names(answer), answer.found, strict=True)][:2] in (
        [("red.png", True), ("both.png", False)],
        [("both.png", False), ("red.png", True)],
    )
    with Image.open(photos / "red.png") as image:
        image.resize((192, 128)).save(tmp_path / "again.jpg", quality=80)
    again = search(indexed, query_of(read_query(embedder, tmp_path / "again.jpg", box=[12, 24, 36, 104])))
    assert {n for n, f in zip(names(again), again.found, strict=True) if f.is_copy} == {"red.png"}
    # the same person at another place of a picture that looks alike is news
    moved = make.write(tmp_path / "moved.png", None, make.red)
    assert not any(f.is_copy for f in search(indexed, query_of(read_query(embedder, moved))).found)


def test_copies_do_not_use_up_the_rows(indexed, embedder, photos):
    answer = search(indexed, query_of(read_query(embedder, photos / "red.png"), top=1))
    assert sorted(names(answer)) == ["both.png", "red.png"]


def video_of(make, *frames, number=9):
    return make.source(number, duration=100.0), list(frames)


def test_neighbouring_hits_are_one_sighting(store, make):
    frames = [make.frame(X, offset=t) for t in (1.0, 2.5, 4.0)] + [make.frame(X, Y, offset=6.5, until=9.0)]
    store.add([video_of(make, *frames, make.frame(X, offset=10.5))])
    answer = search(store, Query(np.array([X], np.float32), top=10))
    # 1, 2.5, 4 are less than 2 s apart; 6.5 comes 2.5 s later and lasts to 9; 10.5 comes 1.5 s after that
    assert [(f.sighting.begin, f.sighting.end, len(f.ids)) for f in answer.found] == [
        (1.0, 4.0, 3),
        (6.5, 10.5, 2),
    ]  # not who stands beside them at 6.5
    every = search(store, Query(np.array([X], np.float32), gap=0.0))
    assert len(every.found) == 6
    wide = search(store, Query(np.array([X], np.float32), gap=2.6))
    assert [(f.sighting.begin, f.sighting.end) for f in wide.found] == [(1.0, 10.5)]


def calibrated(store, impostors=0.5):
    """30 people, 2 images without each, best strangers at ``impostors``."""
    write_curve(store, curve_of([np.array([impostors] * 2)] * 30, [0.9] * 30, "made-up data"))


def test_not_found_is_said_and_what_is_below_is_no_find(store, make):
    store.add([(make.source(0), [make.frame((0.6, 0.8))])])
    calibrated(store, impostors=0.7)
    answer = search(store, Query(np.array([X], np.float32)))
    assert answer.threshold == pytest.approx(0.7, abs=1e-3)
    assert answer.is_not_found
    assert [found.is_find for found in answer.found] == [False]
    assert answer.found[0].false_alarm_rate == 1.0  # every search for somebody absent shows 0.6 or more
    found = search(store, Query(np.array([(0.8, 0.6)], np.float32)))  # similarity 0.96
    assert not found.is_not_found
    assert [f.is_find for f in found.found] == [True]


def test_a_sighting_holds_finds_alone_where_there_are_any(store, make):
    frames = [make.frame(X, Y, offset=t) for t in (1.0, 2.0)] + [make.frame(Y, offset=50.0)]
    store.add([video_of(make, *frames)])
    calibrated(store)
    answer = search(store, Query(np.array([X], np.float32)))
    assert [(f.is_find, len(f.ids), f.sighting.begin) for f in answer.found] == [(True, 2, 1.0), (False, 1, 50.0)]


def test_rejected_people_fall_below_the_line(store, make):
    store.add([(make.source(i), [make.frame(v)]) for i, v in enumerate([X, (0.8, 0.6)])])
    calibrated(store)
    rejected = np.array([(0.6, 0.8)], np.float32)  # 0.96 to the second, 0.6 to the first
    answer = search(store, Query(np.array([X], np.float32), rejected=rejected))
    assert [(f.is_rejected, f.is_find) for f in answer.found] == [(False, True), (True, False)]


def test_deviations_without_labels(store, make):
    generator = np.random.default_rng(0)
    angles = generator.normal(1.3, 0.05, size=200)
    store.add([(make.source(i), [make.frame((np.cos(a), np.sin(a)))]) for i, a in enumerate(angles)])
    store.add([(make.source(999), [make.frame(X)])])
    answer = search(store, Query(np.array([X], np.float32), top=2))
    similarities = np.append(np.cos(angles), 1.0)
    spread = 1.4826 * np.median(np.abs(similarities - np.median(similarities)))
    assert answer.found[0].deviations == pytest.approx((1 - np.median(similarities)) / spread, rel=1e-3)
    assert answer.found[0].false_alarm_rate is None


def test_filters_reach_the_count_of_what_was_searched(store, make):
    store.add([(make.source(i), [make.frame(X)]) for i in range(5)])
    answer = search(store, Query(np.array([X], np.float32), where=Where(times=(2000.0, None))))
    assert (answer.num_windows, len(answer.found)) == (3, 3)


def test_an_empty_index_is_a_sentence(store):
    with pytest.raises(ValueError, match="the index holds nobody"):
        search(store, Query(np.array([X], np.float32)))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"top": 0}, "--top"), ({"false_alarms": 0.0}, "--false-alarms"), ({"gap": -1.0}, "--gap")],
)
def test_query_settings_are_checked(options, message):
    with pytest.raises(ValueError, match=f"{message}: expected"):
        Query(np.ones((1, 2)), **options)


def test_pictures_of_no_file_have_copies_too(indexed, embedder, make):
    picture = make.picture(make.red)
    box = np.array([6.0, 12.0, 18.0, 52.0])
    query = QueryPicture("upload", picture, box, embedder.embed(picture, box[None])[0])
    answer = search(indexed, query_of(query))
    assert {n for n, f in zip(names(answer), answer.found, strict=True) if f.is_copy} == {"red.png"}


def test_similarities_are_weighted_by_scores_where_the_model_says_so(store, embedder, colour_model, photos):
    config, weights = colour_model
    cfg = load_config(str(config), ["TEST.SEARCH.CONFIDENCE_WEIGHT", "True"])
    weighted = build_model_embedder(cfg, weights=str(weights))
    assert weighted.description["fingerprint"] != embedder.description["fingerprint"]
    picture = np.array(Image.open(photos / "both.png").convert("RGB"))
    plain, found = (model.detect([model.prepare(picture)])[0] for model in (embedder, weighted))
    np.testing.assert_allclose(found.embeddings, plain.embeddings * plain.scores[:, None])
    Indexer(store, weighted).add(list_files([photos]))
    query = read_query(weighted, photos / "red.png")
    assert np.linalg.norm(query.embedding) == pytest.approx(1)
    own = next(found for found in search(store, query_of(query)).found if found.source.path.endswith("red.png"))
    assert own.is_copy  # the same picture, although its similarity is the score and not 1
    assert own.sighting.similarity == pytest.approx(float(own.scores[0]), abs=1e-3)
    assert own.scores[0] < 0.99


@pytest.mark.parametrize("resizer", RESIZERS)
def test_pictures_are_resized_as_in_evaluation(colour_model, tmp_path, resizer):
    config, weights = colour_model
    cfg = load_config(str(config), ["INPUT.RESIZE", resizer, "INPUT.MIN_SIZE_TEST", "21", "INPUT.MAX_SIZE_TEST", "99"])
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    evaluated = SearchDatasetMapper(cfg)({"file_name": str(tmp_path / "a.png"), "image_id": "a", "annotations": []})
    embedder = build_model_embedder(cfg, weights=str(weights))
    assert torch.equal(embedder.prepare(picture)["image"], evaluated["image"])


def test_an_index_of_another_resizer_is_refused(colour_model):
    config, weights = colour_model
    configurations = [load_config(str(config), ["INPUT.RESIZE", resizer]) for resizer in RESIZERS]
    prints = [build_model_embedder(cfg, weights=str(weights)).description["fingerprint"] for cfg in configurations]
    assert len(set(prints)) == len(RESIZERS)


def test_an_index_fits_whatever_batch_norms_trained(colour_model):
    config, weights = colour_model
    configurations = [load_config(str(config), ["MODEL.LIVE_BATCH_NORM", live]) for live in ("()", '("backbone",)')]
    assert len({model_fingerprint(cfg, str(weights), "fp32") for cfg in configurations}) == 1


def test_unit_rows():
    found = unit_rows(np.array([[3.0, 4], [0, 0], [0.5, 0]]))
    assert found.tolist() == [[0.6, 0.8], [0, 0], [1, 0]]
