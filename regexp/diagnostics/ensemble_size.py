"""Measure an ensemble by its size: the score of all subsets of a run's models, or of random ones, with their spread."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from regexp.diagnostics.calibration import probabilities
from regexp.diagnostics.subject import Model, Subject
from regexp.runs.explanation import Explanation, Plot, series

SUBSETS = 200  # maximum number of subsets per size
SIZES = 12  # maximum number of rows in the table
WIDTH = 40


def explain(subject: Subject) -> Explanation:
    """Score ensembles of the members of the first seed, or of the seeds if they share a published test split."""
    models, rows = together(subject), subject.unseen
    if len(models) < 2 or not len(rows):
        return Explanation(
            "This run has one model for its test examples; `deep_ensemble`, `bagging` and `snapshot_ensemble` train "
            "several, and so do seeds on a dataset with a published test split."
        )
    outputs = np.stack([subject.predict(model, rows) for model in models]).astype(np.float64)
    targets, classes = subject.data.targets[rows], bool(subject.data.classes)
    ballots = voted(subject, outputs)
    sizes = np.unique(np.geomspace(1, len(models), SIZES).round().astype(int)).tolist()
    scores = {
        k: np.asarray([_score(ballots[list(subset)].mean(0), targets, classes) for subset in subsets(len(models), k)])
        for k in sizes
    }
    name = "accuracy" if classes else "RMSE"
    means = {k: float(subset_scores.mean()) for k, subset_scores in scores.items()}
    spreads = {k: float(subset_scores.std()) for k, subset_scores in scores.items()}
    table = tuple(
        (f"{k}", f"{len(v)}", f"{means[k]:.4f}", f"{spreads[k]:.4f}", f"{v.min():.4f}", f"{v.max():.4f}")
        for k, v in scores.items()
    )
    total = len(models)
    return Explanation(
        f"The {name} on {len(rows)} examples goes from {means[1]:.4f} +- {spreads[1]:.4f} for one of {total} models to "
        f"{means[total]:.4f} for all together; subsets of one size share models, so their spread is not the "
        "standard error of the mean.",
        ("models", "subsets", name, "std", "min", "max"),
        table,
        _chart(means, spreads),
        {"metric": name, "sizes": sizes, "mean": list(means.values()), "std": list(spreads.values()),
         "subsets": [len(v) for v in scores.values()], "alone": scores[1].tolist()},
        (_plot(name, means, spreads, scores[1]),),
    )  # fmt: skip


def together(subject: Subject) -> list[Model]:
    """Return the models for which the same examples are unseen."""
    if len(subject.members) > 1 or not len(subject.split.test):
        return subject.members
    return [model for model in subject.models if np.array_equal(model.split.test, subject.split.test)]


def voted(subject: Subject, outputs: np.ndarray) -> np.ndarray:
    """Turn outputs (models, n, K) into what an ensemble averages: probabilities, votes if configured, or numbers."""
    if not subject.data.classes:
        return outputs
    if any(getattr(method, "combine", "") == "vote" for method in subject.experiment.regularizers):
        return np.eye(outputs.shape[-1])[outputs.argmax(-1)]
    return probabilities(outputs)


def subsets(total: int, size: int) -> list[tuple[int, ...]]:
    """Return all subsets of a size, or SUBSETS random ones, the same on every call."""
    if comb(total, size) <= SUBSETS:
        return list(combinations(range(total), size))
    generator = np.random.default_rng([total, size])
    return [tuple(generator.choice(total, size, replace=False).tolist()) for _ in range(SUBSETS)]


def _score(mean: np.ndarray, targets: np.ndarray, classes: bool) -> float:
    return float(np.mean(mean.argmax(-1) == targets)) if classes else float(np.sqrt(np.mean(np.square(mean - targets))))


def _chart(means: dict[int, float], spreads: dict[int, float]) -> tuple[str, ...]:
    """Return a line per size: o the mean, - one standard deviation on each side."""
    low = min(means[k] - spreads[k] for k in means)
    scale = WIDTH / max(max(means[k] + spreads[k] for k in means) - low, 1e-30)
    lines = [f"models: o mean, - one standard deviation of the subsets; from {low:.4f}"]
    for k, mean in means.items():
        begin, middle, end = (round((mean + side * spreads[k] - low) * scale) for side in (-1, 0, 1))
        bar = [" "] * begin + ["-"] * (end - begin + 1)
        bar[middle] = "o"
        lines.append(f"{k:>6} {''.join(bar)}")
    return tuple(lines)


def _plot(name: str, means: dict[int, float], spreads: dict[int, float], alone: np.ndarray) -> Plot:
    mean, std = np.asarray(list(means.values())), np.asarray(list(spreads.values()))
    return Plot(
        "Ensembles by size",
        f"Mean over subsets of each size, with a band of one standard deviation; at most {SUBSETS} subsets per size.",
        "models",
        name,
        (
            series("mean of the subsets", list(means), mean, band=(mean - std, mean + std)),
            series("one model each", np.ones(len(alone)), alone, "points"),
        ),
    )
