"""The contract of a preprocessing step: fitted on the training split by NumPy, applied inside the compiled step.

Data stays on the device as it was read (images as uint8); what is fitted travels as arrays next to the lane, so that
lanes with other splits share the data, and an attack on the raw input differentiates through the preprocessing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from regexp.core.component import Catalogue, Component

Array = Any
Fitted = dict[str, Any]


class Preprocessor(Component):
    """`fit` sees training examples only; `apply` is a pure function of a batch.

    removes_offset: whether adding a constant to a column changes nothing in the result
    passes_offset: whether adding a constant to a column adds it to the result's column
    """

    removes_offset: ClassVar[bool] = False
    passes_offset: ClassVar[bool] = False

    def fit(self, inputs: np.ndarray) -> Fitted:
        """inputs: (n, ...) float64 training examples as the earlier steps leave them. Returns float32 arrays."""
        raise TypeError(f"{type(self).__name__} defines no fit")

    def apply(self, fitted: Fitted, inputs: Array) -> Array:
        """inputs: (B, ...) -> (B, ...); the same arithmetic on NumPy and JAX arrays."""
        raise TypeError(f"{type(self).__name__} defines no apply")


def fit_all(steps: Sequence[Preprocessor], inputs: np.ndarray) -> list[Fitted]:
    """Fit each step on what the earlier ones leave. inputs: (n, ...) raw training examples, uint8 images 0..255."""
    fitted: list[Fitted] = []
    if not steps:
        return fitted
    x = inputs / 255.0 if inputs.dtype == np.uint8 else inputs.astype(np.float64)
    for step in steps:
        if fitted:  # what the last step leaves is needed by none, and a copy of all images is large
            x = np.asarray(steps[len(fitted) - 1].apply(fitted[-1], x), np.float64)
        fitted.append({k: np.asarray(v, np.float32) for k, v in step.fit(x).items()})
    return fitted


def apply_all(steps: Sequence[Preprocessor], fitted: Sequence[Fitted], inputs: Array) -> Array:
    """The steps in their order; inputs (B, ...) in raw units, images in [0, 1]."""
    for step, own in zip(steps, fitted, strict=True):
        inputs = step.apply(own, inputs)
    return inputs


def flatten(inputs: Array) -> Array:
    """(B, ...) -> (B, D)."""
    return inputs.reshape(inputs.shape[0], -1)


def principal_components(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean (D,), axes (D, r), variances (r,) over n) of rows x (n, D), by falling variance, signs fixed."""
    mean = x.mean(0)
    centred = x - mean
    if len(x) >= x.shape[1]:  # the smaller of the two symmetric problems
        values, axes = np.linalg.eigh(centred.T @ centred / len(x))
    else:
        values, left = np.linalg.eigh(centred @ centred.T / len(x))
        varies = values > 1e-12 * max(values.max(), np.finfo(np.float64).tiny)
        values, left = values[varies], left[:, varies]
        axes = centred.T @ left / np.sqrt(values * len(x))
    values, axes = np.maximum(values[::-1], 0), axes[:, ::-1]
    largest = np.abs(axes).argmax(0)
    return mean, axes * np.sign(axes[largest, np.arange(axes.shape[1])]), values


CATALOGUE: Catalogue[Preprocessor] = Catalogue(
    "preprocessor",
    "regexp.preprocessing",
    "impute",
    "center",
    "channel_mean",
    "standardize",
    "minmax",
    "pca",
    "whiten",
)
