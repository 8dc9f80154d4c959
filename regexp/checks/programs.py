"""The functions that the checks compile: pure, for one lane, and of few shapes, so that checks share programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from regexp.core.lazy import jax, jnp, lax
from regexp.engine.step import (
    Lane,
    Progress,
    Shared,
    Spec,
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
from regexp.experiment import Experiment
from regexp.losses import LOSSES
from regexp.regularizers.base import Batch, Params, Regularizer
from regexp.regularizers.fold import transform_batches
from regexp.schedules.constant import Constant

if TYPE_CHECKING:
    from jax import Array

Tree = Any  # a pytree
Keys = Mapping[str, "Array"]


def first_variables(spec: Spec, experiment: Experiment, lane: Lane) -> Variables:
    """Return the initial variables of training."""
    return init_variables(experiment, spec, lane)


def short_training(
    spec: Spec, inputs: Array, experiment: Experiment, lane: Lane, targets: Array, variables: Variables, order: Array,
    rates: Array, steps: Array, enough: Array,
) -> tuple[Array, Variables, Array]:  # fmt: skip
    """Train for `steps` updates, or until a batch's loss is below `enough`.

    Returns the losses (capacity,), the variables and the number of updates made.

    targets: (n, ...) the targets of this lane
    order: (capacity, B) the rows of each batch
    rates: (capacity,) the learning rate of each step
    """
    shared, streams = Shared(inputs, targets), stream_keys(experiment, lane.key)

    def step(carry: tuple[Progress, Array, Array, Array]) -> tuple[Progress, Array, Array, Array]:
        progress, losses, k, _ = carry
        rate: Any = rates[k]  # traced: a learning rate in the program's text would recompile it for every step
        optimizer = replace(experiment.optimizer, learning_rate=rate, schedule=Constant())
        current = replace(experiment, optimizer=optimizer)
        progress, loss = train_step(current, spec, shared, lane, streams, progress, order[k], k)
        return progress, losses.at[k].set(loss), k + 1, loss

    def unfinished(carry: tuple[Progress, Array, Array, Array]) -> Array:
        return (carry[2] < steps) & ~(carry[3] < enough)  # a loss of NaN does not end training

    begin = Progress(variables, optimizer_chain(experiment, rates[0]).init(variables.parameters), {})
    start = (begin, jnp.zeros(rates.shape), jnp.zeros((), jnp.int32), jnp.asarray(jnp.inf))
    progress, losses, updates, _ = lax.while_loop(unfinished, step, start)
    return losses, progress.variables, updates


def predictions(
    spec: Spec, inputs: Array, experiment: Experiment, lane: Lane, targets: Array, variables: Variables, rows: Array
) -> tuple[Array, Array]:
    """Return outputs (n, K) and data losses (n,), without noise and penalties.

    Normalization uses the statistics of these rows: the running ones have not converged after a short training.
    """
    raw, row_targets = gather(spec, Shared(inputs, targets), lane, rows)
    outputs = forward(experiment, spec, lane, variables, raw, "statistics").outputs
    return outputs, jnp.asarray(LOSSES[spec.loss](outputs, row_targets))


def batch_of(
    spec: Spec, inputs: Array, experiment: Experiment, lane: Lane, targets: Array, rows: Array
) -> tuple[Batch, Keys]:
    """Return the augmented batch of the first training step, and the keys of that step."""
    keys = {name: jax.random.fold_in(key, 0) for name, key in stream_keys(experiment, lane.key).items()}
    raw, row_targets = gather(spec, Shared(inputs, targets), lane, rows)
    batch = Batch(raw, row_targets, lane.low, lane.high, rows, jnp.zeros(()), lane.own)
    return transform_batches(experiment.regularizers, batch, keys), keys


def augmented(
    spec: Spec, inputs: Array, experiment: Experiment, lane: Lane, targets: Array, rows: Array
) -> tuple[Array, Array, Array]:
    """Return the augmented inputs, their targets after augmentation, and before it."""
    batch, _ = batch_of(spec, inputs, experiment, lane, targets, rows)
    return batch.inputs, batch.targets, gather(spec, Shared(inputs, targets), lane, rows)[1]


def total_loss(
    spec: Spec, batch: Batch, keys: Keys, experiment: Experiment, lane: Lane, variables: Variables
) -> tuple[Array, Params]:
    """Return the data loss plus all penalties, and the weights on which the penalties act."""
    data, _ = training_loss(experiment, spec, lane, keys)(variables, batch)
    params = weights(experiment, variables.parameters)
    terms = [m.penalty(params) for m in experiment.regularizers if m.overrides("penalty")]
    return sum(terms, data), params


def derivatives(
    spec: Spec, batch: Batch, keys: Keys, experiment: Experiment, lane: Lane, variables: Variables, where: Array,
    width: Array,
) -> dict[str, tuple[Tree, Array, Array]]:  # fmt: skip
    """Return for each term of the loss its gradient, the entries of it at `where`, and central differences there.

    The terms are `data`, the training loss, and each differentiable penalty.

    where: (places,) indices into the flattened parameters
    width: half the distance between the two points of a difference
    """
    from jax.flatten_util import ravel_pytree

    flat, unflatten = ravel_pytree(variables.parameters)
    loss = training_loss(experiment, spec, lane, keys)
    terms = {"data": lambda p: loss(Variables(p, variables.state), batch)[0]}
    terms |= penalties(experiment)
    derivatives_by_term = {}
    for name, term in terms.items():

        def value(vector: Array, term: Callable[[Tree], Array] = term) -> Array:
            return term(unflatten(vector))

        def shifted(place: tuple[Array, Array], value: Callable[[Array], Array] = value) -> Array:
            i, h = place
            return value(flat.at[i].add(h))

        sides = jnp.repeat(jnp.stack([width, -width]), where.shape[0])
        above, below = lax.map(shifted, (jnp.tile(where, 2), sides)).reshape(2, -1)
        gradient = jax.grad(value)(flat)
        derivatives_by_term[name] = (unflatten(gradient), gradient[where], (above - below) / (2 * width))
    return derivatives_by_term


def penalties(experiment: Experiment) -> dict[str, Callable[[Tree], Array]]:
    """Return the differentiable penalties: for each method's name, a function of the parameters."""
    methods = [m for m in experiment.regularizers if m.overrides("penalty") and m.differentiable()]
    return {method.name: _penalty(method, experiment) for method in methods}


def _penalty(method: Regularizer, experiment: Experiment) -> Callable[[Tree], Array]:
    """Return the method's penalty as a function of the trained parameters, from which the weights are computed."""
    return lambda parameters: method.penalty(weights(experiment, parameters))
