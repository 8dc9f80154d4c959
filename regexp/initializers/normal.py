"""Gaussian initialisation with a fixed standard deviation."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jax
from regexp.core.shapes import Array, Float, Key
from regexp.initializers.base import Initializer


@component
class Normal(Initializer):
    """w ~ N(0, std^2), independent of the layer's size.

    std: >= 0; 0 equals `zeros`

    Source: Krizhevsky et al. 2012 (0.01).
    """

    std: NonNegative = 0.01

    def draw(self, key: Key, shape: tuple[int, ...], dtype: str = "float32") -> Float[Array, " *shape"]:
        return self.std * jax.random.normal(key, shape, dtype)
