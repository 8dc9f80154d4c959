"""Colour jitter and balance against Pillow, colorsys and NumPy."""

from __future__ import annotations

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regexp.regularizers.inputs.color_balance import ColorBalance
from regexp.regularizers.inputs.color_jitter import ColorJitter, grey, turn_hue
from tests.regularizers.inputs.pictures import KEY, pictures

OFF = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
LARGEST = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}
PLACE = {field: i for i, field in enumerate(OFF)}


def jitter(**fields):
    return ColorJitter(**{**OFF, **fields})


def draws(n):
    """What colour jitter draws for n examples, (4, n) on (-1, 1)."""
    return np.asarray(jax.random.uniform(KEY, (4, n, 1, 1, 1), jnp.float32, -1, 1))[..., 0, 0, 0]


@pytest.mark.parametrize(
    ("field", "name"), [("brightness", "Brightness"), ("contrast", "Contrast"), ("saturation", "Color")]
)
def test_each_step_is_pillows_enhancer(field, name):
    """Pillow works in bytes: its grey is rounded, and so are its results."""
    image_module = pytest.importorskip("PIL.Image")
    enhancer = getattr(pytest.importorskip("PIL.ImageEnhance"), name)
    given = pictures(12)
    bytes_ = np.round(np.asarray(given.inputs) * 255).astype(np.uint8)
    given = given._replace(inputs=jnp.asarray(bytes_, jnp.float32) / 255)
    ours = np.asarray(jitter(**{field: 0.8}).transform_batch(given, KEY).inputs) * 255
    for picture, out, drawn in zip(bytes_, ours, draws(12)[PLACE[field]], strict=True):
        theirs = enhancer(image_module.fromarray(picture)).enhance(float(1 + 0.8 * drawn))
        np.testing.assert_allclose(out, np.asarray(theirs), atol=1.6)


def test_hue_is_colorsys():
    given = pictures(5)
    inputs = given.inputs.at[0].set(0.5).at[1, :, :, 1].set(1.0)  # a grey picture and one with equal maxima at places
    given = given._replace(inputs=inputs.at[1, :, ::2, 0].set(1.0))
    ours = np.asarray(jitter(hue=0.5).transform_batch(given, KEY).inputs)
    for picture, out, drawn in zip(np.asarray(given.inputs), ours, draws(5)[PLACE["hue"]], strict=True):
        for x, y in zip(picture.reshape(-1, 3), out.reshape(-1, 3), strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*map(float, x))
            theirs = colorsys.hsv_to_rgb((hue + 0.5 * float(drawn)) % 1, saturation, value)
            np.testing.assert_allclose(y, theirs, atol=2e-6)


def test_a_third_of_a_turn_moves_the_channels_round():
    x = pictures().inputs
    np.testing.assert_allclose(turn_hue(x, jnp.asarray(1 / 3)), np.roll(x, 1, -1), atol=1e-6)
    np.testing.assert_allclose(turn_hue(x, jnp.asarray(-1.0)), x, atol=2e-6)


def test_the_steps_follow_one_another_in_the_order_of_the_fields():
    given = pictures()
    one_by_one = given
    for field in OFF:
        one_by_one = jitter(**{field: 0.4}).transform_batch(one_by_one, KEY)
    at_once = jitter(**dict.fromkeys(OFF, 0.4)).transform_batch(given, KEY)
    np.testing.assert_allclose(at_once.inputs, one_by_one.inputs, atol=1e-5)


def test_contrast_keeps_the_mean_and_saturation_the_grey_where_nothing_is_clipped():
    given = pictures()
    given = given._replace(inputs=0.4 + 0.1 * given.inputs)
    for field, kept in (("contrast", lambda x: grey(x).mean((1, 2))), ("saturation", grey)):
        out = jitter(**{field: 0.9}).transform_batch(given, KEY).inputs
        assert np.abs(np.asarray(out - given.inputs)).max() > 1e-2
        np.testing.assert_allclose(kept(out), kept(given.inputs), atol=1e-6)


def test_neutral_changes_no_bit_but_by_the_hue():
    given = pictures()
    one_channel = pictures(channels=1)
    np.testing.assert_allclose(jitter().transform_batch(given, KEY).inputs, given.inputs, atol=1e-6)
    np.testing.assert_array_equal(jitter().transform_batch(one_channel, KEY).inputs, one_channel.inputs)
    np.testing.assert_array_equal(ColorBalance(range=0.0).transform_batch(given, KEY).inputs, given.inputs)


@pytest.mark.parametrize(
    "method", [jitter(brightness=0.2), jitter(contrast=0.2), jitter(saturation=0.2), jitter(hue=0.1), ColorBalance()],
)  # fmt: skip
def test_each_example_has_its_own_draw_and_labels_stay(method):
    given = pictures(same=True)
    out = method.transform_batch(given, KEY)
    assert len(np.unique(np.asarray(out.inputs).reshape(len(out.inputs), -1), axis=0)) == len(out.inputs)
    assert out.targets is given.targets


@pytest.mark.parametrize("method", [ColorJitter(**LARGEST), ColorBalance(range=1.0)], ids=lambda m: m.name)
def test_values_stay_in_the_raw_range(method):
    given = pictures(60)
    out = np.asarray(method.transform_batch(given, KEY).inputs)
    assert out.min() >= 0
    assert out.max() == 1  # some are clipped
    given = given._replace(low=jnp.asarray(-5.0), high=jnp.asarray(5.0))
    assert np.asarray(method.transform_batch(given, KEY).inputs).max() > 1


def test_one_channel_has_brightness_and_contrast():
    given = pictures(channels=1)
    given = given._replace(inputs=0.4 + 0.1 * given.inputs)
    x, drawn = np.asarray(given.inputs), draws(6)[:2, :, None, None, None]
    brighter = (1 + 0.5 * drawn[0]) * x
    factor = 1 + 0.5 * drawn[1]
    theirs = factor * brighter + (1 - factor) * brighter.mean((1, 2, 3), keepdims=True)
    ours = jitter(brightness=0.5, contrast=0.5).transform_batch(given, KEY).inputs
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_balance_is_one_gain_per_channel_and_example():
    given = pictures(2000, 2, 2)
    given = given._replace(inputs=0.1 + 0.4 * given.inputs)
    gains = np.asarray(ColorBalance(range=0.6).transform_batch(given, KEY).inputs / given.inputs)
    np.testing.assert_allclose(gains, np.broadcast_to(gains[:, :1, :1], gains.shape), rtol=1e-5)
    gains = gains[:, 0, 0]
    assert 0.4 <= gains.min() < 0.41
    assert 1.59 < gains.max() <= 1.6 * (1 + 1e-6)
    assert np.abs(np.corrcoef(gains.T) - np.eye(3)).max() < 4.5 / np.sqrt(2000)
