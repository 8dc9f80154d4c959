"""Breast tumours, malignant or benign."""

from __future__ import annotations

from regexp.core.component import component
from regexp.datasets.base import Data, Dataset
from regexp.datasets.bundled import bundled_table


@component
class BreastCancer(Dataset):
    """569 tumours, 30 measurements each, 2 classes; ships with scikit-learn.

    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many

    Source: Street, Wolberg, Mangasarian, Wisconsin diagnostic breast cancer, UCI 1995.
    """

    task = "classification"
    is_image = False
    examples = 569

    def load(self) -> Data:
        return bundled_table("breast_cancer")
