"""A compiled chunk of training: segments of steps, and what happens at the end of an epoch. Pure.

    chunk = for each segment:  freeze stopped lanes
                               train_step x count              (a loop of traced length)
                               if the segment ends an epoch:   measure, remember the best, ask the loop methods

Lengths are traced, so one program serves any number of epochs, and cutting a run into other chunks changes no number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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
    weights,
)
from regexp.experiment import Experiment, monitor
from regexp.metrics import measure, smaller_is_better

Array = Any
Tree = Any


class Best(NamedTuple):
    """The best epoch so far by the monitored metric."""

    score: Array  # smaller is better
    epoch: Array  # counts from 1; 0: none yet
    variables: Variables


class State(NamedTuple):
    """The carry of training: all of it is the checkpoint."""

    variables: Variables
    optimizer: Tree
    best: Best
    memory: dict[str, Tree]  # of the loop methods
    loss_sum: Array  # of this epoch's minibatches
    epoch: Array  # epochs this lane has finished
    stopped: Array  # by a loop method or by divergence; the lane's numbers no longer change
    diverged_at: Array  # the first step with a loss that is not finite; -1: none


class Segments(NamedTuple):
    """How a chunk is cut; the same for all lanes. Arrays of a fixed capacity, `used` of them count."""

    start: Array  # (S,) first step, of the group
    offset: Array  # (S,) first row of `order`
    count: Array  # (S,) steps
    ends_epoch: Array  # (S,) whether the last step is an epoch's last
    used: Array  # ()


def start(experiment: Experiment, spec: Spec, lane: Lane) -> State:
    """The state before the first step."""
    variables = init_variables(experiment, spec, lane)
    optimizer = optimizer_chain(experiment, experiment.optimizer.learning_rate).init(variables.parameters)
    memory = {m.name: m.start_memory(variables) for m in experiment.regularizers if m.overrides("start_memory")}
    zero = jnp.zeros((), jnp.int32)
    best = Best(jnp.asarray(jnp.inf, jnp.float32), zero, variables)
    return State(variables, optimizer, best, memory, jnp.zeros(()), zero, jnp.asarray(False), zero - 1)


def predict(
    experiment: Experiment,
    spec: Spec,
    shared: Shared,
    lane: Lane,
    variables: Variables,
    rows: Array,
    is_due: Array | bool = True,
) -> Array:
    """Return the outputs (n, outputs) in evaluation mode for some rows, in blocks that fit the cache.

    Without `is_due` no block is computed, and the outputs are 0.
    """
    if not rows.shape[0]:
        return jnp.zeros((0, spec.outputs), jnp.float32)
    block = min(EVALUATION_BLOCK, rows.shape[0])
    blocks = -(-rows.shape[0] // block)
    padded = jnp.pad(rows, (0, blocks * block - rows.shape[0]))

    def add(index: Array, outputs: Array) -> Array:
        inputs, _ = gather(spec, shared, lane, lax.dynamic_slice_in_dim(padded, index * block, block))
        values = forward(experiment, spec, lane, variables, inputs, "eval").outputs
        return lax.dynamic_update_slice_in_dim(outputs, values, index * block, 0)

    zeros = jnp.zeros((blocks * block, spec.outputs), jnp.float32)
    return lax.fori_loop(0, jnp.where(is_due, blocks, 0), add, zeros)[: rows.shape[0]]


EVALUATION_BLOCK = 512


def measured(
    experiment: Experiment, spec: Spec, shared: Shared, lane: Lane, variables: Variables, is_due: Array
) -> dict[str, Array]:
    """Return the metrics of the measured training rows and of the validation rows, from one forward pass over both.

    Where they are not due there is no forward pass, and the metrics are NaN. The forward pass stands in the program
    once: compiling takes its time for the number of operations.
    """
    rows = jnp.concatenate([lane.measured, lane.validation])
    outputs = predict(experiment, spec, shared, lane, variables, rows, is_due)
    targets = shared.targets.at[rows].get(mode="promise_in_bounds")
    count = lane.measured.shape[0]
    parts = {"train": slice(None, count), "validation": slice(count, None)}
    return {
        f"{part}/{name}": jnp.where(is_due, value, jnp.nan)
        for part, place in parts.items()
        if outputs[place].shape[0]
        for name, value in measure(
            spec.task, spec.loss, outputs[place], targets[place], lane.target_mean, lane.target_scale,
            experiment.evaluation.ece_bins,
        ).items()
    }  # fmt: skip


def epoch_metrics(
    experiment: Experiment,
    spec: Spec,
    shared: Shared,
    lane: Lane,
    state: State,
    steps_per_epoch: int,
) -> dict[str, Array]:
    """Return a row of metrics.jsonl: losses as trained, and train and validation metrics in evaluation mode.

    The metrics of an epoch that is not evaluated are NaN.
    """
    data = state.loss_sum / steps_per_epoch
    params = weights(experiment, state.variables.parameters)
    terms = {m.name: m.penalty(params) for m in experiment.regularizers if m.overrides("penalty")}
    row = {"loss/data": data, **{f"loss/{name}": value for name, value in terms.items()}}
    row["loss/total"] = data + sum(terms.values(), jnp.zeros(()))
    is_due = is_evaluated(experiment, lane, state.epoch + 1)
    return row | measured(experiment, spec, shared, lane, evaluated(experiment, state), is_due)


def is_evaluated(experiment: Experiment, lane: Lane, epoch: Array) -> Array:
    """Return whether metrics are measured after an epoch: every `evaluation.every` epochs, and after the last."""
    last = jnp.minimum(experiment.training.epochs, lane.epochs)
    return (epoch % experiment.evaluation.every == 0) | (epoch >= last)


def evaluated(experiment: Experiment, state: State) -> Variables:
    """The variables that are measured: those trained, or a method's average of them."""
    variables = state.variables
    for method in experiment.regularizers:
        if method.overrides("averaged"):
            variables = method.averaged(state.memory[method.name], variables)
    return variables


def models(experiment: Experiment, state: State, epoch: int, epochs: int) -> list[Variables]:
    """The models that one lane holds after so many of its epochs; [] where there is the one in training."""
    holding = [method for method in experiment.regularizers if method.overrides("models")]
    return [v for method in holding for v in method.models(state.memory[method.name], epoch, epochs)]


def end_epoch(experiment: Experiment, lane: Lane, state: State, row: dict[str, Array]) -> State:
    """Remember the best epoch, ask the loop methods, mark divergence."""
    epoch = state.epoch + 1
    name = monitor(experiment)
    value = row.get(name, jnp.zeros(()) - epoch)  # without validation data the latest is the best
    score = value if name not in row or smaller_is_better(name) else -value
    score = jnp.where(jnp.isfinite(score), score, jnp.inf).astype(jnp.float32)
    diverged = state.diverged_at >= 0
    improved = (score < state.best.score) & ~diverged
    best = _where(improved, Best(score, epoch, evaluated(experiment, state)), state.best)
    memory, stop = dict(state.memory), diverged | (epoch >= jnp.minimum(experiment.training.epochs, lane.epochs))
    epochs = jnp.asarray(experiment.training.epochs)
    for method in experiment.regularizers:
        if method.overrides("after_epoch"):
            memory[method.name], wants_stop = method.after_epoch(
                state.memory[method.name], score, state.variables, epoch, epochs
            )
            stop = stop | wants_stop
    return state._replace(best=best, memory=memory, epoch=epoch, stopped=stop, loss_sum=jnp.zeros_like(state.loss_sum))


def chunk(
    experiment: Experiment,
    spec: Spec,
    shared: Shared,
    lane: Lane,
    state: State,
    order: Array,
    segments: Segments,
) -> tuple[State, dict[str, Array]]:
    """Train one lane through `segments`; `order` (capacity, B) holds the rows of each batch.

    Returns the state and the metrics of each segment (S,), of which those that end an epoch mean something.
    """
    streams = stream_keys(experiment, lane.key)
    steps_per_epoch = lane.train.shape[0] // order.shape[1]

    def finish(state: State) -> tuple[State, dict[str, Array]]:
        row = epoch_metrics(experiment, spec, shared, lane, state, steps_per_epoch)
        return end_epoch(experiment, lane, state, row), row

    empty = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(finish, state)[1])

    def segment(index: Array, carry: tuple[State, dict[str, Array]]) -> tuple[State, dict[str, Array]]:
        before, rows = carry
        first, offset = segments.start[index] - lane.began, segments.offset[index]

        def step(i: Array, inner: tuple[Progress, Array, Array]) -> tuple[Progress, Array, Array]:
            progress, loss_sum, diverged_at = inner
            batch = lax.dynamic_index_in_dim(order, offset + i, keepdims=False)
            progress, loss = train_step(experiment, spec, shared, lane, streams, progress, batch, first + i)
            bad = (diverged_at < 0) & ~jnp.isfinite(loss)
            return progress, loss_sum + loss, jnp.where(bad, first + i, diverged_at)

        progress = Progress(before.variables, before.optimizer, before.memory)
        inner = (progress, before.loss_sum, before.diverged_at)
        progress, loss_sum, diverged_at = lax.fori_loop(0, segments.count[index], step, inner)
        after = before._replace(**progress._asdict(), loss_sum=loss_sum, diverged_at=diverged_at)
        # A loop of 0 or 1 rounds: a branch of lax.cond runs its products on one core (65 ms against 18 ms an epoch).
        # The barrier ties the state to the round, else XLA hoists the measurement out of the loop and always does it.
        ends = segments.ends_epoch[index].astype(jnp.int32)
        after, row = lax.fori_loop(
            0,
            ends,
            lambda i, carry: finish(lax.optimization_barrier((carry[0], i))[0]),
            (after, empty),
        )
        rows = jax.tree.map(lambda all_rows, new: all_rows.at[index].set(new), rows, row)
        return _where(before.stopped, before, after), rows

    capacity = segments.start.shape[0]
    rows = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), empty)
    return lax.fori_loop(0, segments.used, segment, (state, rows))


def _where(condition: Array, new: Tree, old: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)
