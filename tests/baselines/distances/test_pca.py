import tracemalloc

import numpy as np
import pytest

from inet_d2.baselines.distances import fit_pca


@pytest.mark.parametrize("shape", [(40, 6), (12, 50)])
@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_both_ways_equal_a_singular_value_decomposition(shape, dtype, monkeypatch):
    monkeypatch.setattr("inet_d2.baselines.distances.pca._COLUMNS_AT_ONCE", 7)
    rows = np.random.default_rng(0).normal(1, np.linspace(1, 3, shape[1]), shape).astype(dtype)
    found = fit_pca(rows, 4)
    exact = rows.astype(np.float64)
    left, values, right = np.linalg.svd(exact - exact.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.project(rows)), np.abs(left[:, :4] * values[:4]), atol=2e-4)
    np.testing.assert_allclose(found.components.T @ found.components, np.eye(4), atol=1e-5)
    assert found.energy == pytest.approx((values[:4] ** 2).sum() / (values**2).sum(), abs=1e-5)
    # Signs do not depend on the machine: the largest entry of each component is positive.
    assert (found.components[np.abs(found.components).argmax(axis=0), np.arange(4)] > 0).all()
    del right


def test_by_hand():
    # Points on the line (1, 1): everything is in one component, 1 / sqrt 2 each.
    found = fit_pca(np.array([[0.0, 0], [2, 2], [4, 4]]), 1)
    np.testing.assert_allclose(found.components[:, 0], [2**-0.5, 2**-0.5], rtol=1e-6)
    np.testing.assert_allclose(found.project(np.array([[4.0, 4]])), [[8**0.5]], rtol=1e-6)
    assert found.energy == pytest.approx(1)


@pytest.mark.parametrize("dim", [0, 3])
def test_too_many_dimensions(dim):
    with pytest.raises(
        ValueError, match=rf"TWO_STEP.PCA_DIM: expected 1 to 2 dimensions, .* 3 training .* found {dim}"
    ):
        fit_pca(np.eye(3), dim, key="TWO_STEP.PCA_DIM")


def test_many_rows_are_never_copied_whole():
    rows = np.random.default_rng(0).random((30000, 40), dtype=np.float32)
    tracemalloc.start()
    fit_pca(rows, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows.nbytes
