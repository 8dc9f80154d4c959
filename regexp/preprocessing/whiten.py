"""Decorrelate features and scale them to variance 1."""

from __future__ import annotations

from typing import Literal

import numpy as np

from regexp.core.component import Positive, component
from regexp.preprocessing.base import Array, Fitted, Preprocessor, flatten, principal_components


@component
class Whiten(Preprocessor):
    """pca: (x - mean) V / sqrt(l + e); zca: the same times V^T, which stays close to the image and keeps its shape.

    form: zca (default) or pca
    epsilon: e > 0, keeps directions without variance finite

    Source: Bell, Sejnowski 1997; Krizhevsky 2009 (zca).
    """

    removes_offset = True
    form: Literal["zca", "pca"] = "zca"
    epsilon: Positive = 1e-5

    def fit(self, inputs: np.ndarray) -> Fitted:
        mean, axes, variances = principal_components(flatten(inputs))
        matrix = axes / np.sqrt(variances + self.epsilon)
        return {"mean": mean, "matrix": matrix @ axes.T if self.form == "zca" else matrix}

    def apply(self, fitted: Fitted, inputs: Array) -> Array:
        out = (flatten(inputs) - fitted["mean"]) @ fitted["matrix"]
        return out.reshape(inputs.shape) if self.form == "zca" else out
