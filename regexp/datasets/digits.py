"""Handwritten digits, 8 x 8."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from regexp.core.component import component
from regexp.datasets.base import Data, Dataset


@component
class Digits(Dataset):
    """1,797 handwritten digits as 8 x 8 grey images in [0, 1], 10 classes; ships with scikit-learn.

    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many

    Source: Alpaydin, Kaynak, Optical recognition of handwritten digits, UCI 1998.
    """

    task = "classification"
    is_image = True
    channels = 1
    examples = 1797

    def load(self) -> Data:
        inputs, targets = _read()
        return Data(
            inputs=(inputs / 16).astype(np.float32).reshape(-1, 8, 8, 1),
            targets=targets.astype(np.int32),
            classes=tuple(str(digit) for digit in range(10)),
            source="scikit-learn load_digits",
        )


def _read() -> tuple[np.ndarray, np.ndarray]:
    """Read the grey values (n, 64) from 0 to 16 and the labels from the file of load_digits.

    `import sklearn.datasets` takes 0.9 s on two cores, a ninth of the quickstart; the file takes 0.04 s.
    """
    package = find_spec("sklearn")
    file = Path(package.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if package else Path()
    if not file.is_file():  # another release of scikit-learn may store it elsewhere
        from sklearn.datasets import load_digits

        inputs, targets = load_digits(return_X_y=True)
        return inputs, targets
    with gzip.open(file, "rt") as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.float64)
    return table[:, :-1], table[:, -1]
