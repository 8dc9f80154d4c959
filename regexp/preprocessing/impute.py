"""Fill what is missing, and say that it was."""

from __future__ import annotations

import numpy as np

from regexp.core.component import component
from regexp.core.errors import DataError
from regexp.preprocessing.base import Array, Fitted, Preprocessor


@component
class Impute(Preprocessor):
    """Missing numbers (NaN) become the column's training mean; an indicator column is added for each column that may
    miss; one-hot columns of categories that the training split has not seen become 0.

    A table with missing values or categories gets this as its first step by itself.

    missing: the numbers of the columns that get an indicator
    categories: the numbers of the one-hot columns

    Source: scikit-learn's SimpleImputer(add_indicator=True) and OneHotEncoder(handle_unknown="ignore").
    """

    passes_offset = True
    missing: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()

    def fit(self, inputs: np.ndarray) -> Fitted:
        named = self.missing + self.categories
        if named and (inputs.ndim != 2 or not 0 <= min(named) <= max(named) < inputs.shape[1]):
            raise DataError(f"impute: no column {max(named)} in inputs of shape {inputs.shape[1:]}")
        present = ~np.isnan(inputs)
        count = np.maximum(present.sum(0), 1)
        keep = np.ones(inputs.shape[1:])
        if self.categories:
            keep[list(self.categories)] = np.nan_to_num(inputs).any(0)[list(self.categories)]
        return {"mean": np.where(present, inputs, 0).sum(0) / count, "keep": keep}

    def apply(self, fitted: Fitted, inputs: Array) -> Array:
        from regexp.core.lazy import jnp

        xp = np if isinstance(inputs, np.ndarray) else jnp
        absent = xp.isnan(inputs)
        filled = xp.where(absent, fitted["mean"], inputs) * fitted["keep"]
        indicators = absent[:, np.asarray(self.missing, int)].astype(filled.dtype)
        return xp.concatenate([filled, indicators], axis=1)
