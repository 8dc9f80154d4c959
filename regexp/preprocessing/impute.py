"""Fill missing values and add indicators of them."""

from __future__ import annotations

import numpy as np

from regexp.core.component import component
from regexp.core.errors import DataError
from regexp.preprocessing.base import Array, Fitted, Preprocessor


@component
class Impute(Preprocessor):
    """Missing numbers (NaN) become the column's mean in the training split; indicators of missing values are added.

    One-hot columns of categories that do not occur in the training split become 0. A table with missing values or
    categories gets this as its first step automatically.

    missing: the numbers of the columns that get an indicator
    categories: the numbers of the one-hot columns

    Source: scikit-learn's SimpleImputer(add_indicator=True) and OneHotEncoder(handle_unknown="ignore").
    """

    passes_offset = True
    missing: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()

    def fit(self, inputs: np.ndarray) -> Fitted:
        columns = self.missing + self.categories
        if columns and (inputs.ndim != 2 or not 0 <= min(columns) <= max(columns) < inputs.shape[1]):
            raise DataError(f"impute: no column {max(columns)} in inputs of shape {inputs.shape[1:]}")
        present = ~np.isnan(inputs)
        count = np.maximum(present.sum(0), 1)  # a column without values in the training split gets the mean 0
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
