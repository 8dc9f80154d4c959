"""Measure the generalisation gap: the loss on unseen minus the loss on training examples."""

from __future__ import annotations

import numpy as np

from regexp.core.component import is_static
from regexp.diagnostics.calibration import probabilities
from regexp.diagnostics.dropout import losses
from regexp.diagnostics.subject import MOST_ROWS, Subject
from regexp.runs.explanation import Explanation, Plot, series

WIDTH = 40


def explain(subject: Subject) -> Explanation:
    """Compare the mean loss on training and on unseen examples, against the labels of the data.

    The loss is the negative log likelihood, or the squared error in the units of the target.
    """
    if not len(subject.unseen):
        return Explanation("This run has neither test nor validation examples, so there is no gap to measure.")
    train, unseen = (example_losses(subject, rows) for rows in (subject.split.train[:MOST_ROWS], subject.unseen))
    gap = float(unseen.mean() - train.mean())
    error = float(np.sqrt(train.var(ddof=1) / len(train) + unseen.var(ddof=1) / len(unseen)))
    name = "negative log likelihood" if subject.data.classes else "squared error"
    means = {"training": float(train.mean()), "unseen": float(unseen.mean())}
    strengths = strengths_of(subject)
    return Explanation(
        f"The {name} is {means['training']:.4g} on {len(train)} training and {means['unseen']:.4g} on {len(unseen)} "
        f"unseen examples: a gap of {gap:.3g} +- {error:.2g} (standard error over examples) with {strengths}.",
        ("strengths", "training loss", "unseen", "gap", "error"),
        ((strengths, *(f"{x:.4g}" for x in means.values()), f"{gap:.4g}", f"{error:.3g}"),),
        _chart(means),
        means | {"gap": gap, "error": error, "examples": [len(train), len(unseen)]},
        (_plot(name, means),),
    )


def example_losses(subject: Subject, rows: np.ndarray) -> np.ndarray:
    """Return the loss of each example against its true label, (n,)."""
    inputs, targets = subject.rows(rows)
    outputs = subject.outputs(inputs, subject.lane, subject.variables)
    if subject.data.classes:
        return losses(probabilities(outputs), targets, classes=True)
    return losses(outputs * subject.lane.target_scale, targets * subject.lane.target_scale, classes=False)


def strengths_of(subject: Subject) -> str:
    """Return every method with the values of its strength: `l2 0.01, dropout 0.3`."""
    strengths = []
    for method in subject.experiment.regularizers:
        numbers = [getattr(method, name) for name in method.neutral if not is_static(type(method), name)]
        strengths.append(" ".join([method.name, *(f"{x:g}" for x in numbers)]))
    return ", ".join(strengths) or "no regularizer"


def _chart(means: dict[str, float]) -> tuple[str, ...]:
    scale = WIDTH / max(*means.values(), 1e-30)
    return tuple(f"{name:<9} {'#' * round(mean * scale)}" for name, mean in means.items())


def _plot(name: str, means: dict[str, float]) -> Plot:
    caption = "Mean loss of training and of unseen examples; their difference is the gap."
    return Plot(
        "Generalisation", caption, "", name, (series(name, [0, 1], [*means.values()], "bars"),), ticks=(*means,)
    )
