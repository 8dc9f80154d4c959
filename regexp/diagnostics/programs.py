"""The functions that the diagnostics compile: pure, for a single lane."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from regexp.core.lazy import jax, jnp, lax
from regexp.engine.statistics import recomputed
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
)
from regexp.experiment import Experiment
from regexp.losses import LOSSES
from regexp.regularizers.adversarial.attack import ascend
from regexp.regularizers.base import Batch
from regexp.regularizers.fold import transform_batches

Array = Any
Tree = Any


def raw(
    spec: Spec, experiment: Experiment, lane: Lane, rows: Array, inputs: Array, targets: Array
) -> tuple[Array, Array]:
    """Return raw inputs and targets of some rows."""
    return gather(spec, Shared(inputs, targets), lane, rows)


def loss_of(
    spec: Spec, experiment: Experiment, lane: Lane, variables: Variables, inputs: Array, targets: Array
) -> Callable[[Array], Array]:
    """Return a function from flat model parameters (P,) to the mean data loss in evaluation mode, without penalties."""
    from jax.flatten_util import ravel_pytree

    _, unflatten = ravel_pytree(variables.parameters["model"])

    def loss(flat: Array) -> Array:
        parameters = variables.parameters | {"model": unflatten(flat)}
        outputs = forward(experiment, spec, lane, Variables(parameters, variables.state), inputs, "eval").outputs
        return jnp.mean(LOSSES[spec.loss](outputs, targets))

    return loss


def data_loss(
    spec: Spec, experiment: Experiment, lane: Lane, variables: Variables, inputs: Array, targets: Array, flat: Array
) -> Array:
    """Return the mean data loss at flat weights (P,)."""
    return loss_of(spec, experiment, lane, variables, inputs, targets)(flat)


def curvature(
    spec: Spec, experiment: Experiment, lane: Lane, variables: Variables, inputs: Array, targets: Array, flat: Array
) -> tuple[Array, Array, Array]:
    """Return data loss, gradient (P,) and Hessian (P, P)."""
    loss = loss_of(spec, experiment, lane, variables, inputs, targets)
    return loss(flat), jax.grad(loss)(flat), jax.jacrev(jax.grad(loss))(flat)


def lanczos(
    spec: Spec,
    experiment: Experiment,
    lane: Lane,
    variables: Variables,
    inputs: Array,
    targets: Array,
    flat: Array,
    basis: Array,
) -> tuple[Array, Array, Array]:
    """Return the norm of the gradient, and diagonal and off-diagonal of the Hessian in a Krylov basis.

    basis: (steps, P), zero except for its first row, a unit vector
    """
    slope = jax.grad(loss_of(spec, experiment, lane, variables, inputs, targets))
    steps = basis.shape[0]

    def step(k: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        basis, diagonal, off = carry
        v = basis[k]
        new = jax.vjp(slope, flat)[1](v)[0]  # H v = v^T H by symmetry; our convolutions have no forward mode
        diagonal = diagonal.at[k].set(v @ new)
        for _ in range(2):  # one pass of Gram-Schmidt loses orthogonality to rounding; two keep it
            new = new - basis.T @ (basis @ new)
        norm = jnp.linalg.norm(new)
        following = new / jnp.where(norm > 0, norm, 1)
        basis = basis.at[jnp.minimum(k + 1, steps - 1)].set(jnp.where(k + 1 < steps, following, basis[steps - 1]))
        return basis, diagonal, off.at[k].set(norm)

    zeros = jnp.zeros(steps, basis.dtype)
    _, diagonal, off = lax.fori_loop(0, steps, step, (basis, zeros, zeros))
    return jnp.linalg.norm(slope(flat)), diagonal, off


def outputs(spec: Spec, experiment: Experiment, lane: Lane, variables: Variables, inputs: Array) -> Array:
    """Return the outputs (n, K) in evaluation mode."""
    return forward(experiment, spec, lane, variables, inputs, "eval").outputs


def fgsm(
    spec: Spec, experiment: Experiment, lane: Lane, variables: Variables, inputs: Array, targets: Array, epsilons: Array
) -> tuple[Array, Array]:
    """Attack by one step of the full size; return attacked inputs (E, n, ...) and outputs (E, n, K)."""
    return _attacked(spec, experiment, lane, variables, inputs, targets, epsilons, 1)


def pgd(
    spec: Spec, experiment: Experiment, lane: Lane, variables: Variables, inputs: Array, targets: Array, epsilons: Array
) -> tuple[Array, Array]:
    """Attack by several projected steps; return attacked inputs (E, n, ...) and outputs (E, n, K)."""
    return _attacked(spec, experiment, lane, variables, inputs, targets, epsilons, pgd_steps(experiment))


def pgd_steps(experiment: Experiment) -> int:
    """Return the number of PGD steps in the config, 10 by default."""
    attacks = experiment.evaluation.attacks
    return int(attacks.steps) if attacks else 10


def _attacked(
    spec: Spec,
    experiment: Experiment,
    lane: Lane,
    variables: Variables,
    inputs: Array,
    targets: Array,
    epsilons: Array,
    steps: int,
) -> tuple[Array, Array]:
    def loss(x: Array) -> Array:
        logits = forward(experiment, spec, lane, variables, x, "eval").outputs
        return jnp.sum(LOSSES[spec.loss](logits, targets))

    def attack(epsilon: Array) -> tuple[Array, Array]:
        x = ascend(loss, inputs, inputs, lane.low, lane.high, epsilon, steps)
        return x, forward(experiment, spec, lane, variables, x, "eval").outputs

    # lax.map, not vmap: one size at a time keeps the memory that of a single attack.
    return lax.map(attack, epsilons)


def masked(
    spec: Spec, experiment: Experiment, lane: Lane, variables: Variables, inputs: Array, numbers: Array
) -> tuple[Array, Array]:
    """Return outputs (n, K) by weight scaling, and outputs (T, n, K) with a mask drawn for each of `numbers`."""
    streams = stream_keys(experiment, lane.key)

    def predict(number: Array) -> Array:
        keys = {name: jax.random.fold_in(key, number) for name, key in streams.items()}
        return forward(experiment, spec, lane, variables, inputs, "mc", keys).outputs

    return forward(experiment, spec, lane, variables, inputs, "eval").outputs, lax.map(predict, numbers)


def descent(
    spec: Spec, experiment: Experiment, lane: Lane, variables: Variables, inputs: Array, targets: Array, flat: Array,
    rate: Array, lengths: Array,
) -> Array:  # fmt: skip
    """Return the weights (L, P) after `lengths` (L,) steps of gradient descent on the data loss; lengths must rise."""
    slope = jax.grad(loss_of(spec, experiment, lane, variables, inputs, targets))

    def further(carry: tuple[Array, Array], length: Array) -> tuple[tuple[Array, Array], Array]:
        done, w = carry
        w = lax.fori_loop(done, length, lambda _, w: w - rate * slope(w), w)
        return (length, w), w

    return lax.scan(further, (jnp.zeros_like(lengths[0]), flat), lengths)[1]


def population(
    spec: Spec, experiment: Experiment, lane: Lane, variables: Variables, inputs: Array, targets: Array, batches: Array
) -> Variables:
    """Return the variables with running statistics over all of `batches`, rows (steps, B)."""
    return recomputed(experiment, spec, Shared(inputs, targets), lane, variables, batches)


def trajectory(
    spec: Spec, experiment: Experiment, observed: Experiment, lane: Lane, inputs: Array, targets: Array, order: Array,
    watched: Array, factors: Array,
) -> dict[str, Tree]:  # fmt: skip
    """Train from the start through the batches `order` (P, S, B); measure a `Trajectory` every S steps.

    observed: the experiment with a recorder, which stores the activations of the rows `watched`
    """
    shared, streams = Shared(inputs, targets), stream_keys(experiment, lane.key)
    between, size = order.shape[1:]
    pixels, _ = gather(spec, shared, lane, watched)

    def step(carry: tuple[Progress, Tree], numbered: tuple[Array, Array]) -> tuple[tuple[Progress, Tree], None]:
        """Make a training step; the carry holds the parameters after the first step of the probe."""
        (progress, updated), (rows, number) = carry, numbered
        progress, _ = train_step(experiment, spec, shared, lane, streams, progress, rows, number)
        first = number % between == 0
        return (progress, jax.tree.map(partial(jnp.where, first), progress.variables.parameters, updated)), None

    def probe(progress: Progress, numbered: tuple[Array, Array]) -> tuple[Progress, dict[str, Tree]]:
        rows, number = numbered
        variables = progress.variables
        watching = Variables(variables.parameters, variables.state | {"recorder": {}})
        sites = forward(observed, spec, lane, watching, pixels, "statistics").state["recorder"]
        numbers = number + jnp.arange(between)
        (after, updated), _ = lax.scan(step, (progress, variables.parameters), (rows, numbers))
        update = jax.tree.map(jnp.subtract, updated, variables.parameters)

        keys = {name: jax.random.fold_in(key, number) for name, key in streams.items()}
        raw, labels = gather(spec, shared, lane, rows[0])
        epoch = number / (lane.train.shape[0] // size)
        batch = Batch(raw, labels, lane.low, lane.high, rows[0], epoch, lane.own)
        batch = transform_batches(experiment.regularizers, batch, keys)
        loss = training_loss(experiment, spec, lane, keys)

        def at(factor: Array) -> tuple[Array, Tree]:
            moved = jax.tree.map(lambda p, u: p + factor * u, variables.parameters, update)
            return jax.value_and_grad(lambda p: loss(Variables(p, variables.state), batch)[0])(moved)

        losses, gradients = lax.map(at, jnp.concatenate([jnp.zeros(1), factors]))
        first = jax.tree.map(lambda g: g[0], gradients)
        changes = jax.vmap(lambda g: norm(jax.tree.map(jnp.subtract, g, first)))(gradients)
        measurements = {
            "quartiles": {name: statistics["quartiles"] for name, statistics in sites.items()},
            "loss": losses[0], "losses": losses[1:], "gradient": norm(first), "changes": changes[1:],
            "lengths": factors * norm(update),
        }  # fmt: skip
        return after, measurements

    variables = init_variables(experiment, spec, lane)
    optimizer = optimizer_chain(experiment, experiment.optimizer.learning_rate).init(variables.parameters)
    numbers = jnp.arange(order.shape[0]) * between
    return lax.scan(probe, Progress(variables, optimizer, {}), (order, numbers))[1]


def norm(tree: Tree) -> Array:
    """Return the L2 norm over all arrays of a tree."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(x)) for x in jax.tree.leaves(tree)))
