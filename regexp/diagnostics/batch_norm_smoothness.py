"""Measure how loss and gradient change along the update, with batch norm and without (Santurkar et al. 2018)."""

from __future__ import annotations

import numpy as np

from regexp.diagnostics.subject import Subject
from regexp.diagnostics.trajectory import FACTORS, Trajectory, has_batch_norm, trajectories
from regexp.runs.explanation import Explanation, Plot, series

KINDS = ("with batch norm", "without")
WIDTH = 40
LEAST = 1e-30


def explain(subject: Subject) -> Explanation:
    """Evaluate a step's batch at 1/2, 1, 2 and 4 times the optimizer's update u; report medians over steps.

    loss range: largest minus smallest loss, including the loss at w itself
    gradient change: the largest |g(w + s u) - g(w)|; relative change: the same, divided by |g(w)|
    smoothness: the largest |g(w + s u) - g(w)| / |s u|, the effective beta
    Source: Santurkar, Tsipras, Ilyas, Madry 2018, figure 4.
    """
    if not has_batch_norm(subject):
        return Explanation("This run has no batch norm, so there is nothing to compare.")
    pair = trajectories(subject)
    measures = [smoothness(network) for network in pair]
    middle = {name: tuple(float(np.median(measure[name])) for measure in measures) for name in measures[0]}
    rows = tuple((name, f"{a:.4g}", f"{b:.4g}", f"{a / b:.3g}" if b else "-") for name, (a, b) in middle.items())
    loss, gradient = middle["loss range"], middle["relative change"]
    values_by_kind = [{name: values.tolist() for name, values in measure.items()} for measure in measures]
    return Explanation(
        f"Up to {FACTORS[-1]:g} times the update, the loss varies by {loss[0]:.3g} with batch norm and {loss[1]:.3g} "
        f"without, and the gradient changes by {gradient[0]:.3g} and {gradient[1]:.3g} of its norm: medians over "
        f"{len(pair[0].steps)} steps of one seed.",
        ("median", *KINDS, "ratio"),
        rows,
        _chart(pair[0].steps, *(measure["loss range"] for measure in measures)),
        {"medians": middle, "steps": pair[0].steps.tolist()} | dict(zip(KINDS, values_by_kind, strict=True)),
        (_landscape(pair), *(_plot(name, pair[0].steps, measures) for name in ("relative change", "smoothness"))),
    )


def smoothness(network: Trajectory) -> dict[str, np.ndarray]:
    """Return the measures that `explain` defines, {name: (P,)}."""
    losses = np.concatenate([network.loss[:, None], network.losses], 1)
    largest = network.changes.max(1)
    return {
        "loss range": losses.max(1) - losses.min(1),
        "gradient change": largest,
        "relative change": largest / np.maximum(network.gradient, LEAST),
        "smoothness": (network.changes / np.maximum(network.lengths, LEAST)).max(1),
    }


def _chart(steps: np.ndarray, with_: np.ndarray, without: np.ndarray) -> tuple[str, ...]:
    """Return a bar per step: the loss range with batch norm, and a mark without."""
    ranges = np.concatenate([with_, without])
    scale = WIDTH / max(np.max(ranges[np.isfinite(ranges)], initial=0), LEAST)
    lengths = np.rint(np.nan_to_num(ranges * scale, nan=WIDTH, posinf=WIDTH)).astype(int).reshape(2, -1)
    lines = ["loss range along the update, by step: # with batch norm, | without"]
    for step, bar, mark in zip(steps, *lengths, strict=True):
        line = list(("#" * bar).ljust(WIDTH + 1))
        line[mark] = "|"
        lines.append(f"{step:>6} {''.join(line).rstrip()}")
    return tuple(lines)


def _landscape(pair: tuple[Trajectory, Trajectory]) -> Plot:
    lines = []
    for kind, network in zip(KINDS, pair, strict=True):
        losses = np.concatenate([network.loss[:, None], network.losses], 1)
        lines.append(series(kind, network.steps, network.loss, band=(losses.min(1), losses.max(1))))
    caption = f"The loss of the batch; the band spans its values up to {FACTORS[-1]:g} times the update."
    return Plot("Loss along the update", caption, "step", "loss", tuple(lines))


def _plot(name: str, steps: np.ndarray, measures: list[dict[str, np.ndarray]]) -> Plot:
    lines = tuple(series(kind, steps, measure[name]) for kind, measure in zip(KINDS, measures, strict=True))
    return Plot(f"{name.capitalize()} along the update", CAPTIONS[name], "step", name, lines, "y")


CAPTIONS = {
    "relative change": "The largest change of the gradient along the update, divided by the norm of the gradient.",
    "smoothness": "The largest change of the gradient along the update, divided by the distance: the effective beta.",
}
