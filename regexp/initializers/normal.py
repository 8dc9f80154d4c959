"""Gaussian kernels of one width."""

from __future__ import annotations

from typing import Any

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jax
from regexp.initializers.base import Array, Initializer


@component
class Normal(Initializer):
    """w ~ N(0, std^2), whatever the layer's size.

    std: >= 0; 0 is `zeros`

    Source: Krizhevsky et al. 2012 (0.01).
    """

    std: NonNegative = 0.01

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        return self.std * jax.random.normal(key, shape, dtype)
