"""Rotation, shift, stretch, zoom and flips: SciPy and Pillow at the same matrices, and one warp for neighbours."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from regexp.core.prng import stream
from regexp.regularizers.base import Batch
from regexp.regularizers.fold import runs, transform_batches
from regexp.regularizers.inputs.blur import Blur
from regexp.regularizers.inputs.color_jitter import ColorJitter
from regexp.regularizers.inputs.cutmix import CutMix
from regexp.regularizers.inputs.gaussian_noise import GaussianNoise
from regexp.regularizers.inputs.geometry import warp
from regexp.regularizers.inputs.horizontal_flip import HorizontalFlip
from regexp.regularizers.inputs.mixup import Mixup
from regexp.regularizers.inputs.random_crop import RandomCrop
from regexp.regularizers.inputs.rotate import Rotate
from regexp.regularizers.inputs.stretch import Stretch
from regexp.regularizers.inputs.translate import Translate
from regexp.regularizers.inputs.vertical_flip import VerticalFlip
from regexp.regularizers.inputs.zoom import Zoom
from tests.regularizers.inputs.pictures import KEY, pictures

WARPS = [Rotate(degrees=50.0), Translate(pixels=3.3), Stretch(range=0.6), Zoom(range=0.6)]
FLIPS = [HorizontalFlip(), VerticalFlip()]
by_name = pytest.mark.parametrize("method", WARPS, ids=lambda m: m.name)


def keys(*methods):
    return {f"{m.name}/transform_batch": stream(KEY, m.name) for m in methods}


def by_scipy(x, matrices, mode):
    """SciPy's affine_transform of each example and channel, its matrix moved from the corner to the centre."""
    middle = (np.asarray(x.shape[1:3]) - 1) / 2
    out = np.empty_like(x)
    for picture, matrix, into in zip(x, np.asarray(matrices, np.float64), out, strict=True):
        linear, shift = matrix[:2, :2], matrix[:2, 2]
        offset = middle + shift - linear @ middle
        for c in range(x.shape[-1]):
            into[..., c] = ndimage.affine_transform(picture[..., c], linear, offset, order=1, mode=mode)
    return out


@by_name
@pytest.mark.parametrize(("fill", "mode"), [("reflect", "mirror"), ("zero", "grid-constant")])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.usefixtures("float64")
def test_warp_is_scipys(method, fill, mode, channels):
    given = pictures(channels=channels)
    given = given._replace(inputs=given.inputs.astype(float))
    method = type(method)(**{**vars(method), "fill": fill})
    ours = method.transform_batch(given, KEY).inputs
    theirs = by_scipy(np.asarray(given.inputs), method.matrix(KEY, given), mode)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_rotation_and_shift_are_scipys_functions_of_those_names():
    given = pictures(height=9, width=9)
    given = given._replace(inputs=given.inputs.astype(float))
    turns, shifts = (np.asarray(method.matrix(KEY, given)) for method in WARPS[:2])
    turned, shifted = (np.asarray(method.transform_batch(given, KEY).inputs) for method in WARPS[:2])
    for k, x in enumerate(np.asarray(given.inputs)):
        degrees = np.rad2deg(np.arctan2(turns[k, 0, 1], turns[k, 0, 0]))
        theirs = ndimage.rotate(x, degrees, reshape=False, order=1, mode="mirror")
        np.testing.assert_allclose(turned[k], theirs, atol=1e-12)
        theirs = ndimage.shift(x, (*-shifts[k, :2, 2], 0), order=1, mode="mirror")
        np.testing.assert_allclose(shifted[k], theirs, atol=1e-12)


@by_name
def test_warp_is_pillows_where_its_four_pixels_lie_inside(method):
    image_module = pytest.importorskip("PIL.Image")
    given = pictures(channels=1)
    height, width = given.inputs.shape[1:3]
    ours = np.asarray(method.transform_batch(given, KEY).inputs)[..., 0]
    compared = 0
    for x, out, matrix in zip(given.inputs, ours, np.asarray(method.matrix(KEY, given)), strict=True):
        (a, b, c), (d, e, f) = matrix[:2]
        cy, cx = height / 2, width / 2  # Pillow counts (x, y) from the corner of the first pixel
        data = (e, d, cx + f - e * cx - d * cy, b, a, cy + c - b * cx - a * cy)
        picture = image_module.fromarray(np.asarray(x[..., 0]))
        affine, bilinear = image_module.Transform.AFFINE, image_module.Resampling.BILINEAR
        theirs = np.asarray(picture.transform((width, height), affine, data, bilinear))
        j, i = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        column, row = data[0] * j + data[1] * i + data[2], data[3] * j + data[4] * i + data[5]
        inside = (column > 0.51) & (column < width - 0.51) & (row > 0.51) & (row < height - 0.51)
        np.testing.assert_allclose(out[inside], theirs[inside], atol=2e-6)
        compared += inside.sum()
    assert compared > 100


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_quarter_turn_is_numpys(sign):
    given = pictures(1, 7, 7)
    quarter = jnp.asarray([[[0, -sign, 0], [sign, 0, 0], [0, 0, 1]]])
    ours = warp(given, [quarter], "zero").inputs[0]
    np.testing.assert_array_equal(ours, np.rot90(given.inputs[0], -int(sign)))


@pytest.mark.parametrize(
    ("flip", "name"), [(HorizontalFlip, "FLIP_LEFT_RIGHT"), (VerticalFlip, "FLIP_TOP_BOTTOM")], ids=["left", "top"]
)
def test_flips_are_pillows(flip, name):
    image_module = pytest.importorskip("PIL.Image")
    given = pictures()
    out = flip(probability=1.0).transform_batch(given, KEY).inputs
    for ours, x in zip(out, given.inputs, strict=True):
        picture = image_module.fromarray(np.asarray(x * 255).astype(np.uint8))
        mirrored = np.asarray(picture.transpose(getattr(image_module.Transpose, name)))
        np.testing.assert_array_equal(np.asarray(ours * 255).astype(np.uint8), mirrored)


@pytest.mark.parametrize("flip", FLIPS, ids=lambda m: m.name)
def test_a_flips_matrix_moves_pixels_as_the_flip_does(flip):
    given = pictures(50)
    plain = flip.transform_batch(given, KEY).inputs
    np.testing.assert_array_equal(warp(given, [flip.matrix(KEY, given)], "zero").inputs, plain)
    flipped = np.any(np.asarray(plain != given.inputs), (1, 2, 3))
    assert 10 < flipped.sum() < 40


@by_name
@pytest.mark.parametrize("fill", ["reflect", "zero"])
def test_neutral_changes_no_bit(method, fill):
    given = pictures()
    neutral = type(method)(**type(method).neutral, fill=fill)
    np.testing.assert_array_equal(neutral.transform_batch(given, KEY).inputs, given.inputs)


@by_name
def test_each_example_has_its_own_draw_and_labels_stay(method):
    given = pictures(same=True)
    out = method.transform_batch(given, KEY)
    assert len(np.unique(np.asarray(out.inputs).reshape(len(out.inputs), -1), axis=0)) == len(out.inputs)
    assert out.targets is given.targets
    assert out.inputs.min() >= 0
    assert out.inputs.max() <= 1


def test_magnitudes_stay_in_their_range_and_fill_it():
    given = pictures(4000, 2, 2, 1)
    turned = np.rad2deg(np.arctan2(*np.asarray(Rotate(degrees=30.0).matrix(KEY, given)[:, 1, :2].T)))
    shifted = np.asarray(Translate(pixels=2.5).matrix(KEY, given))[:, :2, 2]
    for drawn, bound in ((turned, 30), (shifted, 2.5)):
        assert np.abs(drawn).max() <= bound * (1 + 1e-6)
        assert drawn.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
        assert abs(drawn.mean()) < 4.5 * bound / np.sqrt(3 * drawn.size)
    assert abs(np.corrcoef(shifted.T)[0, 1]) < 4.5 / np.sqrt(4000)
    for method in (Stretch(range=0.5), Zoom(range=0.5)):
        matrix = np.asarray(method.matrix(KEY, given))
        np.testing.assert_array_equal(matrix, matrix * np.eye(3))
        scale = -np.log(np.diagonal(matrix, axis1=1, axis2=2)[:, :2])
        assert np.abs(scale).max() <= np.log(1.5) * (1 + 1e-6)
        assert scale.std() == pytest.approx(np.log(1.5) / np.sqrt(3), rel=0.05)
        correlation = np.corrcoef(scale.T)[0, 1]
        assert correlation > 0.999 if method.name == "zoom" else abs(correlation) < 4.5 / np.sqrt(4000)


def test_zooming_in_by_two_shows_the_middle():
    """A field of the middle half as wide, enlarged."""
    given = pictures(1, 9, 9)
    twice = jnp.diag(jnp.asarray([0.5, 0.5, 1]))[None]
    ours = warp(given, [twice], "zero").inputs
    np.testing.assert_array_equal(ours[:, ::2, ::2], given.inputs[:, 2:7, 2:7])


@pytest.mark.usefixtures("float64")
def test_neighbours_are_one_warp_by_the_product_of_their_matrices():
    methods = (HorizontalFlip(), Rotate(degrees=40.0), Translate(pixels=2.0), Stretch(range=0.4), VerticalFlip())
    given = pictures(8)
    given = given._replace(inputs=given.inputs.astype(float))
    together = transform_batches(methods, given, keys(*methods)).inputs
    product = np.eye(3)
    for method in methods:
        product = product @ np.asarray(method.matrix(keys(method)[f"{method.name}/transform_batch"], given))
    np.testing.assert_allclose(together, by_scipy(np.asarray(given.inputs), product, "mirror"), atol=1e-12)


def test_the_joint_warp_does_what_its_methods_do_in_their_order():
    """A smooth picture, far from the border: reading once or twice between the pixels differs little."""
    row, column = np.mgrid[:41, :41] / 40
    smooth = np.sin(3 * row) * np.cos(2 * column) / 4 + 0.5
    given = Batch(jnp.asarray(smooth[None, :, :, None], jnp.float32), jnp.zeros((1, 2)), jnp.zeros(()), jnp.ones(()))
    methods = (Rotate(degrees=90.0), Translate(pixels=8.0))
    separately = given
    for method in methods:
        separately = method.transform_batch(separately, keys(method)[f"{method.name}/transform_batch"])
    together = transform_batches(methods, given, keys(*methods)).inputs
    reversed_order = transform_batches(methods[::-1], given, keys(*methods)).inputs
    middle = np.s_[0, 15:26, 15:26, 0]
    np.testing.assert_allclose(together[middle], separately.inputs[middle], atol=2e-3)
    assert np.abs(np.asarray(together - reversed_order))[middle].max() > 2e-2


@pytest.mark.parametrize(
    "after", [Mixup(alpha=1.0), ColorJitter(), RandomCrop(), Blur(), CutMix()], ids=lambda m: m.name
)
def test_what_follows_a_warp_reads_its_pixels(after):
    """In one program as in two, but for the last bit: the warp is not computed again at each place that reads it."""
    given, rotate = pictures(8), Rotate()
    both = jax.jit(lambda x: transform_batches((rotate, after), given._replace(inputs=x), keys(rotate, after))[:2])

    def one(method):
        key = keys(method)[f"{method.name}/transform_batch"]
        return jax.jit(lambda x: method.transform_batch(given._replace(inputs=x), key)[:2])

    inputs, targets = one(after)(one(rotate)(given.inputs)[0])
    for ours, theirs in zip(both(given.inputs), (inputs, targets), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)


def test_neighbours_move_no_draws():
    """Rotation alone, and between neighbours whose numbers are neutral: the same pixels."""
    rotate = Rotate(degrees=40.0)
    others = (HorizontalFlip(probability=0.0), rotate, Translate(pixels=0.0), Zoom(range=0.0))
    given = pictures()
    alone = transform_batches((rotate,), given, keys(rotate)).inputs
    np.testing.assert_allclose(transform_batches(others, given, keys(*others)).inputs, alone, atol=1e-6)


def test_runs_are_neighbours_of_one_fill():
    rotate, shift, zeros = Rotate(), Translate(), Zoom(fill="zero")
    flip, crop, noise = HorizontalFlip(), RandomCrop(), GaussianNoise()
    assert runs([flip, rotate, shift]) == [[flip, rotate, shift]]
    assert runs([rotate, crop, shift]) == [[rotate], [crop], [shift]]
    assert runs([rotate, flip, zeros]) == [[rotate, flip], [zeros]]
    assert runs([crop, noise]) == [[crop], [noise]]


def test_flips_alone_copy_pixels():
    methods = (HorizontalFlip(), VerticalFlip())
    given = pictures()
    traced = jax.make_jaxpr(lambda x: transform_batches(methods, given._replace(inputs=x), keys(*methods)).inputs)
    assert "gather" not in str(traced(given.inputs))
    given = given._replace(inputs=given.inputs.at[0].set(jnp.inf))  # 0 * infinity in an interpolation would be NaN
    assert not np.any(np.isnan(transform_batches(methods, given, keys(*methods)).inputs))


def test_a_picture_of_one_pixel_is_left_alone():
    given = pictures(3, 1, 1)
    for method in WARPS:
        np.testing.assert_allclose(method.transform_batch(given, KEY).inputs, given.inputs, rtol=1e-6)
