"""Several networks from one training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from regexp.core.component import Count, component, static
from regexp.core.lazy import jax, jnp
from regexp.regularizers.base import Array
from regexp.regularizers.ensembles.base import Ensemble


@component
class SnapshotEnsemble(Ensemble):
    """M cycles of the rate eps_0/2 (cos(pi t) + 1), t the share of the cycle; the M weights at their ends are averaged.

    members: M >= 1, cycles of training.epochs/M epochs; 1 is one cosine
    combine: mean of the members' probabilities (predictions, for regression), or vote: the share of members for a class

    Convention: the rate falls at every step, as in the paper; a model is taken at the end of a cycle's last whole
    epoch. The paper may average the last models alone; here all M are.
    Source: Huang et al., Snapshot ensembles: train 1, get M for free, 2017.
    """

    members: Count = static(default=5)
    combine: Literal["mean", "vote"] = "mean"

    def conflicts(self, experiment: Any) -> list[str]:
        found = self.against(experiment)
        if experiment.optimizer.schedule.name != "constant":
            found.append("snapshot_ensemble brings its own cosine cycles: leave optimizer.schedule constant")
        if experiment.training.epochs < self.members:
            found.append(f"{self.members} cycles need at least as many training.epochs")
        names = [method.name for method in experiment.regularizers]
        if "early_stopping" in names:
            found.append("early_stopping would end the run before the last cycles")
        if "weight_averaging" in names:
            found.append(
                "snapshots are the weights at the ends of the cycles: weight_averaging would never be evaluated"
            )
        return found

    @property
    def selects_best(self) -> bool:
        return False

    def transform_rate(self, rate: Array, progress: Array) -> Array:
        cycles = progress * self.members
        begun = jnp.floor(cycles + 3e-7 * self.members)  # 49 * float32(1/49) is below 1: a cycle's first step, rounded
        return rate * (jnp.cos(jnp.pi * (cycles - begun)) + 1) / 2

    def start_memory(self, variables: Any) -> dict[str, Any]:
        return {"models": jax.tree.map(lambda w: jnp.stack([w] * self.members), variables)}

    def after_epoch(
        self, memory: dict[str, Any], score: Array, variables: Any, epoch: Array, epochs: Array
    ) -> tuple[dict[str, Any], Array]:
        """The cycle's last epoch overwrites those before."""
        cycle = jnp.clip(-(-epoch * self.members // epochs) - 1, 0, self.members - 1)
        models = jax.tree.map(lambda all_, w: all_.at[cycle].set(w), memory["models"], variables)
        return {"models": models}, jnp.asarray(False)

    def models(self, memory: Mapping[str, Any], epoch: int, epochs: int) -> list[Any]:
        """Of the cycles that are over: cycle i, counted from 1, is where i < (epoch + 1) M/epochs."""
        over = min(self.members, -(-(epoch + 1) * self.members // epochs) - 1)
        return [jax.tree.map(lambda w, i=i: w[i], memory["models"]) for i in range(over)]
