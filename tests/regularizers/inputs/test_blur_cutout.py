"""Blur against SciPy's and Pillow's, cutout against its definition in whole pixels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from regexp.regularizers.inputs.blur import Blur
from regexp.regularizers.inputs.cutout import Cutout
from tests.regularizers.inputs.pictures import KEY, pictures


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("radius", [1, 3, 6])
@pytest.mark.parametrize("channels", [1, 3])
def test_blur_is_scipys(radius, channels):
    given = pictures(channels=channels)
    given = given._replace(inputs=given.inputs.astype(float))
    ours = Blur(sigma=2.5, radius=radius).transform_batch(given, KEY).inputs
    sigmas = 2.5 * np.asarray(jax.random.uniform(KEY, (6,), float))
    for out, x, sigma in zip(ours, np.asarray(given.inputs), sigmas, strict=True):
        theirs = ndimage.gaussian_filter(x, (sigma, sigma, 0), mode="mirror", radius=(radius, radius, 0))
        np.testing.assert_allclose(out, theirs, atol=1e-12)


def test_blur_off_changes_no_bit_and_large_is_a_mean():
    given = pictures(height=9, width=9)
    np.testing.assert_array_equal(Blur(sigma=0.0).transform_batch(given, KEY).inputs, given.inputs)
    blurred = Blur(sigma=1e6, radius=4).transform_batch(given, KEY).inputs
    np.testing.assert_allclose(blurred[:, 4, 4], given.inputs.mean((1, 2)), rtol=1e-5)


def test_blur_draws_per_example_and_keeps_labels_and_constant_pictures():
    given = pictures(same=True)
    out = Blur().transform_batch(given, KEY)
    assert len(np.unique(np.asarray(out.inputs).reshape(6, -1), axis=0)) == 6
    assert out.targets is given.targets
    plain = given._replace(inputs=jnp.full_like(given.inputs, 0.7))
    np.testing.assert_allclose(Blur(radius=5).transform_batch(plain, KEY).inputs, 0.7, rtol=1e-6)
    for sides in ((1, 1), (2, 1), (2, 3)):  # smaller than the radius
        assert np.all(np.isfinite(Blur().transform_batch(pictures(3, *sides), KEY).inputs))


@pytest.mark.parametrize("channels", [1, 3])
def test_cutout_hides_one_rectangle_of_its_size(channels):
    """A side of 8 rows and 4 columns, less what hangs over the border."""
    given = pictures(2000, 16, 8, channels)
    given = given._replace(inputs=given.inputs + 0.1, low=jnp.asarray(-2.0))
    out = np.asarray(Cutout(fraction=0.5).transform_batch(given, KEY).inputs)
    whole = 0
    for x, y in zip(np.asarray(given.inputs), out, strict=True):
        hidden = np.any(y != x, -1)
        rows, columns = np.flatnonzero(hidden.any(1)), np.flatnonzero(hidden.any(0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert hidden.sum() == height * width
        assert np.all(y[hidden] == -2)
        assert 4 <= height <= 8
        assert 2 <= width <= 4
        assert height == 8 or rows[0] == 0 or rows[-1] == 15
        assert width == 4 or columns[0] == 0 or columns[-1] == 7
        whole += (height, width) == (8, 4)
    expected = 9 / 16 * 5 / 8  # the centres from which all rows and all columns are hidden
    assert abs(whole / 2000 - expected) < 4.5 * np.sqrt(expected * (1 - expected) / 2000)


def test_cutout_hides_each_pixel_as_often_as_its_place_demands():
    """The centre must lie within half a side of the pixel's middle: the length of that interval inside the image."""
    given = pictures(4000, 6, 10, 1)
    given = given._replace(inputs=given.inputs + 0.1)
    hidden = np.asarray(Cutout(fraction=0.4).transform_batch(given, KEY).inputs == 0).mean((0, 3))
    rows, columns = (
        (np.minimum(middle + 0.2, 1) - np.maximum(middle - 0.2, 0))
        for middle in ((np.arange(6) + 0.5) / 6, (np.arange(10) + 0.5) / 10)
    )
    expected = np.outer(rows, columns)
    assert np.all(np.abs(hidden - expected) < 4.5 * np.sqrt(expected * (1 - expected) / 4000))


def test_cutout_off_changes_no_bit_and_full_hides_a_quarter_or_more():
    given = pictures(200, 8, 8, 1)
    given = given._replace(inputs=given.inputs + 0.1)
    np.testing.assert_array_equal(Cutout(fraction=0.0).transform_batch(given, KEY).inputs, given.inputs)
    hidden = np.asarray(Cutout(fraction=1.0).transform_batch(given, KEY).inputs == 0).mean((1, 2, 3))
    assert hidden.min() >= 0.25
    assert hidden.mean() == pytest.approx(0.75**2, abs=0.06)


def test_cutout_draws_per_example_and_keeps_labels():
    given = pictures(same=True, height=16, width=16)
    out = Cutout(fraction=0.3).transform_batch(given, KEY)
    assert len(np.unique(np.asarray(out.inputs).reshape(6, -1), axis=0)) == 6
    assert out.targets is given.targets
