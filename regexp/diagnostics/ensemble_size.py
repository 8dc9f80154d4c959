"""An ensemble against its size: all subsets of a run's models, or many random ones of each size, with their spread."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from regexp.diagnostics.calibration import probabilities
from regexp.diagnostics.subject import Model, Subject
from regexp.runs.explanation import Explanation, Plot, series

SUBSETS = 200  # of one size, at most
SIZES = 12  # rows of the table, at most
WIDTH = 40


def explain(subject: Subject) -> Explanation:
    """The models are the members of the first seed, or the seeds where they share a published test split."""
    models, rows = together(subject), subject.unseen
    if len(models) < 2 or not len(rows):
        return Explanation(
            "This run has one model for its test examples; `deep_ensemble`, `bagging` or `snapshot_ensemble` train "
            "several, and so do seeds where the test split is published."
        )
    outputs = np.stack([subject.predict(model, rows) for model in models]).astype(np.float64)
    targets, classes = subject.data.targets[rows], bool(subject.data.classes)
    ballots = voted(subject, outputs)
    sizes = np.unique(np.geomspace(1, len(models), SIZES).round().astype(int)).tolist()
    scores = {k: np.asarray([_score(ballots[list(own)].mean(0), targets, classes) for own in subsets(len(models), k)])
              for k in sizes}  # fmt: skip
    name = "accuracy" if classes else "RMSE"
    means = {k: float(found.mean()) for k, found in scores.items()}
    spreads = {k: float(found.std()) for k, found in scores.items()}
    table = tuple(
        (f"{k}", f"{len(v)}", f"{means[k]:.4f}", f"{spreads[k]:.4f}", f"{v.min():.4f}", f"{v.max():.4f}")
        for k, v in scores.items()
    )
    whole = len(models)
    return Explanation(
        f"The {name} on {len(rows)} examples goes from {means[1]:.4f} +- {spreads[1]:.4f} for one of {whole} models to "
        f"{means[whole]:.4f} for all together; subsets of one size share models, so their spread is no error of the "
        "mean.",
        ("models", "subsets", name, "std", "min", "max"),
        table,
        _chart(means, spreads),
        {"metric": name, "sizes": sizes, "mean": list(means.values()), "std": list(spreads.values()),
         "subsets": [len(v) for v in scores.values()], "alone": scores[1].tolist()},
        (_plot(name, means, spreads, scores[1]),),
    )  # fmt: skip


def together(subject: Subject) -> list[Model]:
    """The models that may be asked about the same unseen examples."""
    if len(subject.members) > 1 or not len(subject.split.test):
        return subject.members
    return [model for model in subject.models if np.array_equal(model.split.test, subject.split.test)]


def voted(subject: Subject, outputs: np.ndarray) -> np.ndarray:
    """(models, n, K) outputs -> what is averaged: probabilities, votes where the config says so, or numbers."""
    if not subject.data.classes:
        return outputs
    if any(getattr(method, "combine", "") == "vote" for method in subject.experiment.regularizers):
        return np.eye(outputs.shape[-1])[outputs.argmax(-1)]
    return probabilities(outputs)


def subsets(whole: int, size: int) -> list[tuple[int, ...]]:
    """All subsets of that size, or 200 drawn at random, the same every time."""
    if comb(whole, size) <= SUBSETS:
        return list(combinations(range(whole), size))
    generator = np.random.default_rng([whole, size])
    return [tuple(generator.choice(whole, size, replace=False).tolist()) for _ in range(SUBSETS)]


def _score(mean: np.ndarray, targets: np.ndarray, classes: bool) -> float:
    return float(np.mean(mean.argmax(-1) == targets)) if classes else float(np.sqrt(np.mean(np.square(mean - targets))))


def _chart(means: dict[int, float], spreads: dict[int, float]) -> tuple[str, ...]:
    """From the least to the greatest: o the mean, - one standard deviation on each side."""
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
        "Ensembles against their size",
        f"Mean over subsets of each size, with a band of one standard deviation; at most {SUBSETS} subsets of a size.",
        "models",
        name,
        (
            series("mean of the subsets", list(means), mean, band=(mean - std, mean + std)),
            series("one model each", np.ones(len(alone)), alone, "points"),
        ),
    )
