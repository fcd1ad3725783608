import numpy as np
import pytest

from resnet_core.errors import UserError
from resnet_core.probes.kinds.similarity import Alignment, cka, similarity

from .conftest import images_for


@pytest.fixture(scope="module")
def known():
    """The example of Kornblith et al. 2019."""
    random = np.random.RandomState(1337)
    x = random.randn(100, 10)
    return x, random.randn(100, 10) + x


def biased(x, y):
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)


def test_the_published_example(known):
    assert biased(*known) == pytest.approx(0.55761, abs=5e-6)  # that it is their data
    assert cka(*known) == pytest.approx(0.51346, abs=5e-6)


def test_independent_representations():
    random = np.random.default_rng(0)
    pairs = [(random.normal(size=(64, 64)), random.normal(size=(64, 64))) for _ in range(100)]
    assert np.mean([biased(*pair) for pair in pairs]) == pytest.approx(0.5, abs=0.01)  # √(pq / ((n + p)(n + q)))
    assert np.mean([cka(*pair) for pair in pairs]) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("size", [8, 32, 128])
def test_the_size_of_a_minibatch_hardly_matters(size):
    random = np.random.default_rng(0)
    x = random.normal(size=(2048, 20))
    y = x @ random.normal(size=(20, 20)) + 3 * random.normal(size=(2048, 20))
    pair = Alignment(1, 1)
    for start in range(0, 2048, size):
        pair.add([x[start : start + size]], [y[start : start + size]])
    assert pair.cka[0, 0] == pytest.approx(cka(x, y), abs=0.01)


def test_invariances(known):
    x, y = known
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0]
    assert cka(x @ rotation, 1e6 * y + 3) == pytest.approx(cka(x, y), rel=1e-9)
    assert cka(x * np.arange(1, 11), y) != pytest.approx(cka(x, y), rel=1e-3)
    assert cka(1e150 * x, y) == pytest.approx(cka(x, y), rel=1e-9)


def test_too_few_images(known, networks):
    with pytest.raises(UserError, match="at least 4"):
        cka(known[0][:3], known[1][:3])
    with pytest.raises(UserError, match="at least 4 images, but got 3"):
        similarity(networks("two_joins"), images_for(networks("two_joins"), 3))


def test_maps_of_a_network_and_of_two(networks):
    first, two = networks("our_residual"), networks("our_plain")
    images = images_for(first, 40)
    rows = similarity(first, images, batch=16, permutations=5)
    grid = rows.pivot(index="index", columns="other_index", values="value").to_numpy()
    assert grid.shape == (10, 10)
    assert np.diag(grid) == pytest.approx(1.0, abs=1e-12)
    assert grid == pytest.approx(grid.T, abs=1e-12)
    assert (rows["null_low"] <= rows["null_high"]).all()
    assert (rows["null_high"] < grid[0, 0]).all()
    both = similarity(first, images, two, batch=16, permutations=0)
    assert both["value"][0] == pytest.approx(1.0, abs=1e-12)  # the same stem, of the same seed
    assert both["value"].iloc[-1] < 1.0
    assert both["null_low"].isna().all()
