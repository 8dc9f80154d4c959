"""The data and the numbers of configs/quickstart.yaml, for scripts that do the same with other libraries."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEEDS, EPOCHS, BATCH, PATIENCE = (0, 1, 2), 60, 64, 15
HIDDEN, LEARNING_RATE, L2 = (256, 256), 1e-3, 1e-4
DROPOUT, INPUT_DROPOUT, SMOOTHING = 0.3, 0.1, 0.1
Part = tuple[np.ndarray, np.ndarray]


def parts(seed: int) -> tuple[Part, Part, Part]:
    """Return (inputs, labels) of train, validation (15 %) and test (20 %), standardized on the training rows."""
    inputs, labels = load_digits(return_X_y=True)
    rest, test = train_test_split(np.arange(len(inputs)), test_size=0.2, random_state=seed, stratify=labels)
    train, validation = train_test_split(rest, test_size=0.15 / 0.8, random_state=seed, stratify=labels[rest])
    mean, scale = inputs[train].mean(0), inputs[train].std(0)
    scaled = ((inputs - mean) / np.where(scale > 0, scale, 1)).astype(np.float32)
    return tuple((scaled[rows], labels[rows]) for rows in (train, validation, test))
