import numpy as np
import pytest

from mmaudit.diagnostics.principal import principal
from mmaudit.seeds import generator


@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (20, 20)])
def test_principal_directions_are_those_of_the_singular_value_decomposition(shape):
    z = generator(1, "principal", *shape).standard_normal(shape) + 3
    found = principal(z)
    centred = z - z.mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    r = min(shape[0] - 1, shape[1])
    assert found.singular == pytest.approx(s[:r])
    assert np.allclose(found.axes @ found.axes.T, np.eye(r))
    assert np.allclose(found.scores, centred @ found.axes.T)
    for k in (0, 1, 5, r):
        assert np.allclose(found.keep(k), z.mean(axis=0) + (u[:, :k] * s[:k]) @ vt[:k])


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_directions_that_nothing_varies_in_are_left_out(shape):
    rng = generator(2, "principal", *shape)
    z = rng.standard_normal((shape[0], 3)) @ rng.standard_normal((3, shape[1]))
    found = principal(z)
    assert len(found.singular) == 3
    assert np.allclose(found.keep(3), z)
    singular = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)[:3]
    assert found.singular == pytest.approx(singular, rel=1e-12)
    assert np.allclose(found.axes @ found.axes.T, np.eye(3), atol=1e-12)
    assert np.allclose(found.scores, (z - z.mean(axis=0)) @ found.axes.T, atol=1e-12 * singular[0])


@pytest.mark.parametrize("z", [np.zeros((3, 2)), np.zeros((1, 4)), np.zeros((3, 0))])
def test_a_cloud_without_extent_has_no_direction(z):
    with np.errstate(all="raise"):
        found = principal(z)
    assert len(found.singular) == 0
    assert found.keep(0).shape == z.shape
