"""The base of ensembles: several models whose predictions are combined."""

from __future__ import annotations

from typing import Any, ClassVar

from regexp.core.problems import Problem
from regexp.regularizers.base import Regularizer


class Ensemble(Regularizer):
    """The base of methods that train several models for every seed.

    members: number of models
    combine: how their predictions are combined
    """

    is_ensemble: ClassVar[bool] = True

    def conflicts(self, experiment: Any) -> list[Problem]:
        return self.against(experiment)

    def against(self, experiment: Any) -> list[Problem]:
        """Ensembles of ensembles are not trained, numbers are not voted on, and only probabilities are averaged."""
        others = [m.name for m in experiment.regularizers if m.is_ensemble and m.name != self.name]
        problems = [Problem(f"{self.name} and {name} are both ensembles: choose one of them") for name in others]
        if experiment.dataset.task == "regression" and getattr(self, "combine", "") == "vote":
            problems.append(Problem("members vote for classes; this dataset is a regression: set combine: mean"))
        if experiment.dataset.task == "classification" and experiment.training.loss == "squared_error":
            problems.append(Problem("members' probabilities are averaged: training.loss must be cross_entropy"))
        return problems
