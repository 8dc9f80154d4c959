"""Evaluate an average of the weights along the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from regexp.core.component import Fraction, NonNegative, component
from regexp.core.lazy import jax, jnp
from regexp.regularizers.base import Array, Regularizer


@component
class WeightAveraging(Regularizer):
    """ema: a <- d a + (1 - d) w after every update; swa: a = mean of w at the ends of the epochs; a is evaluated.

    kind: ema (default) or swa
    decay: d in [0, 1], of ema; 0 is off (a = w), 1 keeps the first weights
    start: epochs before averaging begins, >= 0, 0 is at once; before that w is evaluated

    Convention: the first w is taken whole, without a correction of bias, as in PyTorch's AveragedModel. Training itself
    is untouched. Batch norm's statistics are recomputed for the average after training; while training
    runs they are averaged like the weights.
    Source: Polyak, Juditsky 1992 (ema); Izmailov et al., Averaging weights leads to wider optima, 2018 (swa).
    """

    neutral = {"decay": 0.0}
    kind: Literal["ema", "swa"] = "ema"
    decay: Fraction = 0.99
    start: NonNegative = 0.0

    def conflicts(self, experiment: Any) -> list[str]:
        epochs = experiment.training.epochs
        late = f"averaging begins after {self.start:g} epochs, and training.epochs {epochs} ends the run before"
        return [late] if self.start >= epochs else []

    def start_memory(self, variables: Any) -> dict[str, Any]:
        return {"average": variables, "count": jnp.zeros((), jnp.int32)}

    def after_step(self, memory: dict[str, Any], variables: Any, epoch: Array) -> dict[str, Any]:
        """a <- old a + (1 - old) w once averaging has begun; the first w is taken whole."""
        count = memory["count"]
        old, now = (self.decay, True) if self.kind == "ema" else (count / (count + 1), epoch == jnp.round(epoch))
        included = (epoch > self.start) & now
        weight = jnp.where(included, jnp.where(count > 0, 1 - jnp.asarray(old, jnp.float32), 1.0), 0.0)
        average = jax.tree.map(lambda a, w: a + weight * (w - a), memory["average"], variables)
        return {"average": average, "count": count + included.astype(jnp.int32)}

    def averaged(self, memory: Mapping[str, Any], variables: Any) -> Any:
        begun = memory["count"] > 0
        return jax.tree.map(lambda a, w: jnp.where(begun, a, w), memory["average"], variables)
