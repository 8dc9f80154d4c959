"""The data loss near its minimum, for models small enough for their exact Hessian; in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regexp.core.lazy import jax
from regexp.diagnostics import programs
from regexp.diagnostics.subject import Subject

LARGEST = 400  # parameters
ROUNDS = 60  # of Newton's method
ROUNDING = 1e-14  # of the objective
FLAT = 1e-9  # norm of the gradient that counts as none
STILL = 1e-6  # and of Newton's step, a share of the weights': far out a loss may be flat and have no minimum
FARTHEST = 1e3  # times the first weights' norm: from there on the loss has no minimum, or none that is found


@dataclass(frozen=True)
class Point:
    """weights (P,), loss, gradient (P,), hessian (P, P) of the data loss there."""

    weights: np.ndarray
    loss: float
    gradient: np.ndarray
    hessian: np.ndarray


def flat(subject: Subject) -> np.ndarray:
    """The model's parameters in a row."""
    parameters = subject.double[1].parameters["model"]
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(parameters)])


def is_kernel(subject: Subject) -> np.ndarray:
    """(P,) whether a parameter is a weight, which L2 shrinks, and no bias."""
    paths, _ = jax.tree_util.tree_flatten_with_path(subject.variables.parameters["model"])
    return np.concatenate([np.full(np.size(x), path[-1].key == "kernel") for path, x in paths])


def at(subject: Subject, weights: np.ndarray) -> Point:
    """Loss, gradient and Hessian at some weights."""
    lane, variables = subject.double
    loss, gradient, hessian = subject.call(programs.curvature, (lane, variables, *subject.analysed, weights), x64=True)
    return Point(weights, float(loss), gradient, hessian)


def minimum(subject: Subject, weights: np.ndarray, strengths: np.ndarray) -> Point | None:
    """Where data loss + 1/2 sum_i strengths_i w_i^2 is least, by Newton's method with damping; None: not found.

    strengths: (P,) of each parameter
    The Hessian's negative directions count by their size, so that every step goes down.
    """

    def objective(point: Point) -> float:
        return point.loss + 0.5 * float(strengths @ point.weights**2)

    point, damping = at(subject, weights), 0.0
    for _ in range(ROUNDS):
        gradient = point.gradient + strengths * point.weights
        values, vectors = np.linalg.eigh(point.hessian + np.diag(strengths))
        largest, along = np.abs(values).max(), vectors.T @ gradient
        size = np.maximum(np.abs(values), 1e-12 * largest)
        to_go = np.linalg.norm(np.where(size > 1e-10 * largest, along / size, 0))
        if np.linalg.norm(gradient) <= FLAT and to_go <= STILL * (1 + np.linalg.norm(point.weights)):
            return point
        trial = at(subject, point.weights - vectors @ (along / (size + damping)))
        if objective(trial) <= objective(point) + ROUNDING:
            point, damping = trial, 0.1 * damping if damping > 1e-6 * largest else 0.0
        else:
            damping = max(10 * damping, 1e-4 * largest)
        if np.linalg.norm(point.weights) > FARTHEST * (1 + np.linalg.norm(weights)):
            return None
    return None


def profiled(point: Point, kernels: np.ndarray) -> np.ndarray:
    """The Hessian of the kernels with the biases at their best: H_kk - H_kb H_bb^-1 H_bk."""
    h = point.hessian
    inside, mixed, outside = h[np.ix_(kernels, kernels)], h[np.ix_(kernels, ~kernels)], h[np.ix_(~kernels, ~kernels)]
    found: np.ndarray = inside - mixed @ np.linalg.pinv(outside) @ mixed.T
    return found
