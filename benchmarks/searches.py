"""The searches that are compared: the same data, model, lengths and space for every peer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.cases import Case, arrays

RATE, L2, DROPOUT, SMOOTHING = (1e-4, 1e-1), (1e-7, 1e-2), (0.0, 0.5), (0.0, 0.2)


@dataclass(frozen=True)
class Search:
    """Random settings of learning rate, L2, dropout and label smoothing of an MLP.

    threads: of PyTorch; one is enough for a small product
    targets: the ratios that are aimed at, peer -> at least
    """

    name: str
    data: str
    hidden: tuple[int, ...]
    trials: int
    epochs: int
    batch: int
    threads: int
    targets: tuple[tuple[str, float], ...]

    def sized(self, trials: int) -> Search:
        """The same with another number of trials."""
        return replace(self, trials=trials)

    def suggest(self, trial: Any) -> dict[str, float]:
        """A setting by an Optuna trial."""
        return {
            "rate": trial.suggest_float("rate", *RATE, log=True),
            "l2": trial.suggest_float("l2", *L2, log=True),
            "dropout": trial.suggest_float("dropout", *DROPOUT),
            "smoothing": trial.suggest_float("smoothing", *SMOOTHING),
        }

    def config(self) -> str:
        """The same search as this project's config; one stage, nothing confirmed."""
        return f"""\
dataset: {{name: {self.data}, validation: 0.15}}
model: {{name: mlp, hidden: {list(self.hidden)}}}
optimizer: {{name: adam, learning_rate: 1.0e-3}}
training: {{epochs: {self.epochs}, batch_size: {self.batch}, seeds: [0]}}
sweep:
  objective: validation/accuracy
  space:
    optimizer.learning_rate: {{log_uniform: {list(RATE)}}}
    regularizers.l2.strength: {{log_uniform: {list(L2)}}}
    regularizers.dropout.rate: {{uniform: {list(DROPOUT)}}}
    regularizers.label_smoothing.epsilon: {{uniform: {list(SMOOTHING)}}}
  stages:
    - {{trials: {self.trials}, epochs: {self.epochs}, sampler: random}}
  confirm: null
"""


SEARCHES = {
    search.name: search
    for search in (
        Search("digits", "digits", (64, 64), 128, 20, 64, 1, (("optuna_torch", 10.0), ("optuna_keras", 20.0))),
        Search("fashion", "fashion_mnist", (128, 128), 32, 5, 128, 2, (("optuna_torch", 2.5),)),
    )
}


def splits(search: Search) -> tuple[np.ndarray, ...]:
    """(x, y, x of the validation, y of the validation) as flat float32: as many examples as the project trains on."""
    x, y = arrays(Case(search.name, search.data, search.batch, search.hidden))
    x = (x / 255 if x.dtype == np.uint8 else x).reshape(len(x), -1).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    cut = round(0.15 * len(x)) if search.data != "digits" else 0
    if not cut:  # of digits, `arrays` has the 1,222 that are trained on: the others are beyond them
        from sklearn.datasets import load_digits

        more, labels = load_digits(return_X_y=True)
        held_out = slice(len(x), len(x) + 216)
        return x, y, (more[held_out] / 16).astype(np.float32), labels[held_out].astype(np.int32)
    train, held = order[cut:], order[:cut]
    return x[train], y[train], x[held], y[held]
