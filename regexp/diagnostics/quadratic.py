"""Analyse the data loss near its minimum in float64, for models small enough for an exact Hessian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regexp.core.lazy import jax
from regexp.diagnostics import programs
from regexp.diagnostics.subject import Subject

LARGEST = 400  # parameters of the largest model with an exact Hessian
ROUNDS = 60  # iterations of Newton's method
ROUNDING = 1e-14  # tolerance for an increase of the objective
FLAT = 1e-9  # gradient norm at convergence
# Newton's step at convergence, relative to the weights. The gradient alone is not enough: a loss without a minimum
# becomes flat far out.
STILL = 1e-6
FARTHEST = 1e3  # weights beyond this multiple of the initial norm mean that there is no minimum


@dataclass(frozen=True)
class Point:
    """The data loss at weights (P,), with its gradient (P,) and Hessian (P, P)."""

    weights: np.ndarray
    loss: float
    gradient: np.ndarray
    hessian: np.ndarray


def flat(subject: Subject) -> np.ndarray:
    """Return the model's parameters as one vector (P,)."""
    parameters = subject.double[1].parameters["model"]
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(parameters)])


def is_kernel(subject: Subject) -> np.ndarray:
    """Return a mask (P,) of the parameters that L2 shrinks: kernels, not biases."""
    paths, _ = jax.tree_util.tree_flatten_with_path(subject.variables.parameters["model"])
    return np.concatenate([np.full(np.size(x), path[-1].key == "kernel") for path, x in paths])


def at(subject: Subject, weights: np.ndarray) -> Point:
    """Return loss, gradient and Hessian at weights (P,)."""
    lane, variables = subject.double
    loss, gradient, hessian = subject.call(programs.curvature, (lane, variables, *subject.analysed, weights), x64=True)
    return Point(weights, float(loss), gradient, hessian)


def minimum(subject: Subject, weights: np.ndarray, strengths: np.ndarray) -> Point | None:
    """Minimize data loss + 1/2 sum_i strengths_i w_i^2 by damped Newton's method; None if no minimum is found.

    weights: (P,) the starting point
    strengths: (P,) the L2 strength of each parameter
    """

    def objective(point: Point) -> float:
        return point.loss + 0.5 * float(strengths @ point.weights**2)

    point, damping = at(subject, weights), 0.0
    for _ in range(ROUNDS):
        gradient = point.gradient + strengths * point.weights
        values, vectors = np.linalg.eigh(point.hessian + np.diag(strengths))
        largest, along = np.abs(values).max(), vectors.T @ gradient
        # Negative curvature counts by its absolute value, so that every step is a descent direction.
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
    """Return the Hessian of the kernels with optimal biases, the Schur complement H_kk - H_kb H_bb^-1 H_bk."""
    h = point.hessian
    inside, mixed, outside = h[np.ix_(kernels, kernels)], h[np.ix_(kernels, ~kernels)], h[np.ix_(~kernels, ~kernels)]
    schur_complement: np.ndarray = inside - mixed @ np.linalg.pinv(outside) @ mixed.T
    return schur_complement
