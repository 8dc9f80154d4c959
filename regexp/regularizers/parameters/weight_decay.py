"""Weight decay, decoupled from the gradient."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.lazy import optax
from regexp.core.shapes import Scalar, Tree
from regexp.regularizers.base import Arrays, Regularizer, matching


@component
class WeightDecay(Regularizer):
    """w <- w - eps_k l w in addition to the optimizer's update, for all kernels.

    strength: l >= 0; 0 is off
    layers: strengths by layer name pattern; the longest match applies, other layers use l

    Convention: equals `l2` under plain SGD but not under Adam, which scales the gradient of `l2`. It shrinks the weight
    before the update, as in optax.adamw and PyTorch's AdamW.
    Source: Loshchilov, Hutter, Decoupled weight decay regularization, 2019.
    """

    neutral = {"strength": 0.0}
    strength: NonNegative = 1e-2
    layers: dict[str, NonNegative] | None = None

    def transform_update(self, learning_rate: Scalar) -> optax.GradientTransformation:
        def update(updates: Tree, state: Tree, params: Tree = None) -> tuple[Tree, Tree]:
            model = {layer: self._decayed(layer, arrays, params["model"][layer], learning_rate)
                     for layer, arrays in updates["model"].items()}  # fmt: skip
            return {**updates, "model": model}, state

        return optax.GradientTransformation(lambda params: optax.EmptyState(), update)

    def _decayed(self, layer: str, updates: Arrays, params: Arrays, learning_rate: Scalar) -> Arrays:
        rate = learning_rate * matching(self.layers, layer, self.strength)
        return {name: u - rate * params[name] if name == "kernel" else u for name, u in updates.items()}
