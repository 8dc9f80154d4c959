"""Confidence against accuracy on test examples: NLL, Brier score, ECE, and the reliability diagram."""

from __future__ import annotations

import numpy as np

from regexp.diagnostics.subject import Subject
from regexp.metrics import measure
from regexp.runs.explanation import Explanation, Plot, series

WIDTH = 40


def explain(subject: Subject) -> Explanation:
    """Equal-width bins (lower, upper] of the largest probability; their gaps, weighted by examples, are the ECE."""
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
    """(n,) the largest probability, (n,) whether its class is the label."""
    return probabilities(logits).max(-1), (logits.argmax(-1) == labels).astype(float)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float64."""
    shifted = np.exp((logits - logits.max(-1, keepdims=True)).astype(np.float64))
    found: np.ndarray = shifted / shifted.sum(-1, keepdims=True)
    return found


def reliability(confidence: np.ndarray, correct: np.ndarray, count: int) -> list[dict[str, float]]:
    """{upper, examples, confidence, accuracy} of each of `count` equal-width bins (lower, upper] that is not empty."""
    index = np.clip(np.ceil(confidence * count).astype(int) - 1, 0, count - 1)
    inside = {k: index == k for k in range(count) if np.any(index == k)}
    return [
        {"upper": (k + 1) / count, "examples": int(own.sum()), "confidence": float(confidence[own].mean()),
         "accuracy": float(correct[own].mean())}
        for k, own in inside.items()
    ]  # fmt: skip


def _chart(bins: list[dict[str, float]]) -> tuple[str, ...]:
    lines = ["accuracy # and confidence | by confidence up to ..., examples"]
    for one in bins:
        bar = list(("#" * round(one["accuracy"] * WIDTH)).ljust(WIDTH + 1))
        bar[round(one["confidence"] * WIDTH)] = "|"
        lines.append(f"{one['upper']:.2f} {''.join(bar)} {one['examples']:>5}")
    return tuple(lines)


def _plot(bins: list[dict[str, float]]) -> Plot:
    confidence, accuracy = ([one[name] for one in bins] for name in ("confidence", "accuracy"))
    return Plot(
        "Reliability",
        "Accuracy over mean confidence in each bin with examples; on the diagonal a model is as sure as it is right.",
        "confidence",
        "accuracy",
        (series("this model", confidence, accuracy), series("as sure as right", [0, 1], [0, 1])),
    )
