"""Stop when the validation metric has not improved for a while."""

from __future__ import annotations

from typing import Any, Literal

from regexp.core.component import Count, NonNegative, component
from regexp.core.lazy import jnp
from regexp.regularizers.base import Array, Regularizer


@component
class EarlyStopping(Regularizer):
    """Stop a lane after `patience` epochs without an improvement by more than `min_delta`.

    monitor: what must improve, e.g. validation/loss or validation/accuracy; by default training.monitor
    patience: epochs without improvement, >= 1; at least the run's epochs: never stops
    min_delta: what counts as an improvement, >= 0, in units of the metric; 0: the least one
    restore_best: evaluate the parameters (with batch-norm state) of the best epoch, also when the epoch limit ends the
        run; false: those of the last
    refit: then start again from the same initialisation on training + validation data and train as long as to the best
        epoch, which needs restore_best; the test is measured on what that gives
    unit: as long in epochs (default), or in steps, i.e. updates; the schedule keeps its own length

    Convention: measured after every epoch; each improvement over the best so far begins a new count, as in Keras, which
    by default evaluates the last epoch's parameters.
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

    def conflicts(self, experiment: Any) -> list[str]:
        if not self.refit:
            return []
        ensembles = [m.name for m in experiment.regularizers if m.is_ensemble]
        found = [f"refit and {name} do not go together: one or the other" for name in ensembles]
        if not self.restore_best:
            found.append("refit trains as long as to the best epoch: leave restore_best true")
        return found

    def start_memory(self, variables: Any) -> dict[str, Array]:
        return {"best": jnp.asarray(jnp.inf, jnp.float32), "waited": jnp.zeros((), jnp.int32)}

    def after_epoch(
        self, memory: dict[str, Array], score: Array, variables: Any, epoch: Array, epochs: Array
    ) -> tuple[dict[str, Array], Array]:
        improved = score < memory["best"] - self.min_delta
        waited = jnp.where(improved, 0, memory["waited"] + 1)
        best = jnp.where(improved, score, memory["best"])
        return {"best": best, "waited": waited}, waited >= self.patience
