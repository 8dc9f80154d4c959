"""How much loss and gradient change along the update, with batch norm and without (Santurkar et al. 2018)."""

from __future__ import annotations

import numpy as np

from regexp.diagnostics.subject import Subject
from regexp.diagnostics.trajectory import FACTORS, Trajectory, has_batch_norm, trajectories
from regexp.runs.explanation import Explanation, Plot, series

KINDS = ("with batch norm", "without")
WIDTH = 40
LEAST = 1e-30


def explain(subject: Subject) -> Explanation:
    """On the batch of a step, at 1/2, 1, 2 and 4 times the update that the optimizer makes on it; medians over steps.

    loss range: the largest loss less the smallest, that at w itself among them
    gradient change: the largest |g(w + s u) - g(w)|; relative change: over |g(w)|
    smoothness: the largest |g(w + s u) - g(w)| / |s u|, the effective beta
    Source: Santurkar, Tsipras, Ilyas, Madry 2018, figure 4.
    """
    if not has_batch_norm(subject):
        return Explanation("This run has no batch norm to leave out.")
    pair = trajectories(subject)
    found = [smoothness(one) for one in pair]
    middle = {name: tuple(float(np.median(one[name])) for one in found) for name in found[0]}
    rows = tuple((name, f"{a:.4g}", f"{b:.4g}", f"{a / b:.3g}" if b else "-") for name, (a, b) in middle.items())
    loss, gradient = middle["loss range"], middle["relative change"]
    each = [{name: values.tolist() for name, values in one.items()} for one in found]
    return Explanation(
        f"Up to {FACTORS[-1]:g} times the update, the loss varies by {loss[0]:.3g} with batch norm and {loss[1]:.3g} "
        f"without, and the gradient changes by {gradient[0]:.3g} and {gradient[1]:.3g} of its norm: medians over "
        f"{len(pair[0].steps)} steps of one seed.",
        ("median", *KINDS, "ratio"),
        rows,
        _chart(pair[0].steps, *(one["loss range"] for one in found)),
        {"medians": middle, "steps": pair[0].steps.tolist()} | dict(zip(KINDS, each, strict=True)),
        (_landscape(pair), *(_plot(name, pair[0].steps, found) for name in ("relative change", "smoothness"))),
    )


def smoothness(one: Trajectory) -> dict[str, np.ndarray]:
    """{name: (P,)} as `explain` defines them."""
    losses = np.concatenate([one.loss[:, None], one.losses], 1)
    largest = one.changes.max(1)
    return {
        "loss range": losses.max(1) - losses.min(1),
        "gradient change": largest,
        "relative change": largest / np.maximum(one.gradient, LEAST),
        "smoothness": (one.changes / np.maximum(one.lengths, LEAST)).max(1),
    }


def _chart(steps: np.ndarray, with_: np.ndarray, without: np.ndarray) -> tuple[str, ...]:
    """The loss range over the steps."""
    both = np.concatenate([with_, without])
    scale = WIDTH / max(np.max(both[np.isfinite(both)], initial=0), LEAST)
    lengths = np.rint(np.nan_to_num(both * scale, nan=WIDTH, posinf=WIDTH)).astype(int).reshape(2, -1)
    lines = ["loss range along the update, by step: # with batch norm, | without"]
    for step, bar, mark in zip(steps, *lengths, strict=True):
        line = list(("#" * bar).ljust(WIDTH + 1))
        line[mark] = "|"
        lines.append(f"{step:>6} {''.join(line).rstrip()}")
    return tuple(lines)


def _landscape(pair: tuple[Trajectory, Trajectory]) -> Plot:
    lines = []
    for kind, one in zip(KINDS, pair, strict=True):
        losses = np.concatenate([one.loss[:, None], one.losses], 1)
        lines.append(series(kind, one.steps, one.loss, band=(losses.min(1), losses.max(1))))
    caption = f"The batch's loss; the band holds its values up to {FACTORS[-1]:g} times the update."
    return Plot("Loss along the update", caption, "step", "loss", tuple(lines))


def _plot(name: str, steps: np.ndarray, found: list[dict[str, np.ndarray]]) -> Plot:
    lines = tuple(series(kind, steps, one[name]) for kind, one in zip(KINDS, found, strict=True))
    return Plot(f"{name.capitalize()} along the update", CAPTIONS[name], "step", name, lines, "y")


CAPTIONS = {
    "relative change": "The largest change of the gradient along the update, over the gradient's norm.",
    "smoothness": "The largest change of the gradient along the update, over the distance: the effective beta.",
}
