"""Evaluate an average of the weights over the course of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from regexp.core.component import Fraction, NonNegative, component
from regexp.core.lazy import jax, jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Scalar, Tree
from regexp.regularizers.base import Memory, Regularizer


@component
class WeightAveraging(Regularizer):
    """ema: a <- d a + (1 - d) w after every update; swa: a = mean of w at the ends of the epochs; a is evaluated.

    kind: ema (default) or swa
    decay: d in [0, 1], ema only; 0 is off (a = w), 1 keeps the first weights
    start: epochs before averaging begins, >= 0, 0 averages from the first step; before that w is evaluated

    Convention: the average is initialised with the first w, without bias correction, as in PyTorch's AveragedModel.
    Training is unaffected. Batch norm's statistics are recomputed for the average after training; during training they
    are averaged like the weights.
    Source: Polyak, Juditsky 1992 (ema); Izmailov et al., Averaging weights leads to wider optima, 2018 (swa).
    """

    neutral = {"decay": 0.0}
    kind: Literal["ema", "swa"] = "ema"
    decay: Fraction = 0.99
    start: NonNegative = 0.0

    def conflicts(self, experiment: Any) -> list[Problem]:
        epochs = experiment.training.epochs
        late = f"averaging begins after {self.start:g} epochs, and training.epochs {epochs} ends the run before"
        return [Problem(late)] if self.start >= epochs else []

    def start_memory(self, variables: Tree) -> Memory:
        return {"average": variables, "count": jnp.zeros((), jnp.int32)}

    def after_step(self, memory: Memory, variables: Tree, epoch: Scalar) -> Memory:
        """Update a <- d a + (1 - d) w once averaging has begun; the first w initialises a."""
        count = memory["count"]
        decay, due = (self.decay, True) if self.kind == "ema" else (count / (count + 1), epoch == jnp.round(epoch))
        included = jnp.asarray((epoch > self.start) & due)
        weight = jnp.where(included, jnp.where(count > 0, 1 - jnp.asarray(decay, jnp.float32), 1.0), 0.0)
        average = jax.tree.map(lambda a, w: a + weight * (w - a), memory["average"], variables)
        return {"average": average, "count": count + included.astype(jnp.int32)}

    def averaged(self, memory: Mapping[str, Tree], variables: Tree) -> Tree:
        begun = memory["count"] > 0
        return jax.tree.map(lambda a, w: jnp.where(begun, a, w), memory["average"], variables)
