"""Tables that ship with scikit-learn."""

from __future__ import annotations

import numpy as np

from regexp.datasets.base import Data


def bundled_table(name: str) -> Data:
    """The table that sklearn.datasets.load_<name> holds, in its own units."""
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    found = getattr(datasets, f"load_{name}")(**options)
    classes = tuple(str(c) for c in getattr(found, "target_names", ()))
    targets = found.target.astype(np.int32 if classes else np.float64)
    return Data(
        inputs=found.data.astype(np.float64),
        targets=targets if classes else targets[:, None],
        classes=classes,
        columns=tuple(str(c) for c in found.feature_names),
        source=f"scikit-learn load_{name}",
    )
