import numpy as np
import pytest
import tensorflow as tf

from resnet_core.runs.training.augmentation import crop_and_flip, cut_out, mix_up
from resnet_core.runs.training.order import batches


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(9, 6, 5, 2)).astype("float32")


def test_crop_and_flip_against_plain_numpy(images):
    rng = np.random.default_rng(1)
    offsets, flips = rng.integers(0, 9, (9, 2)), rng.integers(0, 2, 9).astype(bool)
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)))
    expected = [image[i : i + 6, j : j + 5] for image, (i, j) in zip(padded, offsets, strict=True)]
    expected = [image[:, ::-1] if flip else image for image, flip in zip(expected, flips, strict=True)]
    np.testing.assert_array_equal(crop_and_flip(tf.constant(images), offsets, flips), expected)


@pytest.mark.parametrize("side", [1, 2, 3, 4, 20])
def test_cut_out_against_plain_numpy(images, side):
    places = np.random.default_rng(1).random((9, 2), np.float32)
    places[0], places[1] = 0.0, np.nextafter(np.float32(1), np.float32(0))  # the corners
    expected = images.copy()
    for image, place in zip(expected, places, strict=True):
        row, column = (int(place[0] * 6), int(place[1] * 5))
        image[
            max(row - side // 2, 0) : row - side // 2 + side, max(column - side // 2, 0) : column - side // 2 + side
        ] = 0
    np.testing.assert_array_equal(cut_out(tf.constant(images), tf.constant(places), side), expected)
    assert (expected[0] == 0).all(axis=-1).sum() == min(6, -(-side // 2)) * min(5, -(-side // 2))


def test_mix_up_against_plain_numpy(images):
    partners = np.random.default_rng(1).permutation(9)
    expected = [0.3 * images[i] + 0.7 * images[partners[i]] for i in range(9)]
    np.testing.assert_allclose(mix_up(tf.constant(images), partners, 0.3), expected, rtol=1e-6, atol=1e-7)


def test_cutout_and_mixup_change_no_other_draw_and_do_not_depend_on_the_epochs_before():
    plain = list(batches(seed=3, images=20, batch_size=5, steps=12))
    drawn = list(batches(seed=3, images=20, batch_size=5, steps=12, cutout=True, mixup=0.5))
    for before, after in zip(plain, drawn, strict=True):
        for name in ("epoch", "ends_epoch", "indices", "offsets", "flips"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
        assert (before.places, before.partners, before.share) == (None, None, 1.0)
        assert sorted(after.partners) == list(range(5))
        assert after.places.shape == (5, 2)
        assert 0 <= after.places.min() <= after.places.max() < 1
        assert 0 <= after.share <= 1
    assert len({batch.share for batch in drawn}) == 12
    assert len({batch.places.tobytes() for batch in drawn}) == 12


def test_the_share_is_of_a_beta_distribution():
    """Beta(a, a) has the mean 1/2 and the variance 1 / (8 a + 4); 4,000 draws, four standard errors and more."""
    shares = [batch.share for batch in batches(seed=0, images=40, batch_size=2, steps=4000, mixup=0.5)]
    assert np.mean(shares) == pytest.approx(1 / 2, abs=0.025)
    assert np.var(shares) == pytest.approx(1 / 8, abs=0.01)
