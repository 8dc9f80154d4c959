"""Stop training when the validation metric has not improved for some epochs."""

from __future__ import annotations

from typing import Any, Literal

from regexp.core.component import Count, NonNegative, component
from regexp.core.lazy import jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Bool, Scalar, Tree
from regexp.regularizers.base import Memory, Regularizer


@component
class EarlyStopping(Regularizer):
    """Stop a lane after `patience` epochs without an improvement by more than `min_delta`.

    monitor: the metric that must improve, e.g. validation/loss or validation/accuracy; by default training.monitor
    patience: epochs without improvement, >= 1; a patience of at least training.epochs never stops
    min_delta: smallest decrease that counts as an improvement, >= 0, in units of the metric; 0 counts every one
    restore_best: evaluate the parameters (with batch-norm state) of the best epoch, also if the run reaches its last
        epoch; false evaluates the last epoch
    refit: then restart from the same initialisation on training + validation data and train for as long as the best
        epoch took, which needs restore_best; test metrics are those of the refitted model
    unit: whether the refit trains for as many epochs (default) or steps; the schedule keeps its length

    Convention: the metric is measured after every epoch; each improvement over the best so far resets the count, as in
    Keras, which by default evaluates the last epoch's parameters.
    Source: Prechelt, Early stopping - but when?, 1998; Goodfellow et al., Deep Learning, 2016, 7.8.
    """

    needs_validation = True
    monitor: str | None = None
    patience: Count = 10
    min_delta: NonNegative = 0.0
    restore_best: bool = True
    refit: bool = False
    unit: Literal["epochs", "steps"] = "epochs"

    @property
    def selects_best(self) -> bool:
        return self.restore_best

    def conflicts(self, experiment: Any) -> list[Problem]:
        if not self.refit:
            return []
        ensembles = [m.name for m in experiment.regularizers if m.is_ensemble]
        problems = [Problem(f"refit and {name} cannot be combined: choose one of them") for name in ensembles]
        if not self.restore_best:
            problems.append(Problem("refit trains until the best epoch: leave restore_best true"))
        return problems

    def start_memory(self, variables: Tree) -> Memory:
        return {"best": jnp.asarray(jnp.inf, jnp.float32), "waited": jnp.zeros((), jnp.int32)}

    def after_epoch(
        self, memory: Memory, score: Scalar, variables: Tree, epoch: Scalar, epochs: Scalar
    ) -> tuple[Memory, Bool[Array, ""]]:
        improved = score < memory["best"] - self.min_delta
        waited = jnp.where(improved, 0, memory["waited"] + 1)
        best = jnp.where(improved, score, memory["best"])
        return {"best": best, "waited": waited}, waited >= self.patience
