"""Compare early stopping with L2: the path of gradient descent from zero, and the nearest L2 minimum to each point."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from regexp.diagnostics import programs
from regexp.diagnostics.quadratic import LARGEST, flat, minimum
from regexp.diagnostics.subject import Subject
from regexp.runs.explanation import Explanation, Plot, series

SHARE = 0.1  # eps times the largest curvature; small, so that (1 - eps lambda)^tau is close to exp(-eps tau lambda)
LONGEST, POINTS = 20_000, 12  # the largest number of steps, and how many numbers of steps are tried up to it


def explain(subject: Subject) -> Explanation:
    """Compare tau steps of gradient descent with an L2 minimum, direction by direction of the Hessian.

    In the quadratic model, tau steps reach the share 1 - (1 - eps lambda)^tau of the minimum along a direction of
    curvature lambda; L2 of strength a keeps the share lambda/(lambda + a).
    """
    if subject.experiment.model.has_hidden():
        return Explanation(
            "The law assumes a quadratic loss from w = 0, where a network with hidden layers has a saddle."
        )
    weights = flat(subject)
    if len(weights) > LARGEST:
        return Explanation(f"The model has {len(weights)} parameters; the exact Hessian is limited to {LARGEST}.")
    best = minimum(subject, weights, np.zeros(len(weights)))
    if best is None:
        return Explanation("The data loss has no minimum (the classes are separable), so the path has no end.")
    values, vectors = np.linalg.eigh(best.hessian)
    rate = SHARE / values.max()
    lengths = np.unique(np.geomspace(1, LONGEST, POINTS).round().astype(np.int32))
    arguments = (*subject.double, *subject.analysed, np.zeros(len(weights)), np.asarray(rate), lengths)
    path = subject.call(programs.descent, arguments, x64=True)
    end = vectors.T @ best.weights
    measured, size = path @ vectors, np.linalg.norm(end)
    predicted = (1 - (1 - rate * values) ** lengths[:, None]) * end
    law = float(np.max(np.linalg.norm(measured - predicted, axis=1)) / size)
    nearest = np.asarray([_nearest(values, end, w) for w in measured])
    remaining = np.linalg.norm(measured, axis=1) / size
    gaps = np.asarray([np.linalg.norm(w - values / (values + a) * end) for w, a in zip(measured, nearest, strict=True)])
    ratio = nearest * rate * lengths
    ridge = [np.linalg.norm(values / (values + 1 / (rate * t)) * end) for t in lengths]
    rows = tuple(
        (f"{t}", f"{n:.4f}", f"{1 / (rate * t):.4g}", f"{a:.4g}", f"{r:.2f}", f"{g / size:.3f}")
        for t, n, a, r, g in zip(lengths, remaining, nearest, ratio, gaps, strict=True)
    )
    return Explanation(
        f"Stopped after tau steps of eps = {rate:.3g}, gradient descent is within {gaps.max() / size:.1%} of the "
        f"weights of an L2 minimum, whose a is {ratio.min():.2f} to {ratio.max():.2f} times 1/(eps tau); the quadratic "
        f"model gives the path to within {law:.1e}.",
        ("tau", "|w|/|w*|", "1/(eps tau)", "nearest a", "ratio", "distance"),
        rows,
        _chart(lengths, remaining, np.asarray(ridge) / size),
        {"rate": rate, "lengths": lengths.tolist(), "nearest": nearest.tolist(), "ratio": ratio.tolist(),
         "distance": (gaps / size).tolist(), "law": law},
        (_path(values, end, measured), _strengths(lengths, rate, nearest)),
    )  # fmt: skip


def _nearest(values: np.ndarray, end: np.ndarray, w: np.ndarray) -> float:
    """Return the strength a whose L2 minimum lambda/(lambda + a) w* is nearest to w."""

    def distance(log_a: float) -> float:
        return float(np.linalg.norm(w - values / (values + np.exp(log_a)) * end))

    largest = values.max()
    bounds = (np.log(1e-8 * largest), np.log(1e4 * largest))
    return float(np.exp(minimize_scalar(distance, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


def _chart(lengths: np.ndarray, remaining: np.ndarray, ridge: np.ndarray, width: int = 50) -> tuple[str, ...]:
    lines = ["|w|/|w*| after tau steps: # descent; | the L2 minimum with a = 1/(eps tau)"]
    for t, stopped, shrunk in zip(lengths, remaining, ridge, strict=True):
        bar = list(("#" * round(stopped * width)).ljust(width + 2))
        bar[round(shrunk * width)] = "|"
        lines.append(f"{t:>6} {''.join(bar).rstrip()}")
    return tuple(lines)


def _path(values: np.ndarray, end: np.ndarray, measured: np.ndarray) -> Plot:
    """Plot the path in the plane of the steepest and the flattest direction with a large coordinate of the minimum."""
    counts = np.flatnonzero(np.abs(end) > 0.1 * np.abs(end).max())
    steep, gentle = counts[-1], counts[0]
    strengths = np.geomspace(1e4 * values.max(), 1e-8 * values.max(), 200)
    shrunk = np.asarray([values / (values + a) * end for a in strengths])
    return Plot(
        "The path of the weights from zero",
        f"Along two directions of the Hessian, of curvature {values[steep]:.3g} and {values[gentle]:.3g}; dots are "
        "numbers of steps, the line is L2 minima from strong to weak; both end in the minimum.",
        "steep direction",
        "flat direction",
        (
            series("L2 minima", shrunk[:, steep], shrunk[:, gentle]),
            series("gradient descent", measured[:, steep], measured[:, gentle], "points"),
        ),
    )


def _strengths(lengths: np.ndarray, rate: float, nearest: np.ndarray) -> Plot:
    return Plot(
        "Number of steps as a strength of L2",
        "The strength whose minimum is nearest to the weights after tau steps, and 1/(eps tau).",
        "steps tau",
        "a",
        (series("nearest a", lengths, nearest, "points"), series("1/(eps tau)", lengths, 1 / (rate * lengths))),
        "xy",
    )
