"""Compare confidence with accuracy on test examples: NLL, Brier score, ECE and the reliability diagram."""

from __future__ import annotations

import numpy as np

from regexp.diagnostics.subject import Subject
from regexp.metrics import measure
from regexp.runs.explanation import Explanation, Plot, series

WIDTH = 40


def explain(subject: Subject) -> Explanation:
    """Bin examples by their largest probability, in equal-width bins (lower, upper].

    ECE = the mean |accuracy - confidence| of the bins, weighted by their numbers of examples
    """
    if not subject.data.classes:
        return Explanation("This run is a regression; its predictions have no confidence to calibrate.")
    rows = subject.unseen
    if not len(rows):
        return Explanation("This run has neither test nor validation examples to calibrate on.")
    inputs, _ = subject.rows(rows)
    logits = subject.outputs(inputs, subject.lane, subject.variables)
    labels, count = subject.data.targets[rows], subject.experiment.evaluation.ece_bins
    unscaled = np.zeros(1, np.float32)
    measured = measure("classification", "cross_entropy", logits, labels, unscaled, unscaled, count)
    metrics = {name: float(value) for name, value in measured.items()}
    confidence, correct = confidences(logits, labels)
    bins = reliability(confidence, correct, count)
    gap = float(confidence.mean() - correct.mean())
    names = ("accuracy", "nll", "brier", "ece")
    return Explanation(
        f"Mean confidence {confidence.mean():.4f} against accuracy {correct.mean():.4f} on {len(rows)} examples: "
        f"{'over' if gap > 0 else 'under'}confident by {abs(gap):.4f}, ECE {metrics['ece']:.4f} over {count} bins.",
        (*names, "confidence"),
        ((*(f"{metrics[name]:.4f}" for name in names), f"{confidence.mean():.4f}"),),
        _chart(bins),
        {name: metrics[name] for name in names} | {"confidence": float(confidence.mean()), "bins": bins},
        (_plot(bins),),
    )


def confidences(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest probability and whether its class is the label (1 or 0), both (n,)."""
    return probabilities(logits).max(-1), (logits.argmax(-1) == labels).astype(float)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, in float64."""
    shifted = np.exp((logits - logits.max(-1, keepdims=True)).astype(np.float64))
    normalized: np.ndarray = shifted / shifted.sum(-1, keepdims=True)
    return normalized


def reliability(confidence: np.ndarray, correct: np.ndarray, count: int) -> list[dict[str, float]]:
    """Return {upper, examples, confidence, accuracy} of each of `count` bins (lower, upper] that is not empty."""
    index = np.clip(np.ceil(confidence * count).astype(int) - 1, 0, count - 1)
    inside = {k: index == k for k in range(count) if np.any(index == k)}
    return [
        {"upper": (k + 1) / count, "examples": int(members.sum()), "confidence": float(confidence[members].mean()),
         "accuracy": float(correct[members].mean())}
        for k, members in inside.items()
    ]  # fmt: skip


def _chart(bins: list[dict[str, float]]) -> tuple[str, ...]:
    lines = ["accuracy # and confidence | by confidence up to ..., examples"]
    for row in bins:
        bar = list(("#" * round(row["accuracy"] * WIDTH)).ljust(WIDTH + 1))
        bar[round(row["confidence"] * WIDTH)] = "|"
        lines.append(f"{row['upper']:.2f} {''.join(bar)} {row['examples']:>5}")
    return tuple(lines)


def _plot(bins: list[dict[str, float]]) -> Plot:
    confidence, accuracy = ([row[name] for row in bins] for name in ("confidence", "accuracy"))
    return Plot(
        "Reliability",
        "Accuracy over mean confidence in each bin with examples; on the diagonal a model is perfectly calibrated.",
        "confidence",
        "accuracy",
        (series("this model", confidence, accuracy), series("perfectly calibrated", [0, 1], [0, 1])),
    )
