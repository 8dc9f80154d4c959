"""What the checks compile: written for one lane, pure, of few shapes, so that they share their programs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from regexp.core.lazy import jax, jnp, lax
from regexp.engine.step import (
    Progress,
    Shared,
    Variables,
    forward,
    gather,
    init_variables,
    optimizer_chain,
    stream_keys,
    train_step,
    training_loss,
    weights,
)
from regexp.losses import LOSSES
from regexp.regularizers.base import Batch
from regexp.regularizers.fold import transform_batches
from regexp.schedules.constant import Constant

Array = Any


def first_variables(spec: Any, experiment: Any, lane: Any) -> Variables:
    """As training starts."""
    return init_variables(experiment, spec, lane)


def short_training(
    spec: Any, inputs: Array, experiment: Any, lane: Any, targets: Array, variables: Any, order: Array, rates: Array,
    steps: Array, enough: Array,
) -> tuple[Array, Variables, Array]:  # fmt: skip
    """(losses (capacity,), variables, updates made): `steps` at `rates`, fewer if a batch's loss falls below `enough`.

    targets: (n, ...) of this lane; order: (capacity, B) rows
    """
    shared, streams = Shared(inputs, targets), stream_keys(experiment, lane.key)

    def step(carry: tuple[Progress, Array, Array, Array]) -> tuple[Progress, Array, Array, Array]:
        progress, losses, k, _ = carry
        now = replace(experiment, optimizer=replace(experiment.optimizer, learning_rate=rates[k], schedule=Constant()))
        progress, loss = train_step(now, spec, shared, lane, streams, progress, order[k], k)
        return progress, losses.at[k].set(loss), k + 1, loss

    def unfinished(carry: tuple[Progress, Array, Array, Array]) -> Array:
        return (carry[2] < steps) & ~(carry[3] < enough)

    optimizer = optimizer_chain(experiment, rates[0]).init(variables.parameters)
    start = (Progress(variables, optimizer, {}), jnp.zeros(rates.shape), jnp.zeros((), jnp.int32), jnp.asarray(jnp.inf))
    progress, losses, made, _ = lax.while_loop(unfinished, step, start)
    return losses, progress.variables, made


def predictions(
    spec: Any, inputs: Array, experiment: Any, lane: Any, targets: Array, variables: Any, rows: Array
) -> tuple[Array, Array]:
    """(outputs (n, K), data losses (n,)): nothing drawn, no method in the loss; the statistics are these rows' own."""
    raw, wanted = gather(spec, Shared(inputs, targets), lane, rows)
    outputs = forward(experiment, spec, lane, variables, raw, "statistics").outputs
    return outputs, LOSSES[spec.loss](outputs, wanted)


def batch_of(spec: Any, inputs: Array, experiment: Any, lane: Any, targets: Array, rows: Array) -> tuple[Batch, Any]:
    """(the first step's batch as training sees it, the keys of that step)."""
    keys = {name: jax.random.fold_in(key, 0) for name, key in stream_keys(experiment, lane.key).items()}
    raw, wanted = gather(spec, Shared(inputs, targets), lane, rows)
    batch = Batch(raw, wanted, lane.low, lane.high, rows, jnp.zeros(()), lane.own)
    return transform_batches(experiment.regularizers, batch, keys), keys


def augmented(
    spec: Any, inputs: Array, experiment: Any, lane: Any, targets: Array, rows: Array
) -> tuple[Array, Array, Array]:
    """(inputs as training sees them, their targets, the targets as they were)."""
    batch, _ = batch_of(spec, inputs, experiment, lane, targets, rows)
    return batch.inputs, batch.targets, gather(spec, Shared(inputs, targets), lane, rows)[1]


def total_loss(spec: Any, batch: Any, keys: Any, experiment: Any, lane: Any, variables: Any) -> tuple[Array, Any]:
    """(the data loss plus all penalties, as the log of a run adds them; the weights that penalties see)."""
    data, _ = training_loss(experiment, spec, lane, keys)(variables, batch)
    params = weights(experiment, variables.parameters)
    terms = [m.penalty(params) for m in experiment.regularizers if m.overrides("penalty")]
    return sum(terms, data), params


def derivatives(
    spec: Any, batch: Any, keys: Any, experiment: Any, lane: Any, variables: Any, where: Array, width: Array
) -> dict[str, tuple[Any, Array, Array]]:
    """Of each term of the loss: (gradient, its entries `where`, central differences there).

    where: numbers of coordinates in the flattened parameters
    The terms are `data`, the loss as it is trained, and each differentiable penalty.
    """
    from jax.flatten_util import ravel_pytree

    flat, unflatten = ravel_pytree(variables.parameters)
    loss = training_loss(experiment, spec, lane, keys)
    terms = {"data": lambda p: loss(Variables(p, variables.state), batch)[0]}
    terms |= penalties(experiment)
    found = {}
    for name, term in terms.items():

        def value(vector: Array, term: Any = term) -> Array:
            return term(unflatten(vector))

        def beside(place: tuple[Array, Array], value: Any = value) -> Array:
            i, h = place
            return value(flat.at[i].add(h))

        sides = jnp.repeat(jnp.stack([width, -width]), where.shape[0])
        above, below = lax.map(beside, (jnp.tile(where, 2), sides)).reshape(2, -1)
        gradient = jax.grad(value)(flat)
        found[name] = (unflatten(gradient), gradient[where], (above - below) / (2 * width))
    return found


def penalties(experiment: Any) -> dict[str, Any]:
    """{method: parameters -> value} of the differentiable penalties."""
    methods = [m for m in experiment.regularizers if m.overrides("penalty") and m.differentiable()]
    return {m.name: lambda p, m=m: m.penalty(weights(experiment, p)) for m in methods}
