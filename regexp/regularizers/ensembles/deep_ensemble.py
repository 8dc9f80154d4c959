"""Train several networks that differ only in their random numbers."""

from __future__ import annotations

from typing import Literal

from regexp.core.component import Count, component, static
from regexp.regularizers.ensembles.base import Ensemble


@component
class DeepEnsemble(Ensemble):
    """k models with different initial weights, batch orders and draws on the same data; predictions are averaged.

    members: k >= 1; 1 is off. The first is the model trained without this method
    combine: mean of the members' probabilities (predictions, for regression), or vote: the fraction of
        members that predict each class

    Convention: the paper also trains on adversarial examples; add `fgsm` for that.
    Source: Lakshminarayanan, Pritzel, Blundell 2017; Goodfellow et al., Deep Learning, 2016, 7.11.
    """

    neutral = {"members": 1}
    reseeds = True
    members: Count = static(default=5)
    combine: Literal["mean", "vote"] = "mean"

    def lanes(self) -> int:
        return self.members
