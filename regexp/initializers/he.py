"""He (Kaiming) initialisation."""

from __future__ import annotations

from regexp.core.component import component
from regexp.core.lazy import jax
from regexp.core.shapes import Array, Float, Key
from regexp.initializers.base import Initializer, fans


@component
class He(Initializer):
    """w ~ N(0, 2/n_in): preserves the variance of activations through rectifiers.

    Source: He, Zhang, Ren, Sun 2015.
    """

    def draw(self, key: Key, shape: tuple[int, ...], dtype: str = "float32") -> Float[Array, " *shape"]:
        return (2 / fans(shape)[0]) ** 0.5 * jax.random.normal(key, shape, dtype)
