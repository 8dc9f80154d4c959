"""Weight decay, decoupled from the gradient."""

from __future__ import annotations

from typing import Any

from regexp.core.component import NonNegative, component
from regexp.core.lazy import optax
from regexp.regularizers.base import Regularizer, matching


@component
class WeightDecay(Regularizer):
    """w <- w - eps_k l w beside the optimizer's own update, for all kernels.

    strength: l >= 0; 0 is off
    layers: strengths by layer name pattern; the longest match counts, others get l

    Convention: equals `l2` under plain SGD, not under Adam, whose steps do not see it; the weight it shrinks is that
    before the update, as in optax.adamw and PyTorch's AdamW.
    Source: Loshchilov, Hutter, Decoupled weight decay regularization, 2019.
    """

    neutral = {"strength": 0.0}
    strength: NonNegative = 1e-2
    layers: dict[str, NonNegative] | None = None

    def transform_update(self, learning_rate: Any) -> optax.GradientTransformation:
        def update(updates: Any, state: Any, params: Any) -> tuple[Any, Any]:
            model = {layer: self._decayed(layer, arrays, params["model"][layer], learning_rate)
                     for layer, arrays in updates["model"].items()}  # fmt: skip
            return {**updates, "model": model}, state

        return optax.GradientTransformation(lambda params: optax.EmptyState(), update)

    def _decayed(self, layer: str, updates: Any, params: Any, learning_rate: Any) -> Any:
        rate = learning_rate * matching(self.layers, layer, self.strength)
        return {name: u - rate * params[name] if name == "kernel" else u for name, u in updates.items()}
