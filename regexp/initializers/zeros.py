"""Initialise all kernels with zero."""

from __future__ import annotations

from regexp.core.component import component
from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float, Key
from regexp.initializers.base import Initializer


@component
class Zeros(Initializer):
    """w = 0: the units of a layer stay identical. For study, and sufficient for a linear model.

    Source: Goodfellow et al., Deep Learning, 2016, 8.4 (breaking symmetry).
    """

    def draw(self, key: Key, shape: tuple[int, ...], dtype: str = "float32") -> Float[Array, " *shape"]:
        return jnp.zeros(shape, dtype)
