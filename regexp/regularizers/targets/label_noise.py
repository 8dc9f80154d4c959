"""Wrong labels on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from regexp.core.component import Fraction, component
from regexp.core.lazy import jnp
from regexp.regularizers.base import Array, Batch, Regularizer


@component
class LabelNoise(Regularizer):
    """round(r n) of the n training examples get another class, uniform over the K - 1 others; once, by seed.

    rate: r in [0, 1]; 0 is off, 1 leaves no label right

    A study tool: how do the other methods cope with wrong labels? Metrics, also those of the training split, are
    measured on the true labels; `loss/data` is the loss as trained. A larger rate keeps a smaller one's wrong labels.

    Convention: symmetric noise, never the right class again; where sources draw from all K classes at a rate q,
    r = q (K-1)/K.
    Source: Zhang et al., Understanding deep learning requires rethinking generalization, 2017.
    """

    neutral = {"rate": 0.0}
    classification_only = True
    rate: Fraction = 0.2

    def conflicts(self, experiment: Any) -> list[str]:
        names = [method.name for method in experiment.regularizers]
        before = [name for name in ("mixup", "cutmix") if name in names[: names.index(self.name)]]
        return [f"label_noise changes the labels of single examples: put it before {name}" for name in before]

    def prepare(self, data: Any, split: Any, generator: Any) -> dict[str, Any]:
        """How many classes each row's label is moved on: (rows of the dataset,) int32, 0 for the right ones.

        Rank and move are drawn for every row of the dataset, so that a refit's training part, which has more of them,
        keeps the wrong labels but for those at the border.
        """
        rank = generator.permutation(len(data.targets))
        moves = generator.integers(1, len(data.classes), len(data.targets))
        by_rank = split.train[np.argsort(rank[split.train])]
        wrong = by_rank[: round(float(self.rate) * len(by_rank))]
        shift = np.zeros(len(data.targets), np.int32)
        shift[wrong] = moves[wrong]
        return {"shift": shift}

    def transform_batch(self, batch: Batch, key: Array) -> Batch:
        classes = batch.targets.shape[-1]
        shift = batch.own[self.name]["shift"][batch.rows]
        source = (jnp.arange(classes, dtype=jnp.int32) - shift[:, None]) % classes
        return batch._replace(targets=jnp.take_along_axis(batch.targets, source, -1))
