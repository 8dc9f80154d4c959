"""Scale features to the range [0, 1]."""

from __future__ import annotations

import numpy as np

from regexp.core.component import component
from regexp.preprocessing.base import Array, Fitted, Preprocessor


@component
class MinMax(Preprocessor):
    """(x - min) / (max - min), with each feature's range in the training split; other data may fall outside [0, 1].

    Convention: constant features become 0, as in scikit-learn's MinMaxScaler.
    """

    removes_offset = True

    def fit(self, inputs: np.ndarray) -> Fitted:
        low, high = inputs.min(0), inputs.max(0)
        return {"low": low, "width": np.where(high > low, high - low, 1.0)}

    def apply(self, fitted: Fitted, inputs: Array) -> Array:
        return (inputs - fitted["low"]) / fitted["width"]
