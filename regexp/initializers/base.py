"""The interface of an initializer: the initial values of a kernel from its shape and a key."""

from __future__ import annotations

from regexp.core.component import Catalogue, Component
from regexp.core.shapes import Array, Float, Key


class Initializer(Component):
    """The base of all initializers, which draw kernels; biases start at zero."""

    def draw(self, key: Key, shape: tuple[int, ...], dtype: str = "float32") -> Float[Array, " *shape"]:
        """Draw a kernel of `shape`: (n_in, n_out) dense, (height, width, n_in, n_out) convolution."""
        raise TypeError(f"{type(self).__name__} defines no draw")


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (n_in, n_out) of a kernel; for a convolution, multiplied by its window's area."""
    area = 1
    for side in shape[:-2]:
        area *= side
    return area * shape[-2], area * shape[-1]


CATALOGUE: Catalogue[Initializer] = Catalogue("initializer", "regexp.initializers", "zeros", "normal", "xavier", "he")
