"""The base of methods that move pixels: matrices about the image's centre, and one bilinear warp by their product."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Literal

from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Array, Float, Int, Key, Scalar
from regexp.regularizers.base import Batch, Regularizer

Fill = Literal["reflect", "zero"]
Entry = float | Array


class Geometric(Regularizer):
    """The base of methods that move pixels by an affine map; adjacent ones are applied as one warp, see `fold.py`.

    Random crops are not geometric in this sense: they copy pixels without interpolation and reflect the border that the
    preceding methods produced, which no matrix expresses.
    """

    images_only = True

    def matrix(self, key: Key, batch: Batch) -> Float[Array, "batch 3 3"]:
        """Return each example's map from an output to an input position (row, column, 1), relative to the centre."""
        raise TypeError(f"{type(self).__name__} defines no matrix")


class Warp(Geometric):
    """The base of geometric methods that interpolate between pixels; `fill` defines the values beyond the border."""

    fill: Fill

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        return warp(batch, [self.matrix(key, batch)], self.fill)


def affine(row: Sequence[Entry], column: Sequence[Entry]) -> Float[Array, "batch 3 3"]:
    """Return matrices from their first two rows, whose entries are numbers or arrays (B,)."""
    entries = jnp.broadcast_arrays(*(jnp.asarray(entry, float) for entry in (*row, *column, 0, 0, 1)))
    return jnp.stack(entries, -1).reshape(-1, 3, 3)


def symmetric(key: Key, bound: Scalar, shape: tuple[int, ...]) -> Float[Array, " ..."]:
    """Draw uniformly from (-bound, bound)."""
    return bound * jax.random.uniform(key, shape, float, -1, 1)


def factors(key: Key, spread: Scalar, shape: tuple[int, ...]) -> Float[Array, " ..."]:
    """Draw (1 + spread)^u, u uniform on (-1, 1): values below and above 1 are equally likely."""
    return jnp.exp(symmetric(key, jnp.log1p(spread), shape))


def warp(batch: Batch, matrices: Sequence[Float[Array, "batch 3 3"]], fill: Fill) -> Batch:
    """Apply the maps in order with one bilinear interpolation, at the product of their matrices.

    fill: reflect (about the middle of the border's pixels: SciPy's `mirror`) or zero (SciPy's `grid-constant`)
    """
    x = batch.inputs
    # Matrices map outputs to inputs, so the first method's matrix is applied last. TF32, the default on some
    # GPUs, rounds to 11 bits, which moves a position by 0.1 pixels in an image of 224.
    matrix = reduce(lambda first, then: jnp.matmul(first, then, precision="highest"), matrices)
    rows, columns = _positions(matrix.astype(x.dtype), x.shape[1:3])
    if fill == "zero":
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        rows, columns = rows + 1, columns + 1
    else:
        rows, columns = _reflect(rows, x.shape[1]), _reflect(columns, x.shape[2])
    return batch._replace(inputs=bilinear(x, rows, columns))


def bilinear(
    x: Float[Array, "batch height width channels"],
    rows: Float[Array, "batch rows columns"],
    columns: Float[Array, "batch rows columns"],
) -> Float[Array, "batch rows columns channels"]:
    """Interpolate images at the positions (rows, columns); positions beyond the border are clipped to it."""
    top, bottom, down = _neighbours(rows, x.shape[1])
    west, east, along = _neighbours(columns, x.shape[2])
    example = jnp.arange(x.shape[0])[:, None, None]

    def pixel(row: Array, column: Array) -> Array:
        return x.at[example, row, column].get(mode="promise_in_bounds")

    upper = (1 - along) * pixel(top, west) + along * pixel(top, east)
    lower = (1 - along) * pixel(bottom, west) + along * pixel(bottom, east)
    return (1 - down) * upper + down * lower


def _positions(matrix: Float[Array, "batch 3 3"], shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the rows and columns (B, H, W) of the input that each pixel of the output is read from."""
    middle = [(side - 1) / 2 for side in shape]
    row, column = jnp.arange(shape[0])[:, None] - middle[0], jnp.arange(shape[1]) - middle[1]
    row, column = row.astype(matrix.dtype), column.astype(matrix.dtype)
    m = matrix[:, :, :, None, None]
    rows, columns = (m[:, i, 0] * row + m[:, i, 1] * column + m[:, i, 2] + middle[i] for i in range(2))
    return rows, columns


def _reflect(position: Float[Array, "*shape"], side: int) -> Float[Array, "*shape"]:
    """Return the position inside the image of a position in its periodic mirrored extension."""
    period = max(2 * side - 2, 1)
    return jnp.abs(position - period * jnp.round(position / period))


def _neighbours(
    position: Float[Array, "*shape"], side: int
) -> tuple[Int[Array, "*shape"], Int[Array, "*shape"], Float[Array, "*shape 1"]]:
    """Return the pixels before and after a position, and its distance from the first, in [0, 1]."""
    position = jnp.clip(position, 0, side - 1)
    before = jnp.floor(position)
    first = before.astype(jnp.int32)
    return first, jnp.minimum(first + 1, side - 1), (position - before)[..., None]
