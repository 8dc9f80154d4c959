"""L2: the ridge penalty, which is weight decay in the loss."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float
from regexp.regularizers.base import Params, Regularizer, strengths


@component
class L2(Regularizer):
    """J + a/2 * sum w^2 over all kernels; its gradient is a w.

    strength: a >= 0; 0 is off
    layers: strengths by layer name pattern, e.g. {"hidden_*": 1e-4, output: 0}; the longest match applies,
        other layers use a

    Convention: the penalty includes the factor 1/2, so a equals PyTorch's weight_decay under SGD; Keras' L2(l) has
    l = a/2.
    Under plain SGD one step is (1 - eps a) w - eps grad J exactly.
    Source: Hoerl, Kennard 1970; Goodfellow et al., Deep Learning, 2016, 7.1.1.
    """

    neutral = {"strength": 0.0}
    strength: NonNegative = 1e-4
    layers: dict[str, NonNegative] | None = None

    def penalty(self, params: Params) -> Float[Array, ""]:
        return sum(
            (0.5 * a * jnp.sum(jnp.square(w)) for a, w in strengths(self.strength, self.layers, params)),
            jnp.zeros(()),
        )
