"""Several networks that differ in their random numbers."""

from __future__ import annotations

from typing import Literal

from regexp.core.component import Count, component, static
from regexp.regularizers.ensembles.base import Ensemble


@component
class DeepEnsemble(Ensemble):
    """k models with other initial weights, batch orders and draws on the same data; predictions are averaged.

    members: k >= 1; 1 is off. The first is the model that is trained without this method
    combine: mean of the members' probabilities (predictions, for regression), or vote: the share of members for a class

    Convention: the paper also trains on adversarial examples, which here is `fgsm`.
    Source: Lakshminarayanan, Pritzel, Blundell 2017; Goodfellow et al., Deep Learning, 2016, 7.11.
    """

    neutral = {"members": 1}
    reseeds = True
    members: Count = static(default=5)
    combine: Literal["mean", "vote"] = "mean"

    def lanes(self) -> int:
        return self.members
