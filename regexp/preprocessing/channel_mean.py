"""Subtract the mean of each channel."""

from __future__ import annotations

import numpy as np

from regexp.core.component import component
from regexp.preprocessing.base import Array, Fitted, Preprocessor


@component
class ChannelMean(Preprocessor):
    """x - mean over all pixels of each channel, or over the rows of each column of a table.

    Source: Simonyan, Zisserman 2015.
    """

    removes_offset = True

    def fit(self, inputs: np.ndarray) -> Fitted:
        return {"mean": inputs.mean(tuple(range(inputs.ndim - 1)))}

    def apply(self, fitted: Fitted, inputs: Array) -> Array:
        return inputs - fitted["mean"]
