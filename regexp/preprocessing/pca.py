"""Principal components."""

from __future__ import annotations

import numpy as np

from regexp.component import Count, Fraction, component, static
from regexp.preprocessing.base import Array, Fitted, Preprocessor, flatten, principal_components


@component
class PCA(Preprocessor):
    """(x - mean) V_k: the first k principal components; images are flattened.

    components: k >= 1; left out: as many as `variance` needs
    variance: share of the variance to keep, in [0, 1], where components is left out

    Convention: each component's largest entry is positive, so the signs are the same everywhere.
    Source: Jolliffe, Principal Component Analysis, 2002.
    """

    components: Count | None = static(default=None)
    variance: Fraction = 0.95

    def fit(self, inputs: np.ndarray) -> Fitted:
        mean, axes, variances = principal_components(flatten(inputs))
        share = np.cumsum(variances) / variances.sum()
        k = self.components or int(np.searchsorted(share, self.variance - 1e-12) + 1)
        return {"mean": mean, "axes": axes[:, : min(k, len(variances))]}

    def apply(self, fitted: Fitted, inputs: Array) -> Array:
        return (flatten(inputs) - fitted["mean"]) @ fitted["axes"]
