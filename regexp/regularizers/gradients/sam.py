"""Take the gradient at the worst point near the weights (sharpness-aware minimisation)."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jax, jnp, optax
from regexp.core.shapes import Array, Tree
from regexp.regularizers.base import ObjectiveGradient, Regularizer


@component
class SAM(Regularizer):
    """g' = grad J(w + r g/||g||_2), g = grad J(w): the optimizer gets the gradient at the worst point near w.

    The worst point is taken to first order, among all points within distance r.

    radius: r >= 0, a length in the space of all trained parameters; 0 is off

    Convention: both passes use the same batch and masks; the loss and batch norm's running statistics are those of the
    first pass. J includes the penalties (`l1`, `l2`, ...), but not `weight_decay`. A step costs about twice as much.
    Clipping after SAM in the YAML acts on g', clipping before it on g and g'.
    Source: Foret, Kleiner, Mobahi, Neyshabur 2021 (r = 0.05).
    """

    neutral = {"radius": 0.0}
    radius: NonNegative = 0.05

    def transform_gradient(self, gradient: ObjectiveGradient) -> ObjectiveGradient:
        def sharp(parameters: Tree) -> tuple[tuple[Array, Tree], Tree]:
            loss_and_state, grads = gradient(parameters)
            step = self.radius / jnp.maximum(optax.tree.norm(grads), 1e-12)  # finite at g = 0
            worst = jax.tree.map(lambda w, g: w + step * g, parameters, grads)
            return loss_and_state, gradient(worst)[1]

        return sharp
