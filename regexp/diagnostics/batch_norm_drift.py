"""Measure how far the distribution of each layer's inputs drifts during training, with batch norm and without."""

from __future__ import annotations

import numpy as np

from regexp.diagnostics.subject import Subject
from regexp.diagnostics.trajectory import has_batch_norm, trajectories
from regexp.runs.explanation import Explanation, Plot, series

WIDTH = 40
KINDS = ("with", "without")


def explain(subject: Subject) -> Explanation:
    """Compare the quartiles of every unit's input to its nonlinearity, after batch norm if there is one.

    drift = mean change of a unit's quartiles from one probe to the next / mean interquartile range of the layer
    All probes use the same training examples.
    """
    if not has_batch_norm(subject):
        return Explanation("This run has no batch norm, so there is nothing to compare.")
    pair = trajectories(subject)
    if len(pair[0].steps) < 2:
        return Explanation("This run has too few steps to measure drift.")
    drifts = {name: tuple(drift(network.quartiles[name]) for network in pair) for name in pair[0].quartiles}
    mean_drifts = [float(np.mean(layer_drifts)) for layer_drifts in zip(*drifts.values(), strict=True)]
    probes, between = len(pair[0].steps), int(pair[0].steps[1])
    rows = tuple(
        (name, kind, f"{drifts[name][k]:.4f}", *_ends(pair[k].quartiles[name]))
        for name in drifts
        for k, kind in enumerate(KINDS)
    )
    return Explanation(
        f"From one of {probes} probes to the next ({between} steps) the quartiles of a unit's input move by "
        f"{mean_drifts[0]:.3f} of the interquartile range with batch norm and by {mean_drifts[1]:.3f} without, "
        f"mean over {len(drifts)} layers.",
        ("layer", "batch norm", "drift", "quartiles before", "and after"),
        rows,
        _chart(drifts),
        {"drift": mean_drifts, "layers": drifts, "steps": pair[0].steps.tolist()},
        tuple(_plot(name, [network.quartiles[name] for network in pair], pair[0].steps) for name in drifts),
    )


def drift(quartiles: np.ndarray) -> float:
    """Return mean |change| between probes / mean interquartile range; infinite if training diverged.

    quartiles: (P, 3, units)
    """
    if not np.all(np.isfinite(quartiles)):
        return float("inf")
    width = float(np.mean(quartiles[:, 2] - quartiles[:, 0]))
    return float(np.mean(np.abs(np.diff(quartiles, axis=0))) / width) if width > 0 else 0.0


def typical(quartiles: np.ndarray) -> int:
    """Return the index of the unit with the median total movement of its quartiles."""
    movements = np.abs(np.diff(quartiles, axis=0)).sum((0, 1))
    return int(np.argsort(movements, kind="stable")[(len(movements) - 1) // 2])


def _ends(quartiles: np.ndarray) -> tuple[str, str]:
    """Return the quartiles of a layer's typical unit at the first and the last probe."""
    unit_quartiles = quartiles[:, :, typical(quartiles)]
    return tuple(" ".join(f"{q:.2f}" for q in unit_quartiles[at]) for at in (0, -1))  # type: ignore[return-value]


def _chart(drifts: dict[str, tuple[float, ...]]) -> tuple[str, ...]:
    scale = WIDTH / max([1e-30, *(x for pair in drifts.values() for x in pair if np.isfinite(x))])
    lines = ["drift: # with batch norm, + without"]
    for name, pair in drifts.items():
        with_, without = (round(min(x * scale, WIDTH)) for x in pair)
        lines += [f"{name:<12} {'#' * with_}", f"{'':<12} {'+' * without}"]
    return tuple(line.rstrip() for line in lines)


def _plot(name: str, pair: list[np.ndarray], steps: np.ndarray) -> Plot:
    unit_quartiles = [quartiles[:, :, typical(quartiles)].T for quartiles in pair]
    drawn = [
        series(f"{kind} batch norm", steps, q[1], band=(q[0], q[2]))
        for kind, q in zip(KINDS, unit_quartiles, strict=True)
    ]
    return Plot(
        f"Inputs of the nonlinearity of {name}",
        "Median and quartiles over training examples of a typical unit: the one with the median movement.",
        "step",
        "input",
        tuple(drawn),
    )
