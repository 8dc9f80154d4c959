"""Decompose the squared loss and the 0-1 loss into bias and variance over bootstrap replicates of the training data."""

from __future__ import annotations

import numpy as np

from regexp.diagnostics.calibration import probabilities
from regexp.diagnostics.subject import Subject
from regexp.runs.explanation import Explanation, Plot, series

WIDTH = 50


def explain(subject: Subject) -> Explanation:
    """Decompose the loss over the members of a `bagging` ensemble: one architecture, different bootstrap resamples."""
    if not any(method.resamples for method in subject.experiment.regularizers):
        return Explanation("This run has no bootstrap replicates; `bagging: {members: 20}` trains them.")
    rows, members = subject.unseen, subject.members
    if len(members) < 2 or not len(rows):
        return Explanation("A variance needs at least two replicates and test or validation examples.")
    outputs = np.stack([subject.predict(model, rows) for model in members]).astype(np.float64)
    targets = subject.data.targets[rows]
    parts: dict[str, dict[str, float]] = {}
    if subject.data.classes:
        parts["squared (Brier)"] = squared(probabilities(outputs), np.eye(outputs.shape[-1])[targets])
        parts["0-1"] = zero_one(outputs.argmax(-1), targets, outputs.shape[-1])
    else:
        parts["squared"] = squared(outputs, targets.astype(np.float64))
    keys = ("loss", "bias", "variance", "adds", "removes")
    table = tuple((name, *(f"{part[key]:.4g}" for key in keys)) for name, part in parts.items())
    return Explanation(
        f"Over {len(members)} bootstrap replicates and {len(rows)} examples "
        f"{' and '.join(map(_sentence, parts, parts.values()))}.",
        ("loss", "mean", "bias", "variance", "adds", "removes"),
        table,
        _chart(parts),
        {"replicates": len(members), "examples": len(rows)} | parts,
        (_plot(parts),),
    )


def squared(predicted: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Decompose the squared loss: the mean over n examples of the sum over K outputs.

    predicted: (R, n, K) of R replicates
    targets: (n, K)

    E_D |t - f_D|^2 = |t - E f_D|^2 + E |f_D - E f_D|^2: the first term is the squared bias plus the noise of the
    targets, which cannot be separated with one target per example. The variance divides by R - 1, and the first term is
    the mean loss minus the variance, so both are unbiased for any R.
    """
    variance = float(np.var(predicted, 0, ddof=1).sum(-1).mean())
    loss = float(np.square(predicted - targets).sum(-1).mean())
    return {"loss": loss, "bias": loss - variance, "variance": variance, "adds": variance, "removes": 0.0}


def zero_one(predicted: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, float]:
    """Decompose the 0-1 loss: loss = bias + adds - removes, for any R. Labels are assumed to be free of noise.

    predicted: (R, n) classes of R replicates
    labels: (n,)

    The main prediction is the most frequent one (ties: the smallest class). bias: the share of examples where it is
    wrong; variance: how often a replicate differs from it. Where the main prediction is right, variance adds to the
    loss; where it is wrong, variance towards the label reduces it.
    Source: Domingos, A unified bias-variance decomposition, 2000.
    """
    counts = (predicted[..., None] == np.arange(classes)).sum(0)  # (n, K)
    main = counts.argmax(-1)
    differs = 1 - counts.max(-1) / len(predicted)
    right = counts[np.arange(len(labels)), labels] / len(predicted)
    biased = main != labels
    return {"loss": float(1 - right.mean()), "bias": float(biased.mean()), "variance": float(differs.mean()),
            "adds": float(np.where(biased, 0, differs).mean()),
            "removes": float(np.where(biased, right, 0).mean())}  # fmt: skip


def _sentence(name: str, part: dict[str, float]) -> str:
    loss, bias, adds, removes = (f"{part[key]:.4g}" for key in ("loss", "bias", "adds", "removes"))
    if name == "0-1":
        return f"the 0-1 loss {loss} is {bias} bias plus {adds} less {removes} variance (Domingos 2000)"
    return f"the {name} loss {loss} is {bias} bias and noise plus {adds} variance"


def _chart(parts: dict[str, dict[str, float]]) -> tuple[str, ...]:
    """Return a bar per loss: # bias, + what variance adds; | the mean loss."""
    lines = ["# bias, + what variance adds; | mean loss"]
    for name, part in parts.items():
        scale = WIDTH / max(part["bias"] + part["adds"], 1e-30)
        bias = round(max(part["bias"], 0) * scale)
        bar = list("#" * bias + "+" * (WIDTH - bias) + " ")
        bar[round(part["loss"] * scale)] = "|"
        lines.append(f"{name:<15} {''.join(bar).rstrip()}")
    return tuple(lines)


def _plot(parts: dict[str, dict[str, float]]) -> Plot:
    places = range(len(parts))
    drawn = {"bias": "bias", "variance that adds": "adds", "variance that removes": "removes", "mean loss": "loss"}
    return Plot(
        "Bias and variance",
        "Mean loss = bias + what variance adds - what it removes where the main prediction is wrong (0-1 loss only).",
        "",
        "loss",
        tuple(series(label, places, [part[key] for part in parts.values()], "bars") for label, key in drawn.items()),
        ticks=tuple(parts),
    )
