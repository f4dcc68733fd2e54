import numpy as np
import pytest

from inet_d2.baselines.descriptors import BagOfWords
from inet_d2.baselines.descriptors.bow import cell_means, cluster_words, gaussian_mask, nearest_words
from inet_d2.baselines.descriptors.colour_names import name_probabilities, survey_table


def words(count=20):
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.full(11, 0.4), count).astype(np.float32)


def bag(**options):
    return BagOfWords(**{"table": survey_table(), "words": words(), "num_words": 20, **options})


def test_mask_sums():
    mask = gaussian_mask(32, 16)
    assert mask.sum() == pytest.approx(271.649, abs=1e-3)
    assert mask[:2].sum() == pytest.approx(9.066, abs=1e-3)
    assert mask[16:18].sum() == pytest.approx(22.988, abs=1e-3)


def test_cell_means():
    probabilities = np.random.default_rng(0).random((2, 8, 12, 11)).astype(np.float32)
    found = cell_means(probabilities)
    assert found.shape == (2, 2, 3, 11)
    np.testing.assert_allclose(found[1, 1, 2], probabilities[1, 4:8, 8:12].mean(axis=(0, 1)), rtol=1e-5)


def test_nearest_words_by_full_sort():
    cells = np.random.default_rng(1).random((50, 11)).astype(np.float32)
    book = words()
    nearest, distances = nearest_words(cells, book, 5)
    exact = np.linalg.norm(cells[:, None] - book, axis=2)
    np.testing.assert_array_equal(np.sort(nearest, axis=1), np.sort(np.argsort(exact, axis=1)[:, :5], axis=1))
    np.testing.assert_allclose(distances, np.take_along_axis(exact, nearest, axis=1), atol=1e-3)


def slow_histogram(crop, book, table, neighbours, sigma):
    probabilities = name_probabilities(crop[None], table)[0]
    mask = gaussian_mask(32, 16)
    counted, times = np.zeros((16, len(book))), np.zeros(len(book))
    for row in range(32):
        for column in range(16):
            cell = probabilities[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].reshape(16, 11).mean(axis=0)
            distances = np.sqrt(((cell - book) ** 2).sum(axis=1))
            for word in np.argsort(distances)[:neighbours]:
                counted[row // 2, word] += np.exp(-distances[word] / sigma**2) * mask[row, column]
                times[word] += 1
    return (counted / np.sqrt(np.maximum(times, 1))).ravel()


def test_histograms_equal_their_slow_twin(make_crops):
    crops = make_crops(2, 128, 64)
    found = bag(neighbours=4).histograms(crops)
    for one, crop in zip(found, crops, strict=True):
        np.testing.assert_allclose(one, slow_histogram(crop, words(), survey_table(), 4, 3.0), rtol=1e-3, atol=1e-4)


def test_a_crop_of_one_colour_has_ten_words_in_each_stripe():
    crop = np.full((1, 128, 64, 3), (40, 90, 200), dtype=np.uint8)
    found = bag(neighbours=10).histograms(crop).reshape(16, 20)
    np.testing.assert_array_equal((found > 0).sum(axis=1), 10)
    # All 512 cells have the same ten words, so each was counted 512 times; the first stripe weighs 9.066 in all.
    distances = np.linalg.norm(name_probabilities(crop[:, :1, :1], survey_table())[0, 0, 0] - words(), axis=1)
    assert found[0].max() == pytest.approx(9.066 * np.exp(-distances.min() / 9) / 512**0.5, rel=1e-3)


def test_stripes_are_where_their_colours_are():
    crop = np.zeros((1, 128, 64, 3), dtype=np.uint8)
    crop[:, 64:] = 255
    found = bag(neighbours=1).histograms(crop).reshape(16, 20) > 0
    black, white = found[0].argmax(), found[15].argmax()
    assert black != white
    np.testing.assert_array_equal(found[:, black], np.arange(16) < 8)
    np.testing.assert_array_equal(found[:, white], np.arange(16) >= 8)


def test_fit_by_hand(make_crops):
    crops = make_crops(6, 128, 64)
    descriptor = bag(neighbours=2)
    descriptor.fit([crops[:4], crops[4:]])
    histograms = descriptor.histograms(crops)
    np.testing.assert_allclose(descriptor.mean, histograms.mean(axis=0), rtol=1e-5)
    times = (histograms > 0).sum(axis=0)
    expected = np.where(times > 0, np.log(6 / np.maximum(times, 1)), 0)
    np.testing.assert_allclose(descriptor.scale**2, expected, atol=1e-6)
    rows = (histograms - descriptor.mean) * descriptor.scale
    np.testing.assert_allclose(
        descriptor.describe(crops), rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=1e-5
    )


def test_words_come_from_training_crops(make_crops):
    batches = [make_crops(8, 128, 64)]
    first, second = bag(words=None), bag(words=None)
    first.fit(batches)
    second.fit(batches)
    assert first.words.shape == (20, 11)
    np.testing.assert_array_equal(first.words, second.words)
    # Means of probabilities are probabilities.
    np.testing.assert_allclose(first.words.sum(axis=1), 1, atol=1e-4)


def test_clusters_find_separate_points():
    centres = np.eye(11)[:3]
    cells = np.repeat(centres, 50, axis=0) + np.random.default_rng(0).normal(0, 0.01, (150, 11))
    found = cluster_words(cells, 6)
    assert np.linalg.norm(centres[:, None] - found, axis=2).min(axis=1).max() < 0.05


def test_what_does_not_fit(make_crops):
    with pytest.raises(ValueError, match="fit before describe"):
        bag().describe(make_crops(1, 128, 64))
    with pytest.raises(ValueError, match=r"NEIGHBOURS in \[1, WORDS\] and SIGMA > 0, found 21 of 20"):
        bag(neighbours=21)
    with pytest.raises(ValueError, match="multiples of 8 and 4"):
        bag(size=(100, 50))
    with pytest.raises(ValueError, match="at most the 1 different cells"):
        cluster_words(np.ones((9, 11)), 2)
