"""Label smoothing: move some of the target probability to the other classes."""

from __future__ import annotations

from typing import Literal

from regexp.core.component import Rate, component
from regexp.core.shapes import Key
from regexp.regularizers.base import Batch, Regularizer


@component
class LabelSmoothing(Regularizer):
    """form others: 1 - e for the class, e/(K-1) for each other; form uniform: (1 - e) one-hot + e/K.

    epsilon: e in [0, 1); 0 is off
    form: others (default) or uniform (PyTorch, Keras, optax); they agree when e_uniform = e_others K/(K-1)

    Convention: only training targets are smoothed; evaluation uses the unchanged labels.
    Source: Szegedy et al. 2016 (uniform); Goodfellow et al., Deep Learning, 2016, 7.5.1 (others).
    """

    lecture = {"form": "others"}
    neutral = {"epsilon": 0.0}
    classification_only = True
    epsilon: Rate = 0.1
    form: Literal["others", "uniform"] = "others"

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        classes = batch.targets.shape[-1]
        e = self.epsilon * classes / (classes - 1) if self.form == "others" else self.epsilon
        return batch._replace(targets=(1 - e) * batch.targets + e / classes)
