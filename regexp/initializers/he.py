"""He's (Kaiming's) initialisation."""

from __future__ import annotations

from typing import Any

from regexp.core.component import component
from regexp.core.lazy import jax
from regexp.initializers.base import Array, Initializer, fans


@component
class He(Initializer):
    """w ~ N(0, 2/n_in): keeps the variance of activations through rectifiers.

    Source: He, Zhang, Ren, Sun 2015.
    """

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        return (2 / fans(shape)[0]) ** 0.5 * jax.random.normal(key, shape, dtype)
