"""What the methods that move pixels share: matrices about the image's centre, and one bilinear warp by them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, Literal

from regexp.core.lazy import jax, jnp
from regexp.regularizers.base import Array, Batch, Regularizer

Fill = Literal["reflect", "zero"]


class Geometric(Regularizer):
    """A method that moves pixels by an affine map. Neighbours in the YAML are done by one warp: see `fold.py`.

    Random crops stay out: they copy whole pixels, and what they reflect is the border that the methods before them
    left, which no matrix gives.
    """

    images_only = True

    def matrix(self, key: Any, batch: Batch) -> Array:
        """(B, 3, 3): each example's map of (row, column, 1), counted from the centre, from an output to an input."""
        raise TypeError(f"{type(self).__name__} defines no matrix")


class Warp(Geometric):
    """A geometric method that reads between the pixels and beyond the border, where `fill` says what stands."""

    fill: Fill

    def transform_batch(self, batch: Batch, key: Any) -> Batch:
        return warp(batch, [self.matrix(key, batch)], self.fill)


def affine(row: Sequence[Any], column: Sequence[Any]) -> Array:
    """(B, 3, 3) from the first two rows of the matrix; an entry is a number or an array (B,)."""
    entries = jnp.broadcast_arrays(*(jnp.asarray(entry, float) for entry in (*row, *column, 0, 0, 1)))
    return jnp.stack(entries, -1).reshape(-1, 3, 3)


def symmetric(key: Any, bound: Array, shape: tuple[int, ...]) -> Array:
    """Uniform on (-bound, bound)."""
    return bound * jax.random.uniform(key, shape, float, -1, 1)


def factors(key: Any, spread: Array, shape: tuple[int, ...]) -> Array:
    """(1 + spread)^u, u uniform on (-1, 1): as often below 1 as above."""
    return jnp.exp(symmetric(key, jnp.log1p(spread), shape))


def warp(batch: Batch, matrices: Sequence[Array], fill: Fill) -> Batch:
    """What the maps do one after the other, read once: bilinear, at the product of their matrices.

    fill: reflect (about the middle of the border's pixels: SciPy's `mirror`) or zero (SciPy's `grid-constant`)
    """
    x = batch.inputs
    # The first map is the last that a place in the output goes through. Full precision also where TF32 is the default.
    matrix = reduce(lambda first, then: jnp.matmul(first, then, precision="highest"), matrices)
    rows, columns = _places(matrix.astype(x.dtype), x.shape[1:3])
    if fill == "zero":
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        rows, columns = rows + 1, columns + 1
    else:
        rows, columns = _reflect(rows, x.shape[1]), _reflect(columns, x.shape[2])
    return batch._replace(inputs=bilinear(x, rows, columns))


def bilinear(x: Array, rows: Array, columns: Array) -> Array:
    """(B, H, W, C) read at places (B, H', W'); those beyond the border are moved onto it."""
    (top, bottom, down), (left, right, along) = _neighbours(rows, x.shape[1]), _neighbours(columns, x.shape[2])
    example = jnp.arange(x.shape[0])[:, None, None]

    def pixel(row: Array, column: Array) -> Array:
        return x.at[example, row, column].get(mode="promise_in_bounds")

    upper = (1 - along) * pixel(top, left) + along * pixel(top, right)
    lower = (1 - along) * pixel(bottom, left) + along * pixel(bottom, right)
    return (1 - down) * upper + down * lower


def _places(matrix: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Rows and columns (B, H, W) of the input where each pixel of the output is read."""
    middle = [(side - 1) / 2 for side in shape]
    row, column = jnp.arange(shape[0])[:, None] - middle[0], jnp.arange(shape[1]) - middle[1]
    row, column = row.astype(matrix.dtype), column.astype(matrix.dtype)
    m = matrix[:, :, :, None, None]
    return tuple(m[:, i, 0] * row + m[:, i, 1] * column + m[:, i, 2] + middle[i] for i in range(2))


def _reflect(place: Array, side: int) -> Array:
    """The distance to the nearest multiple of the period of a mirrored image."""
    period = max(2 * side - 2, 1)
    return jnp.abs(place - period * jnp.round(place / period))


def _neighbours(place: Array, side: int) -> tuple[Array, Array, Array]:
    """The pixels before and after a place, and how far it is from the first to the second, (..., 1)."""
    place = jnp.clip(place, 0, side - 1)
    before = jnp.floor(place)
    first = before.astype(jnp.int32)
    return first, jnp.minimum(first + 1, side - 1), (place - before)[..., None]
