"""Progress of diabetes after a year."""

from __future__ import annotations

from regexp.core.component import component
from regexp.datasets.base import Data, Dataset
from regexp.datasets.bundled import bundled_table


@component
class Diabetes(Dataset):
    """442 patients, 10 measurements each in their own units, one number to predict; ships with scikit-learn.

    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many

    Source: Efron, Hastie, Johnstone, Tibshirani, Least angle regression, 2004.
    """

    task = "regression"
    is_image = False
    examples = 442

    def load(self) -> Data:
        return bundled_table("diabetes")
