"""Wines of three growers."""

from __future__ import annotations

from regexp.core.component import component
from regexp.datasets.base import Data, Dataset
from regexp.datasets.bundled import bundled_table


@component
class Wine(Dataset):
    """178 wines, 13 measurements each, 3 classes; ships with scikit-learn.

    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many

    Source: Aeberhard, Forina, Wine, UCI 1991.
    """

    task = "classification"
    is_image = False
    examples = 178

    def load(self) -> Data:
        return bundled_table("wine")
