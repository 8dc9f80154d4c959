"""The contract of an initialiser: a kernel's first values from its shape and a key."""

from __future__ import annotations

from typing import Any

from regexp.core.component import Catalogue, Component

Array = Any


class Initializer(Component):
    """Draws kernels; biases start at zero."""

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        """A kernel of `shape`: (n_in, n_out) dense, (height, width, n_in, n_out) convolution."""
        raise TypeError(f"{type(self).__name__} defines no draw")


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(n_in, n_out) of a kernel; for a convolution times its window's area."""
    area = 1
    for side in shape[:-2]:
        area *= side
    return area * shape[-2], area * shape[-1]


CATALOGUE: Catalogue[Initializer] = Catalogue("initializer", "regexp.initializers", "zeros", "normal", "xavier", "he")
