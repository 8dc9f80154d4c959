"""One training step: every hook in its order, on one page.

rows of the batch -> raw inputs, targets
transform_batch   of each method            inputs, targets
transform_loss    around the data loss      adversarial
  preprocess -> transform_weights -> model, with transform_activation at its sites -> loss
+ gradient of each penalty                  parameters
transform_gradient                          gradients
optimizer, transform_update, project
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from regexp.experiment import Experiment
from regexp.lazy import jax, jnp, optax
from regexp.losses import LOSSES
from regexp.preprocessing.base import Preprocessor, apply_all
from regexp.random import stream
from regexp.regularizers.base import Batch, Regularizer, Site
from regexp.regularizers.fold import transform_batches

Array = Any
Tree = Any


@dataclass(frozen=True)
class Spec:
    """What a program is compiled for beside the experiment's structure and the arrays' shapes.

    shape    of one raw input
    outputs  of the model: classes, or target columns
    task     classification or regression
    loss     the name in LOSSES
    steps    the preprocessing steps
    """

    shape: tuple[int, ...]
    outputs: int
    task: str
    loss: str
    steps: tuple[Preprocessor, ...]


class Shared(NamedTuple):
    """The dataset on the device, as read: one copy for all lanes."""

    inputs: Array  # (n, D) uint8 or float32, flat: rows of images as (H, W, C) are gathered five times slower
    targets: Array  # (n,) int32 or (n, outputs) float32


class Lane(NamedTuple):
    """What one lane has of its own and never changes."""

    key: Array  # threefry, from the seed
    train: Array  # (n_train,) rows of Shared, int32
    measured: Array  # (m,) the training rows measured after each epoch
    validation: Array  # (n_validation,)
    fitted: list[dict[str, Array]]  # of the preprocessing steps
    low: Array  # range of raw inputs in the training split
    high: Array
    target_mean: Array  # (outputs,) regression targets are standardised; 0 and 1 for classification
    target_scale: Array


class Variables(NamedTuple):
    """Everything a forward pass reads: `parameters` are trained, `state` is remembered (running statistics).

    parameters  {"model": {layer: {"kernel", "bias"}}, method: {site: {...}}}
    state       {method: {site: {...}}}
    """

    parameters: dict[str, Tree]
    state: dict[str, Tree]


def gather(spec: Spec, shared: Shared, lane: Lane, rows: Array) -> tuple[Array, Array]:
    """Raw inputs (images in [0, 1]) and targets ((B, K) one-hot, or standardised numbers) of some rows."""
    inputs = shared.inputs.at[rows].get(mode="promise_in_bounds").reshape(rows.shape[0], *spec.shape)
    if inputs.dtype == jnp.uint8:
        inputs = inputs.astype(jnp.float32) * jnp.float32(1 / 255)
    targets = shared.targets.at[rows].get(mode="promise_in_bounds")
    if spec.task == "classification":
        return inputs, jax.nn.one_hot(targets, spec.outputs, dtype=jnp.float32)
    return inputs, (targets - lane.target_mean) / lane.target_scale


class _Sites:
    """What a model calls at its sites: folds the methods and collects their new statistics."""

    def __init__(
        self,
        methods: tuple[Regularizer, ...],
        variables: Variables,
        keys: Mapping[str, Array],
        mode: str,
    ):
        self.methods = [m for m in methods if m.overrides("transform_activation")]
        self.variables, self.keys, self.mode = variables, keys, mode
        self.new_state: dict[str, Tree] = {name: dict(sites) for name, sites in variables.state.items()}

    def __call__(self, name: str, x: Array, depth: float = 1.0) -> Array:
        for method in self.methods:
            key = stream(self.keys[f"{method.name}/transform_activation"], name) if self.keys else None
            parameters = self.variables.parameters.get(method.name, {}).get(name, {})
            state = self.variables.state.get(method.name, {}).get(name, {})
            site = Site(name, self.mode, key, parameters, state, depth=depth)
            x = method.transform_activation(x, site)
            if site.new_state is not None:
                self.new_state[method.name][name] = dict(site.new_state)
        return x


def forward(
    experiment: Experiment,
    spec: Spec,
    lane: Lane,
    variables: Variables,
    inputs: Array,
    mode: str,
    keys: Mapping[str, Array] | None = None,
) -> tuple[Array, dict[str, Tree]]:
    """Raw inputs -> (outputs in float32, the methods' new state). `keys`: see stream_keys; none in eval mode."""
    x = apply_all(spec.steps, lane.fitted, inputs)
    params = variables.parameters["model"]
    for method in experiment.regularizers:
        if method.overrides("transform_weights"):
            key = keys[f"{method.name}/transform_weights"] if keys else None
            own = variables.parameters.get(method.name, {}).get("weights", {})
            params = method.transform_weights(params, Site("weights", mode, key, own))
    if experiment.training.precision == "bfloat16":
        x, params = jax.tree.map(lambda a: a.astype(jnp.bfloat16), (x, params))
    sites = _Sites(experiment.regularizers, variables, keys or {}, mode)
    outputs = experiment.model.apply(params, x, sites)
    return outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32)), sites.new_state


def init_variables(experiment: Experiment, spec: Spec, lane: Lane) -> Variables:
    """First parameters and statistics. A method's presence changes nobody else's draws."""
    model, key = experiment.model, stream(lane.key, "initialization")
    example = jnp.zeros((1, *spec.shape), jnp.float32)
    shape = jax.eval_shape(lambda f, x: apply_all(spec.steps, f, x), lane.fitted, example)
    sites: dict[str, tuple[int, ...]] = {}

    def record(name: str, x: Array, depth: float = 1.0) -> Array:
        sites[name] = x.shape[1:]
        return x

    everywhere = model.init(key, shape.shape[1:], spec.outputs, lambda layer: True)
    jax.eval_shape(lambda p, x: model.apply(p, x, record), everywhere, shape)

    def has_bias(layer: str) -> bool:
        site = f"{layer}/pre"
        return site not in sites or not any(m.absorbs_bias(site) for m in experiment.regularizers)

    parameters: dict[str, Tree] = {"model": model.init(key, shape.shape[1:], spec.outputs, has_bias)}
    state: dict[str, Tree] = {}
    for method in experiment.regularizers:
        if method.overrides("site_variables"):
            found = {name: method.site_variables(Site(name, "train"), s) for name, s in sites.items()}
            parameters[method.name] = {name: own for name, (own, _) in found.items() if own}
            state[method.name] = {name: own for name, (_, own) in found.items() if own}
    return Variables(parameters, state)


def stream_keys(experiment: Experiment, key: Array) -> dict[str, Array]:
    """The key of every (method, hook) that draws: {"dropout/transform_activation": key, ...}."""
    hooks = ("transform_batch", "transform_weights", "transform_activation", "transform_loss")
    return {
        f"{method.name}/{hook}": stream(key, f"{method.name}/{hook}")
        for method in experiment.regularizers
        for hook in hooks
        if method.overrides(hook)
    }


def penalty(experiment: Experiment, params: Tree) -> Array:
    """The sum of the differentiable penalties."""
    terms = [m.penalty(params) for m in experiment.regularizers if m.overrides("penalty") and m.differentiable()]
    return sum(terms, jnp.zeros(()))


def optimizer_chain(experiment: Experiment, learning_rate: Array) -> optax.GradientTransformation:
    """The optimizer at this step's rate, then what methods do to the update."""
    extra = [m.transform_update(learning_rate) for m in experiment.regularizers if m.overrides("transform_update")]
    return optax.chain(experiment.optimizer.transform(learning_rate), *extra)


def train_step(
    experiment: Experiment,
    spec: Spec,
    shared: Shared,
    lane: Lane,
    streams: Mapping[str, Array],
    variables: Variables,
    optimizer: Tree,
    rows: Array,
    step: Array,
) -> tuple[Variables, Tree, Array]:
    """One update on the examples in `rows`. Returns (variables, optimizer state, mean data loss as trained)."""
    methods = experiment.regularizers
    keys = {name: jax.random.fold_in(key, step) for name, key in streams.items()}
    batch = transform_batches(methods, Batch(*gather(spec, shared, lane, rows), lane.low, lane.high), keys)

    def data_loss(variables: Variables, batch: Batch) -> tuple[Array, dict[str, Tree]]:
        outputs, state = forward(experiment, spec, lane, variables, batch.inputs, "train", keys)
        return jnp.mean(LOSSES[spec.loss](outputs, batch.targets)), state

    loss: Callable[[Any, Batch], tuple[Array, Any]] = data_loss
    for method in methods:
        if method.overrides("transform_loss"):
            loss = method.transform_loss(loss, keys[f"{method.name}/transform_loss"])

    def plain_gradient(parameters: Tree) -> tuple[tuple[Array, dict[str, Tree]], Tree]:
        value_and_grad = jax.value_and_grad(lambda p: loss(Variables(p, variables.state), batch), has_aux=True)
        value, grads = value_and_grad(parameters)
        if any(m.overrides("penalty") for m in methods):
            # Apart from the loss: its value is never needed here, and a w costs 0.84-0.93x of 1/2 a w^2 in the loss.
            extra = jax.grad(lambda p: penalty(experiment, p))(parameters["model"])
            grads = {**grads, "model": jax.tree.map(jnp.add, grads["model"], extra)}
        return value, grads

    gradient: Callable[[Any], tuple[Any, Any]] = plain_gradient
    for method in methods:
        if method.overrides("transform_gradient"):
            gradient = method.transform_gradient(gradient)
    (value, state), grads = gradient(variables.parameters)

    steps_per_epoch = lane.train.shape[0] // rows.shape[0]
    total = experiment.training.epochs * steps_per_epoch
    rate = experiment.optimizer.learning_rate * experiment.optimizer.schedule.rate(step, steps_per_epoch, total)
    updates, optimizer = optimizer_chain(experiment, rate).update(grads, optimizer, variables.parameters)
    parameters = optax.apply_updates(variables.parameters, updates)
    for method in methods:
        if method.overrides("project"):
            parameters = {**parameters, "model": method.project(parameters["model"], rate)}
    return Variables(parameters, state), optimizer, value
