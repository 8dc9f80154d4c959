"""The base of ensembles: several models whose predictions are combined."""

from __future__ import annotations

from typing import Any, ClassVar

from regexp.regularizers.base import Regularizer


class Ensemble(Regularizer):
    """The base of methods that train several models for every seed.

    members: number of models
    combine: how their predictions are combined
    """

    is_ensemble: ClassVar[bool] = True

    def conflicts(self, experiment: Any) -> list[str]:
        return self.against(experiment)

    def against(self, experiment: Any) -> list[str]:
        """Ensembles of ensembles are not trained, numbers are not voted on, and only probabilities are averaged."""
        others = [m.name for m in experiment.regularizers if m.is_ensemble and m.name != self.name]
        found = [f"{self.name} and {name} are both ensembles: one of them" for name in others]
        if experiment.dataset.task == "regression" and getattr(self, "combine", "") == "vote":
            found.append("members vote for classes; this dataset is a regression: combine mean")
        if experiment.dataset.task == "classification" and experiment.training.loss == "squared_error":
            found.append("members' probabilities are averaged: training.loss must be cross_entropy")
        return found
