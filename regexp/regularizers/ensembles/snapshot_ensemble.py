"""Collect several networks from one training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from regexp.core.component import Count, component, static
from regexp.core.lazy import jax, jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Bool, Float, Scalar, Tree
from regexp.regularizers.base import Memory
from regexp.regularizers.ensembles.base import Ensemble


@component
class SnapshotEnsemble(Ensemble):
    """M cycles of the rate eps_0/2 (cos(pi t) + 1), t the fraction of the cycle; the models at their ends are averaged.

    members: M >= 1, cycles of training.epochs/M epochs; 1 is one cosine
    combine: mean of the members' probabilities (predictions, for regression), or vote: the fraction of
        members that predict each class

    Convention: the rate falls at every step, as in the paper; a model is taken at the end of a cycle's last complete
    epoch. The paper may average only the last models; here all M are averaged.
    Source: Huang et al., Snapshot ensembles: train 1, get M for free, 2017.
    """

    members: Count = static(default=5)
    combine: Literal["mean", "vote"] = "mean"

    def conflicts(self, experiment: Any) -> list[Problem]:
        problems = self.against(experiment)
        if experiment.optimizer.schedule.name != "constant":
            message = "snapshot_ensemble brings its own cosine cycles: leave optimizer.schedule constant"
            problems.append(Problem(message))
        if experiment.training.epochs < self.members:
            problems.append(Problem(f"{self.members} cycles need at least as many training.epochs"))
        names = [method.name for method in experiment.regularizers]
        if "early_stopping" in names:
            problems.append(Problem("early_stopping would end the run before the last cycles"))
        if "weight_averaging" in names:
            message = "snapshots are the weights at the ends of the cycles: weight_averaging would never be evaluated"
            problems.append(Problem(message))
        return problems

    @property
    def selects_best(self) -> bool:
        return False

    def transform_rate(self, rate: Float[Array, ""], progress: Scalar) -> Float[Array, ""]:
        cycles = progress * self.members
        # 49 * float32(1/49) is below 1: without the margin a cycle's first step would round into the cycle before.
        begun = jnp.floor(cycles + 3e-7 * self.members)
        return rate * (jnp.cos(jnp.pi * (cycles - begun)) + 1) / 2

    def start_memory(self, variables: Tree) -> Memory:
        return {"models": jax.tree.map(lambda w: jnp.stack([w] * self.members), variables)}

    def after_epoch(
        self, memory: Memory, score: Scalar, variables: Tree, epoch: Scalar, epochs: Scalar
    ) -> tuple[Memory, Bool[Array, ""]]:
        """Store the variables as the model of the current cycle; a later epoch of the cycle overwrites them."""
        cycle = jnp.clip(-(-epoch * self.members // epochs) - 1, 0, self.members - 1)
        models = jax.tree.map(lambda cycles, w: cycles.at[cycle].set(w), memory["models"], variables)
        return {"models": models}, jnp.asarray(False)

    def models(self, memory: Mapping[str, Tree], epoch: int, epochs: int) -> list[Tree]:
        """Return the models of the completed cycles.

        Cycle i, counted from 1, is complete if i < (epoch + 1) M/epochs.
        """
        completed = min(self.members, -(-(epoch + 1) * self.members // epochs) - 1)
        return [jax.tree.map(lambda w, i=i: w[i], memory["models"]) for i in range(completed)]
