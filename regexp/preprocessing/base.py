"""The contract of a preprocessing step: fitted on the training split by NumPy, applied inside the compiled step.

Data stays on the device as it was read (images as uint8); what is fitted travels as arrays next to the lane, so that
lanes with other splits share the data, and an attack on the raw input differentiates through the preprocessing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regexp.component import Catalogue, Component

Array = Any


class Preprocessor(Component):
    """`fit` sees training examples only; `apply` is a pure function of a batch."""

    def fit(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """inputs: (n, ...) float64 training examples as the earlier steps leave them. Returns float32 arrays."""
        raise TypeError(f"{type(self).__name__} defines no fit")

    def apply(self, fitted: dict[str, Array], inputs: Array) -> Array:
        """inputs: (B, ...) -> (B, ...); works on NumPy and JAX arrays alike."""
        raise TypeError(f"{type(self).__name__} defines no apply")


CATALOGUE: Catalogue[Preprocessor] = Catalogue(
    "preprocessor", "regexp.preprocessing",
    "impute", "center", "channel_mean", "standardize", "minmax", "pca", "whiten",
)
