"""scikit-learn's RandomizedSearchCV with MLPClassifier on two processes; it has neither dropout nor label smoothing."""

from __future__ import annotations

import sys
import warnings

import numpy as np
from scipy.stats import loguniform
from sklearn.model_selection import PredefinedSplit, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier

from benchmarks.searches import L2, RATE, SEARCHES, Search, splits


def main(search: Search) -> None:
    warnings.filterwarnings("ignore")  # that the epochs do not suffice
    x, y, x_val, y_val = splits(search)
    net = MLPClassifier(search.hidden, batch_size=search.batch, max_iter=search.epochs, random_state=0,
                        n_iter_no_change=search.epochs)  # fmt: skip
    fold = PredefinedSplit(np.repeat([-1, 0], [len(x), len(x_val)]))
    space = {"learning_rate_init": loguniform(*RATE), "alpha": loguniform(*L2)}
    found = RandomizedSearchCV(net, space, n_iter=search.trials, cv=fold, n_jobs=2, refit=False, random_state=0)
    found.fit(np.concatenate([x, x_val]), np.concatenate([y, y_val]))
    print(found.best_score_)


if __name__ == "__main__":
    main(SEARCHES[sys.argv[1]].sized(int(sys.argv[2])))
