"""Load the tables that ship with scikit-learn."""

from __future__ import annotations

import numpy as np

from regexp.datasets.base import Data


def bundled_table(name: str) -> Data:
    """Return the table of sklearn.datasets.load_<name>, in its original units."""
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(**options)
    classes = tuple(str(c) for c in getattr(bunch, "target_names", ()))
    targets = bunch.target.astype(np.int32 if classes else np.float64)
    return Data(
        inputs=bunch.data.astype(np.float64),
        targets=targets if classes else targets[:, None],
        classes=classes,
        columns=tuple(str(c) for c in bunch.feature_names),
        source=f"scikit-learn load_{name}",
    )
