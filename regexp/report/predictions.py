"""Read and validate stored test predictions, for McNemar's test, confusion matrices and reliability diagrams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regexp.core.errors import RunError
from regexp.report.records import Record
from regexp.runs import Run


@dataclass(frozen=True)
class Classified:
    """The predictions of one seed on n test examples.

    rows, labels, predicted, confidence: (n,) row, label, most probable class and its probability
    """

    rows: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    classes: int


def classified(record: Record) -> dict[int, Classified]:
    """Return {seed: predictions} of a classification, without diverged seeds; {} if none are stored.

    Raises RunError for a damaged file.
    """
    if not record.finished or not (record.path / "predictions.npz").is_file():
        return {}
    try:
        return _checked(Run(record.path).read_predictions())
    except Exception:  # NumPy and zipfile raise many types for a damaged file
        raise RunError(f"{record.path / 'predictions.npz'}: damaged") from None


def _checked(arrays: dict[str, np.ndarray]) -> dict[int, Classified]:
    seeds, rows, targets, outputs = (arrays[name] for name in ("seeds", "rows", "targets", "outputs"))
    if targets.ndim != 2:
        return {}  # a regression
    if not targets.shape[1]:
        return {}  # a run without a test split
    fits = outputs.ndim == 3 and targets.shape == rows.shape == outputs.shape[:2] and len(seeds) == len(rows)
    if not fits or not np.issubdtype(targets.dtype, np.integer):
        raise ValueError("array shapes do not match")
    if not 0 <= targets.min() <= targets.max() < outputs.shape[2]:
        raise ValueError("a label is out of range")
    return {
        int(seed): _classified(rows[i], targets[i], np.asarray(outputs[i], np.float64))
        for i, seed in enumerate(seeds)
        if np.isfinite(outputs[i]).all()
    }


def _classified(rows: np.ndarray, labels: np.ndarray, logits: np.ndarray) -> Classified:
    shifted = logits - logits.max(-1, keepdims=True)
    confidence = 1 / np.exp(shifted).sum(-1)
    return Classified(rows, labels, logits.argmax(-1), confidence, logits.shape[-1])
