import numpy as np
import pytest
from detectron2.config import get_cfg

from inet_d2.baselines.distances import Cosine, Euclidean, build_distance
from inet_d2.baselines.distances.distance import QuadraticForm
from inet_d2.config import add_inet_config


def settings(name):
    cfg = get_cfg()
    add_inet_config(cfg)
    cfg.TWO_STEP.DISTANCE = name
    return cfg.TWO_STEP


def rows(count, size, seed):
    return np.random.default_rng(seed).normal(3, 2, (count, size))


def test_a_quadratic_form_as_inner_products():
    generator = np.random.default_rng(0)
    matrix = generator.standard_normal((6, 6))
    matrix = matrix + matrix.T  # indefinite
    assert np.linalg.eigvalsh(matrix)[0] < 0 < np.linalg.eigvalsh(matrix)[-1]
    queries, gallery = rows(4, 6, 1), rows(9, 6, 2)
    form = QuadraticForm(matrix, gallery.mean(axis=0))
    products = form.query_rows(queries) @ form.gallery_rows(gallery).T
    difference = queries[:, None] - gallery
    distances = np.einsum("qgi,ij,qgj->qg", difference, matrix, difference)
    # Equal but for a number of each query.
    sums = products + distances
    np.testing.assert_allclose(sums, sums[:, :1].repeat(9, axis=1), rtol=1e-9)


def test_euclidean_by_hand_and_by_loops():
    distance = Euclidean()
    # Query (0, 0) against (3, 4) and (1, 1): -25 / 2 and -2 / 2 plus nothing.
    found = distance.query_rows(np.zeros((1, 2))) @ distance.gallery_rows(np.array([[3.0, 4], [1, 1]])).T
    np.testing.assert_allclose(found, [[-12.5, -1]])
    queries, gallery = rows(5, 7, 1), rows(8, 7, 2)
    distance.fit(gallery, np.arange(8))
    found = distance.query_rows(queries) @ distance.gallery_rows(gallery).T
    exact = ((queries[:, None] - gallery) ** 2).sum(axis=2)
    np.testing.assert_array_equal(np.argsort(-found, axis=1), np.argsort(exact, axis=1))


def test_cosine():
    queries, gallery = rows(5, 7, 1), rows(8, 7, 2)
    found = Cosine().query_rows(queries) @ Cosine().gallery_rows(gallery).T
    exact = [[q @ g / np.linalg.norm(q) / np.linalg.norm(g) for g in gallery] for q in queries]
    np.testing.assert_allclose(found, exact)
    assert not Cosine().gallery_rows(np.zeros((1, 7))).any()


@pytest.mark.parametrize("name", ["Euclidean", "Cosine", "KISSME", "XQDA"])
def test_every_distance_by_name(name):
    node = settings(name)
    node.KISSME.PCA_DIM = 3
    distance = build_distance(node)
    assert type(distance).__name__ == name
    people = rows(30, 5, 0)
    distance.fit(people, np.arange(30) // 3)
    assert distance.query_rows(people[:2]).shape[1] == distance.gallery_rows(people).shape[1]
    assert all(np.isfinite(value) for value in distance.findings().values())


def test_unknown_name():
    with pytest.raises(ValueError, match="expected one of Cosine, Euclidean, KISSME, XQDA, found 'L1'"):
        build_distance(settings("L1"))
