"""Xavier's (Glorot's) initialisation."""

from __future__ import annotations

from typing import Any, Literal

from regexp.component import component
from regexp.initializers.base import Array, Initializer, fans
from regexp.lazy import jax


@component
class Xavier(Initializer):
    """w ~ N(0, v); v = 1/n_in (form lecture, LeCun's) or 2/(n_in + n_out) (form glorot).

    form: lecture (default) or glorot

    Source: LeCun et al. 1998; Glorot, Bengio 2010.
    """

    form: Literal["lecture", "glorot"] = "lecture"

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        n_in, n_out = fans(shape)
        variance = 1 / n_in if self.form == "lecture" else 2 / (n_in + n_out)
        return variance**0.5 * jax.random.normal(key, shape, dtype)
