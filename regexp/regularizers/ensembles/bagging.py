"""Train several models on bootstrap resamples of the training split (bagging)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from regexp.core.component import Count, component, static
from regexp.core.shapes import Int
from regexp.regularizers.ensembles.base import Ensemble


@component
class Bagging(Ensemble):
    """k models on k bootstrap resamples of the training split, each of its size, drawn with replacement.

    members: k >= 1; 1 is one model on one resample
    combine: mean of the members' probabilities (predictions, for regression), or vote: the fraction of
        members that predict each class

    Convention: all members share the seed's initial weights and draws and differ only in their data. The out-of-bag
    score predicts each training example with the members that were not trained on it.
    Source: Breiman, Bagging predictors, 1996.
    """

    resamples = True
    members: Count = static(default=5)
    combine: Literal["mean", "vote"] = "mean"

    def lanes(self) -> int:
        return self.members

    def resample(self, rows: Int[np.ndarray, " n"], generator: np.random.Generator) -> Int[np.ndarray, " n"]:
        return generator.choice(rows, len(rows), replace=True)
