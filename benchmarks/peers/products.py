"""The bare matrix products of a step of the MLP: forward, weight gradients, input gradients; nothing else."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import jax
import numpy as np
from jax import lax

from benchmarks.cases import Case, arrays


def prepare(case: Case) -> Callable[[], int]:
    """A function that does the products of `case.steps` steps per lane, one lane after another."""
    x, _ = arrays(case)
    widths = (int(np.prod(x.shape[1:])), *case.hidden, 10)
    keys = iter(jax.random.split(jax.random.key(0), 20))
    kernels = [jax.random.normal(next(keys), pair) / 30 for pair in pairwise(widths)]
    batch = jax.random.normal(next(keys), (case.batch, widths[0]))

    @jax.jit
    def products(kernels: list[jax.Array], batch: jax.Array) -> list[jax.Array]:
        def step(_: int, kernels: list[jax.Array]) -> list[jax.Array]:
            outputs = [batch]
            for kernel in kernels:
                outputs.append(outputs[-1] @ kernel)
            gradient, new = outputs[-1], list(kernels)
            for i in reversed(range(len(kernels))):
                new[i] = outputs[i].T @ gradient * 1e-9  # used, so that nothing is left out
                if i:
                    gradient = gradient @ kernels[i].T
            return [k + n for k, n in zip(kernels, new, strict=True)]

        return lax.fori_loop(0, case.steps, step, kernels)

    def run() -> int:
        for _ in range(case.lanes):
            jax.block_until_ready(products(kernels, batch))
        return case.steps * case.lanes

    return run
