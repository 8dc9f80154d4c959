"""Replace a fraction of the training labels by wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from regexp.core.component import Fraction, component
from regexp.core.lazy import jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Key
from regexp.regularizers.base import Batch, Examples, Parts, Regularizer


@component
class LabelNoise(Regularizer):
    """round(r n) of the n training examples get another class, uniform over the K - 1 others; drawn once per seed.

    rate: r in [0, 1]; 0 is off, 1 makes every label wrong

    A tool to study how other methods cope with wrong labels. Metrics, including those of the training split, use the
    true labels; `loss/data` is the training loss. The wrong labels at a rate include those at any smaller rate.

    Convention: symmetric noise that never draws the true class; sources that draw from all K classes at a rate q have
    r = q (K-1)/K.
    Source: Zhang et al., Understanding deep learning requires rethinking generalization, 2017.
    """

    neutral = {"rate": 0.0}
    classification_only = True
    rate: Fraction = 0.2

    def conflicts(self, experiment: Any) -> list[Problem]:
        names = [method.name for method in experiment.regularizers]
        before = [name for name in ("mixup", "cutmix") if name in names[: names.index(self.name)]]
        return [Problem(f"label_noise changes the labels of single examples: put it before {name}") for name in before]

    def prepare(self, data: Examples, split: Parts, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return by how many classes each label is shifted: int32 (rows of the dataset,), 0 for true labels.

        Rank and shift are drawn for every row of the dataset, so that a refit, whose training part has more rows, keeps
        the wrong labels except for those at the border of the rate.
        """
        rank = generator.permutation(len(data.targets))
        moves = generator.integers(1, len(data.classes), len(data.targets))
        by_rank = split.train[np.argsort(rank[split.train])]
        wrong = by_rank[: round(float(self.rate) * len(by_rank))]
        shift = np.zeros(len(data.targets), np.int32)
        shift[wrong] = moves[wrong]
        return {"shift": shift}

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        classes = batch.targets.shape[-1]
        shift = batch.constants[self.name]["shift"][batch.rows]
        source = (jnp.arange(classes, dtype=jnp.int32) - shift[:, None]) % classes
        return batch._replace(targets=jnp.take_along_axis(batch.targets, source, -1))
