"""Compute the Hessian spectrum of the data loss, and how L2 shrinks the minimum along its eigenvectors."""

from __future__ import annotations

import numpy as np

from regexp.diagnostics import programs
from regexp.diagnostics.quadratic import LARGEST, Point, flat, is_kernel, minimum, profiled
from regexp.diagnostics.subject import Subject
from regexp.runs.explanation import Explanation, Plot, series

SHOWN = 10  # rows of the table
KRYLOV = 40  # steps of the Lanczos method
COUNTS = 1e-3  # share of the largest coordinate; ratios of smaller coordinates are mostly rounding
COLUMNS = ("lambda", "lambda/(lambda + a)", "measured")


def explain(subject: Subject) -> Explanation:
    """Compare the shrinkage by L2 with lambda/(lambda + a), at the minimum reached without penalties.

    The Hessian is exact for up to LARGEST parameters; larger models get the ends of the spectrum only.
    """
    weights = flat(subject)
    if len(weights) > LARGEST:
        return _large(subject, weights)
    best = minimum(subject, weights, np.zeros(len(weights)))
    if best is None:
        return Explanation("No minimum of the data loss was found from this run, so there is no law to compare with.")
    return _shrinkage(subject, best)


def strength_of(subject: Subject, values: np.ndarray) -> float:
    """Return the strength a: the run's own L2, else the median positive curvature."""
    l2_strengths = [m.strength for m in subject.experiment.regularizers if m.name == "l2"]  # type: ignore[attr-defined]
    return float(l2_strengths[0]) if l2_strengths and l2_strengths[0] > 0 else float(np.median(values[values > 0]))


def _shrinkage(subject: Subject, best: Point) -> Explanation:
    inside = is_kernel(subject)
    values, vectors = np.linalg.eigh(profiled(best, inside))
    a = strength_of(subject, values)
    shrunk = minimum(subject, best.weights, a * inside)
    if shrunk is None:
        return Explanation(f"The run continued with L2 a = {a:.3g} reached no minimum, so there is nothing to compare.")
    before, after = vectors.T @ best.weights[inside], vectors.T @ shrunk.weights[inside]
    counts = np.abs(before) > COUNTS * np.abs(before).max()
    predicted, measured = values[counts] / (values[counts] + a), after[counts] / before[counts]
    gap = float(np.max(np.abs(predicted - measured)))
    order = np.argsort(-values[counts])
    shown = order[np.unique(np.linspace(0, len(order) - 1, SHOWN).round().astype(int))]
    rows = tuple((f"{values[counts][i]:.4g}", f"{predicted[i]:.6f}", f"{measured[i]:.6f}") for i in shown)
    return Explanation(
        f"Continued with L2 a = {a:.3g}, the minimum shrinks along the Hessian's directions as lambda/(lambda + a) "
        f"says, to within {gap:.1e}.",
        COLUMNS,
        rows,
        bars(predicted[order], measured[order]),
        {"a": a, "eigenvalues": values.tolist(), "predicted": predicted.tolist(), "measured": measured.tolist(),
         "gap": gap},
        (_plot(values[counts][order], predicted[order], measured[order], a),),
    )  # fmt: skip


def _plot(values: np.ndarray, predicted: np.ndarray, measured: np.ndarray, a: float) -> Plot:
    return Plot(
        f"Shrinkage under L2 a = {a:.3g}",
        "The share of the minimum that remains along each direction of the Hessian, by curvature.",
        "lambda",
        "remaining share",
        (series("lambda/(lambda + a)", values, predicted), series("measured", values, measured, "points")),
        "x",
    )


def bars(predicted: np.ndarray, measured: np.ndarray, width: int = 50) -> tuple[str, ...]:
    """Return a line per direction, steep ones first: # the measured share, | the predicted one."""
    lines = ["steep directions first: # remaining share, measured; | predicted"]
    for p, m in list(zip(predicted, measured, strict=True))[:: max(1, len(predicted) // 20)]:
        bar = list(("#" * round(float(np.clip(m, 0, 1)) * width)).ljust(width + 1))
        bar[round(float(np.clip(p, 0, 1)) * width)] = "|"
        lines.append("".join(bar).rstrip())
    return tuple(lines)


def _large(subject: Subject, weights: np.ndarray) -> Explanation:
    """Estimate extreme eigenvalues at the run's weights by the Lanczos method, from Hessian-vector products."""
    basis = np.zeros((min(KRYLOV, len(weights)), len(weights)))
    start = np.random.default_rng(0).normal(size=len(weights))
    basis[0] = start / np.linalg.norm(start)
    arguments = (*subject.double, *subject.analysed, weights, basis)
    slope, diagonal, off = subject.call(programs.lanczos, arguments, x64=True)
    matrix = np.diag(diagonal) + np.diag(off[:-1], 1) + np.diag(off[:-1], -1)
    ritz, vectors = np.linalg.eigh(matrix)
    rounding = np.finfo(float).eps * np.abs(ritz).max()
    errors = np.maximum(np.abs(off[-1] * vectors[-1]), rounding)
    order = [*range(len(ritz) - 1, len(ritz) - 6, -1), 0]
    a = strength_of(subject, ritz)
    rows = tuple((f"{ritz[i]:.4g} +- {errors[i]:.1g}", f"{max(ritz[i], 0) / (max(ritz[i], 0) + a):.4f}", "-")
                 for i in order)  # fmt: skip
    return Explanation(
        f"The {len(weights)} parameters are too many for an exact Hessian; Lanczos finds curvatures from "
        f"{ritz[0]:.3g} to {ritz[-1]:.4g} where the gradient is {slope:.2g}; for a = {a:.3g} the shrinkage is "
        "predicted, not measured.",
        COLUMNS,
        rows,
        values={"a": a, "ritz": ritz.tolist(), "errors": errors.tolist(), "gradient": float(slope)},
        shown=(_spectrum(ritz, errors),),
    )


def _spectrum(ritz: np.ndarray, errors: np.ndarray) -> Plot:
    places = np.arange(1, len(ritz) + 1)
    return Plot(
        "Curvatures that Lanczos finds",
        f"Ritz values after {len(ritz)} steps, with their error bounds: the ends of the spectrum converge first.",
        "from the smallest",
        "lambda",
        (series("Ritz value", places, ritz, band=(ritz - errors, ritz + errors)),),
    )
