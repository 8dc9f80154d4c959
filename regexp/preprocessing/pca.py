"""Project on the principal components."""

from __future__ import annotations

import numpy as np

from regexp.core.component import Count, Fraction, component, static
from regexp.core.errors import DataError
from regexp.preprocessing.base import Array, Fitted, Preprocessor, flatten, principal_components


@component
class PCA(Preprocessor):
    """(x - mean) V_k: the first k principal components; images are flattened.

    components: k >= 1; default: as many as `variance` needs
    variance: share of the variance to keep, in [0, 1], if `components` is not set

    Raises DataError if the training split has fewer components than requested, or no feature varies.

    Convention: each component's largest entry is positive, so that signs do not depend on the platform.
    Source: Jolliffe, Principal Component Analysis, 2002.
    """

    removes_offset = True
    components: Count | None = static(default=None)
    variance: Fraction = 0.95

    def fit(self, inputs: np.ndarray) -> Fitted:
        mean, axes, variances = principal_components(flatten(inputs))
        if not variances.sum() > 0:
            raise DataError("pca: no feature varies in the training split")
        if self.components is not None and self.components > len(variances):
            message = f"pca: {self.components} components requested; the training split has {len(variances)}"
            raise DataError(message, "dataset.preprocess")
        share = np.cumsum(variances) / variances.sum()
        # 1e-12: the sum of the shares is rounded, and `variance: 1` must not need more components than there are.
        k = self.components or int(np.searchsorted(share, self.variance - 1e-12) + 1)
        return {"mean": mean, "axes": axes[:, :k]}

    def apply(self, fitted: Fitted, inputs: Array) -> Array:
        return (flatten(inputs) - fitted["mean"]) @ fitted["axes"]
