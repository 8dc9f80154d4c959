"""What ensembles have in common: several models whose predictions are put together."""

from __future__ import annotations

from typing import Any, ClassVar

from regexp.regularizers.base import Regularizer


class Ensemble(Regularizer):
    """A method that trains several models for every seed.

    members: how many
    combine: how their predictions become one
    """

    is_ensemble: ClassVar[bool] = True

    def conflicts(self, experiment: Any) -> list[str]:
        return self.alone(experiment)

    def alone(self, experiment: Any) -> list[str]:
        """Ensembles of ensembles are not trained."""
        others = [m.name for m in experiment.regularizers if m.is_ensemble and m.name != self.name]
        return [f"{self.name} and {name} are both ensembles: one of them" for name in others]
