"""Lion: step by the sign of an averaged gradient."""

from __future__ import annotations

from regexp.core.component import NonNegative, Rate, component
from regexp.core.lazy import optax
from regexp.core.shapes import Scalar
from regexp.optimizers.base import Optimizer


@component
class Lion(Optimizer):
    """w <- w - eps_k sign(b1 m + (1 - b1) g), m <- b2 m + (1 - b2) g.

    learning_rate: eps_0 >= 0; typically a third to a tenth of adam's
    beta1: b1 in [0, 1), weight of m in the sign; 0 uses only the gradient's sign
    beta2: b2 in [0, 1), decay of m; 0 makes m the previous step's gradient
    schedule: eps_k as a function of eps_0 and k

    Source: Chen et al., Symbolic discovery of optimization algorithms, 2023.
    """

    has_step_sizes = False  # the update is a sign and does not grow with the gradient
    learning_rate: NonNegative = 1e-4
    beta1: Rate = 0.9
    beta2: Rate = 0.99

    def transform(self, learning_rate: Scalar) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_lion(self.beta1, self.beta2), optax.scale(-learning_rate))
