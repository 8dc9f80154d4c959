"""Bootstrap aggregating."""

from __future__ import annotations

from typing import Any, Literal

from regexp.core.component import Count, component, static
from regexp.regularizers.ensembles.base import Ensemble


@component
class Bagging(Ensemble):
    """k models on k bootstrap resamples of the training split, each of its size, drawn with replacement.

    members: k >= 1; 1 is one model on one resample
    combine: mean of the members' probabilities (predictions, for regression), or vote: the share of members for a class

    Convention: all members share the seed's initial weights and draws; their data alone differs. The out-of-bag score
    predicts each training example by the members that never saw it.
    Source: Breiman, Bagging predictors, 1996.
    """

    resamples = True
    members: Count = static(default=5)
    combine: Literal["mean", "vote"] = "mean"

    def lanes(self) -> int:
        return self.members

    def resample(self, rows: Any, generator: Any) -> Any:
        return generator.choice(rows, len(rows), replace=True)
