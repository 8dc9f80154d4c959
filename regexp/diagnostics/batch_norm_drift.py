"""How far the distribution of each layer's inputs moves during training, with batch norm and without: quartiles."""

from __future__ import annotations

import numpy as np

from regexp.diagnostics.subject import Subject
from regexp.diagnostics.trajectory import has_batch_norm, trajectories
from regexp.runs.explanation import Explanation, Plot, series

WIDTH = 40
KINDS = ("with", "without")


def explain(subject: Subject) -> Explanation:
    """What each nonlinearity is given, unit by unit, on the same training examples; behind batch norm, where it is.

    Drift: the mean change of a unit's quartiles from one probe to the next, over its layer's mean interquartile range.
    """
    if not has_batch_norm(subject):
        return Explanation("This run has no batch norm to leave out.")
    pair = trajectories(subject)
    if len(pair[0].steps) < 2:
        return Explanation("This run has too few steps to see anything move.")
    drifts = {name: tuple(drift(one.quartiles[name]) for one in pair) for name in pair[0].quartiles}
    whole = [float(np.mean(found)) for found in zip(*drifts.values(), strict=True)]
    probes, between = len(pair[0].steps), int(pair[0].steps[1])
    rows = tuple(
        (name, kind, f"{drifts[name][k]:.4f}", *_ends(pair[k].quartiles[name]))
        for name in drifts
        for k, kind in enumerate(KINDS)
    )
    return Explanation(
        f"From one of {probes} probes to the next ({between} steps) the quartiles of a unit's input move by "
        f"{whole[0]:.3f} of the interquartile range with batch norm and by {whole[1]:.3f} without, mean over "
        f"{len(drifts)} layers.",
        ("layer", "batch norm", "drift", "quartiles before", "and after"),
        rows,
        _chart(drifts),
        {"drift": whole, "layers": drifts, "steps": pair[0].steps.tolist()},
        tuple(_plot(name, [one.quartiles[name] for one in pair], pair[0].steps) for name in drifts),
    )


def drift(quartiles: np.ndarray) -> float:
    """(P, 3, units) -> mean |change| between probes / mean interquartile range; infinite where training diverges."""
    if not np.all(np.isfinite(quartiles)):
        return float("inf")
    width = float(np.mean(quartiles[:, 2] - quartiles[:, 0]))
    return float(np.mean(np.abs(np.diff(quartiles, axis=0))) / width) if width > 0 else 0.0


def typical(quartiles: np.ndarray) -> int:
    """The unit whose quartiles move by the median of all units' ways."""
    ways = np.abs(np.diff(quartiles, axis=0)).sum((0, 1))
    return int(np.argsort(ways, kind="stable")[(len(ways) - 1) // 2])


def _ends(quartiles: np.ndarray) -> tuple[str, str]:
    """Of a layer's typical unit, at the first and the last probe."""
    found = quartiles[:, :, typical(quartiles)]
    return tuple(" ".join(f"{q:.2f}" for q in found[at]) for at in (0, -1))  # type: ignore[return-value]


def _chart(drifts: dict[str, tuple[float, ...]]) -> tuple[str, ...]:
    scale = WIDTH / max([1e-30, *(x for pair in drifts.values() for x in pair if np.isfinite(x))])
    lines = ["drift: # with batch norm, + without"]
    for name, pair in drifts.items():
        with_, without = (round(min(x * scale, WIDTH)) for x in pair)
        lines += [f"{name:<12} {'#' * with_}", f"{'':<12} {'+' * without}"]
    return tuple(line.rstrip() for line in lines)


def _plot(name: str, pair: list[np.ndarray], steps: np.ndarray) -> Plot:
    ones = [quartiles[:, :, typical(quartiles)].T for quartiles in pair]
    drawn = [series(f"{kind} batch norm", steps, q[1], band=(q[0], q[2])) for kind, q in zip(KINDS, ones, strict=True)]
    return Plot(
        f"Inputs of the nonlinearity of {name}",
        "Median and quartiles over training examples of one unit: that whose quartiles move by the median of all ways.",
        "step",
        "input",
        tuple(drawn),
    )
