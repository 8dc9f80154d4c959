"""Running statistics measured anew after training: means over all minibatches at the final weights. Pure."""

from __future__ import annotations

from typing import Any

from regexp.core.lazy import jax, jnp, lax
from regexp.engine.step import Lane, Shared, Spec, Variables, forward, gather
from regexp.experiment import Experiment

Array = Any


def recomputed(
    experiment: Experiment, spec: Spec, shared: Shared, lane: Lane, variables: Variables, batches: Array
) -> Variables:
    """`variables` with the population statistics: each the mean over the minibatches `batches` (steps, B) of rows.

    For batch norm: mean of mu, and mean of sigma^2 B/(B-1) (Ioffe, Szegedy 2015, algorithm 2). No noise is drawn.
    """

    def add(total: Any, rows: Array) -> tuple[Any, None]:
        inputs, _ = gather(spec, shared, lane, rows)
        state = forward(experiment, spec, lane, variables, inputs, "statistics").state
        return jax.tree.map(jnp.add, total, state), None

    total, _ = lax.scan(add, jax.tree.map(jnp.zeros_like, variables.state), batches)
    return variables._replace(state=jax.tree.map(lambda x: x / batches.shape[0], total))
