"""All kernels zero."""

from __future__ import annotations

from typing import Any

from regexp.core.component import component
from regexp.core.lazy import jnp
from regexp.initializers.base import Array, Initializer


@component
class Zeros(Initializer):
    """w = 0: the units of a layer stay identical for ever. A study tool, and right for a linear model.

    Source: Goodfellow et al., Deep Learning, 2016, 8.4 (breaking symmetry).
    """

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        return jnp.zeros(shape, dtype)
