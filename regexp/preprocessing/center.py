"""Subtract the mean example."""

from __future__ import annotations

import numpy as np

from regexp.core.component import component
from regexp.preprocessing.base import Array, Fitted, Preprocessor


@component
class Center(Preprocessor):
    """x - mean: the mean image, or the mean of each column of a table.

    Source: Krizhevsky et al. 2012.
    """

    removes_offset = True

    def fit(self, inputs: np.ndarray) -> Fitted:
        return {"mean": inputs.mean(0)}

    def apply(self, fitted: Fitted, inputs: Array) -> Array:
        return inputs - fitted["mean"]
