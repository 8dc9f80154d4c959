"""Xavier (Glorot) initialisation."""

from __future__ import annotations

from typing import Literal

from regexp.core.component import component
from regexp.core.lazy import jax
from regexp.core.shapes import Array, Float, Key
from regexp.initializers.base import Initializer, fans


@component
class Xavier(Initializer):
    """w of mean 0 and variance v = 1/n_in (form lecture, LeCun's) or 2/(n_in + n_out) (form glorot).

    form: lecture (default) or glorot
    distribution: normal (default), or uniform in [-sqrt(3 v), sqrt(3 v)]

    Source: LeCun et al. 1998; Glorot, Bengio 2010.
    """

    lecture = {"form": "lecture"}
    form: Literal["lecture", "glorot"] = "lecture"
    distribution: Literal["normal", "uniform"] = "normal"

    def draw(self, key: Key, shape: tuple[int, ...], dtype: str = "float32") -> Float[Array, " *shape"]:
        n_in, n_out = fans(shape)
        variance = 1 / n_in if self.form == "lecture" else 2 / (n_in + n_out)
        if self.distribution == "uniform":
            return (3 * variance) ** 0.5 * jax.random.uniform(key, shape, dtype, -1, 1)
        return variance**0.5 * jax.random.normal(key, shape, dtype)
