"""Scale features to mean 0 and standard deviation 1."""

from __future__ import annotations

from typing import Literal

import numpy as np

from regexp.core.component import component
from regexp.preprocessing.base import Array, Fitted, Preprocessor


@component
class Standardize(Preprocessor):
    """(x - mean) / std of each column of a table, or each channel of images; constant ones are only centred.

    per: auto (default), channel, or feature (each pixel separately)

    Convention: the standard deviation divides by n, as in scikit-learn's StandardScaler.
    """

    removes_offset = True
    per: Literal["auto", "channel", "feature"] = "auto"

    def fit(self, inputs: np.ndarray) -> Fitted:
        axes = (0,) if self.per == "feature" else tuple(range(inputs.ndim - 1))
        std = inputs.std(axes)
        low, high = inputs.min(axes), inputs.max(axes)
        # Rounding gives a large constant a small standard deviation, and a std below float32's range divides by 0.
        least = np.maximum(1e-12 * np.maximum(abs(low), abs(high)), np.finfo(np.float32).tiny)
        varies = (high > low) & (std > least)
        return {"mean": inputs.mean(axes), "std": np.where(varies, std, 1.0)}

    def apply(self, fitted: Fitted, inputs: Array) -> Array:
        return (inputs - fitted["mean"]) / fitted["std"]
