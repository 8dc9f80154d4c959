"""The contract of a preprocessing step: fitted on the training split by NumPy, applied inside the compiled step.

Data stays on the device as read (images as uint8). The fitted arrays belong to the lane, so that lanes with different
splits share one copy of the data, and an attack on the raw input differentiates through the preprocessing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from regexp.core.component import Catalogue, Component

Array = Any  # np.ndarray while fitting, jax.Array or a tracer of one in the compiled step
Fitted = dict[str, Array]


class Preprocessor(Component):
    """The base class of all steps: `fit` sees only training examples, and `apply` is a pure function of a batch.

    removes_offset: whether adding a constant to a column leaves the result unchanged
    passes_offset: whether adding a constant to a column adds the same constant to the column of the result
    """

    removes_offset: ClassVar[bool] = False
    passes_offset: ClassVar[bool] = False

    def fit(self, inputs: np.ndarray) -> Fitted:
        """Fit the step and return arrays by name.

        inputs: (n, ...) float64 training examples after the earlier steps
        """
        raise TypeError(f"{type(self).__name__} defines no fit")

    def apply(self, fitted: Fitted, inputs: Array) -> Array:
        """Transform a batch (B, ...), by the same arithmetic on NumPy and JAX arrays."""
        raise TypeError(f"{type(self).__name__} defines no apply")


def fit_all(steps: Sequence[Preprocessor], inputs: np.ndarray) -> list[Fitted]:
    """Fit each step on the output of the earlier ones, and return float32 arrays for each step.

    inputs: (n, ...) raw training examples; uint8 images in 0..255
    """
    fitted: list[Fitted] = []
    if not steps:
        return fitted
    x = inputs / 255.0 if inputs.dtype == np.uint8 else inputs.astype(np.float64)
    for step in steps:
        # Applied only before the next fit: the output of the last step is not needed, and all images take much memory.
        if fitted:
            x = np.asarray(steps[len(fitted) - 1].apply(fitted[-1], x), np.float64)
        fitted.append({k: np.asarray(v, np.float32) for k, v in step.fit(x).items()})
    return fitted


def apply_all(steps: Sequence[Preprocessor], fitted: Sequence[Fitted], inputs: Array) -> Array:
    """Apply the steps in order to inputs (B, ...) in raw units, images in [0, 1]."""
    for step, arrays in zip(steps, fitted, strict=True):
        inputs = step.apply(arrays, inputs)
    return inputs


def flatten(inputs: Array) -> Array:
    """Reshape inputs (B, ...) to (B, D)."""
    return inputs.reshape(inputs.shape[0], -1)


def principal_components(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the principal components of rows x (n, D), in the order of decreasing variance.

    Returns the mean (D,), the axes (D, r) and the variances (r,), which divide by n. The sign of each axis makes its
    largest entry positive.
    """
    mean = x.mean(0)
    centred = x - mean
    if len(x) >= x.shape[1]:  # the smaller of the two symmetric problems
        values, axes = np.linalg.eigh(centred.T @ centred / len(x))
    else:
        values, left_vectors = np.linalg.eigh(centred @ centred.T / len(x))
        # Directions without variance have no axis: the division below would amplify their rounding errors.
        varies = values > 1e-12 * max(values.max(), np.finfo(np.float64).tiny)
        values, left_vectors = values[varies], left_vectors[:, varies]
        axes = centred.T @ left_vectors / np.sqrt(values * len(x))
    # Rounding gives small negative variances.
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
