"""One training step: every hook in its order, on one page.

rows of the batch -> raw inputs, targets
transform_batch   of each method            inputs, targets
transform_loss    around the data loss      adversarial
  preprocess -> reparametrize, transform_weights -> model, with transform_activation at its sites -> transform_losses
+ gradient of each penalty                  parameters
transform_gradient                          gradients
transform_rate, optimizer, transform_update, project
after_step                                  loop
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from regexp.core.lazy import jax, jnp, optax
from regexp.core.prng import stream
from regexp.experiment import Experiment
from regexp.losses import LOSSES
from regexp.models.base import with_copies, without_copies
from regexp.preprocessing.base import Preprocessor, apply_all
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
    epochs: Array  # after so many the lane stops, at the latest
    began: Array  # the step of the group at which it made its first
    own: dict[str, dict[str, Array]]  # what methods' `prepare` returned


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


class Outcome(NamedTuple):
    """Of a forward pass.

    outputs  (B, outputs) in float32
    state    the methods' new statistics
    losses   (B,) what methods add to the examples' losses; None: nothing
    """

    outputs: Array
    state: dict[str, Tree]
    losses: Array | None


class _Sites:
    """What a model calls at its sites: folds the methods and collects their new statistics and losses."""

    def __init__(
        self,
        methods: tuple[Regularizer, ...],
        variables: Variables,
        keys: Mapping[str, Array],
        mode: str,
        inputs: Array,
        batch: Batch | None,
    ):
        self.methods = [m for m in methods if m.overrides("transform_activation")]
        self.variables, self.keys, self.mode = variables, keys, mode
        self.inputs, self.batch = inputs, batch
        self.new_state: dict[str, Tree] = {name: dict(sites) for name, sites in variables.state.items()}
        self.losses: Array | None = None

    def __call__(self, name: str, x: Array, depth: float = 1.0) -> Array:
        for method in self.methods:
            key = stream(self.keys[f"{method.name}/transform_activation"], name) if self.keys else None
            site = Site(
                name, self.mode, key, self._own(self.variables.parameters, method, name),
                self._own(self.variables.state, method, name), depth=depth, examples=x.shape[0],
                inputs=self.inputs, batch=self.batch,
            )  # fmt: skip
            x = method.transform_activation(x, site)
            if site.new_state is not None:
                self.new_state[method.name][name] = dict(site.new_state)
            if site.losses is not None:
                self.losses = site.losses if self.losses is None else self.losses + site.losses
        return x

    @staticmethod
    def _own(tree: dict[str, Tree], method: Regularizer, name: str) -> dict[str, Array]:
        own: dict[str, Array] = tree.get(method.name, {}).get(name, {})
        return own


def forward(
    experiment: Experiment,
    spec: Spec,
    lane: Lane,
    variables: Variables,
    inputs: Array,
    mode: str,
    keys: Mapping[str, Array] | None = None,
    batch: Batch | None = None,
) -> Outcome:
    """Raw inputs through preprocessing, weights and model. `keys`: see stream_keys; none where nothing is drawn."""
    x = apply_all(spec.steps, lane.fitted, inputs)
    params = weights(experiment, variables.parameters)
    for method in experiment.regularizers:
        if method.overrides("transform_weights"):
            key = keys[f"{method.name}/transform_weights"] if keys else None
            params = method.transform_weights(params, Site("weights", mode, key, examples=x.shape[0]))
    params = with_copies(experiment.model.share, params)
    if experiment.training.precision == "bfloat16":
        x, params = jax.tree.map(_halved, (x, params))
    sites = _Sites(experiment.regularizers, variables, keys or {}, mode, x, batch)
    outputs = experiment.model.apply(params, x, sites)
    outputs = outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))
    return Outcome(outputs, sites.new_state, sites.losses)


def _halved(x: Array) -> Array:
    """In bfloat16, where it is a number and not a random key."""
    return x.astype(jnp.bfloat16) if jnp.issubdtype(x.dtype, jnp.floating) else x


def weights(experiment: Experiment, parameters: dict[str, Tree]) -> Tree:
    """The model's weights, as methods that train something else in their place make them."""
    params = parameters["model"]
    for method in experiment.regularizers:
        if method.overrides("reparametrize"):
            params = method.reparametrize(params, parameters[method.name])
    return params


def init_variables(experiment: Experiment, spec: Spec, lane: Lane) -> Variables:
    """First parameters and statistics. A method's presence changes nobody else's draws."""
    model, key = experiment.model, stream(lane.key, "initialization")
    example = jnp.zeros((1, *spec.shape), jnp.float32)
    shape = jax.eval_shape(lambda f, x: apply_all(spec.steps, f, x), lane.fitted, example).shape[1:]
    sites: dict[str, tuple[int, ...]] = {}

    def record(name: str, x: Array, depth: float = 1.0) -> Array:
        sites[name] = x.shape[1:]
        return x

    everywhere = model.init(key, shape, spec.outputs, lambda layer: True)
    jax.eval_shape(lambda p, x: model.apply(p, x, record), everywhere, jnp.zeros((1, *shape), jnp.float32))

    def has_bias(layer: str) -> bool:
        site = f"{layer}/pre"
        return site not in sites or not any(m.absorbs_bias(site) for m in experiment.regularizers)

    first = without_copies(model.share, model.init(key, shape, spec.outputs, has_bias))
    parameters: dict[str, Tree] = {"model": first}
    state: dict[str, Tree] = {}
    last, inputs = list(sites)[-1], jnp.zeros((1, *shape))
    targets = jnp.zeros((1, spec.outputs), jnp.float32)
    batch = Batch(example, targets, lane.low, lane.high, constants=lane.own)
    for method in experiment.regularizers:
        if method.overrides("site_variables"):
            own = stream(lane.key, f"{method.name}/initialization")
            found = {
                name: method.site_variables(
                    Site(name, "train", stream(own, name), last=name == last, inputs=inputs, batch=batch), s
                )
                for name, s in sites.items()
            }
            parameters[method.name] = {name: own for name, (own, _) in found.items() if own}
            state[method.name] = {name: own for name, (_, own) in found.items() if own}
        elif method.overrides("weight_variables"):
            parameters[method.name] = method.weight_variables(parameters["model"])
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


def penalty(experiment: Experiment, parameters: dict[str, Tree]) -> Array:
    """The sum of the differentiable penalties."""
    params = weights(experiment, parameters)
    terms = [m.penalty(params) for m in experiment.regularizers if m.overrides("penalty") and m.differentiable()]
    return sum(terms, jnp.zeros(()))


def optimizer_chain(experiment: Experiment, learning_rate: Array) -> optax.GradientTransformation:
    """The optimizer at this step's rate, then what methods do to the update."""
    extra = [m.transform_update(learning_rate) for m in experiment.regularizers if m.overrides("transform_update")]
    return optax.chain(experiment.optimizer.transform(learning_rate), *extra)


class Progress(NamedTuple):
    """What a step changes."""

    variables: Variables
    optimizer: Tree
    memory: dict[str, Tree]  # of the loop methods


def training_loss(
    experiment: Experiment, spec: Spec, lane: Lane, keys: Mapping[str, Array]
) -> Callable[[Variables, Batch], tuple[Array, dict[str, Tree]]]:
    """The data loss as it is trained, with what methods do around it. `keys`: of this step."""

    def data_loss(variables: Variables, batch: Batch) -> tuple[Array, dict[str, Tree]]:
        found = forward(experiment, spec, lane, variables, batch.inputs, "train", keys, batch)
        losses: Array = LOSSES[spec.loss](found.outputs, batch.targets)
        for method in experiment.regularizers:
            if method.overrides("transform_losses"):
                losses = method.transform_losses(losses, found.outputs, batch)
        return jnp.mean(losses if found.losses is None else losses + found.losses), found.state

    loss: Callable[[Any, Batch], tuple[Array, Any]] = data_loss
    for method in experiment.regularizers:
        if method.overrides("transform_loss"):
            loss = method.transform_loss(loss, keys[f"{method.name}/transform_loss"])
    return loss


def train_step(
    experiment: Experiment,
    spec: Spec,
    shared: Shared,
    lane: Lane,
    streams: Mapping[str, Array],
    before: Progress,
    rows: Array,
    step: Array,
) -> tuple[Progress, Array]:
    """One update on the examples in `rows`. Returns (what has changed, mean data loss as trained)."""
    methods = experiment.regularizers
    keys = {name: jax.random.fold_in(key, step) for name, key in streams.items()}
    steps_per_epoch = lane.train.shape[0] // rows.shape[0]
    inputs, targets = gather(spec, shared, lane, rows)
    batch = Batch(inputs, targets, lane.low, lane.high, rows, step / steps_per_epoch, lane.own)
    batch = transform_batches(methods, batch, keys)

    loss = training_loss(experiment, spec, lane, keys)
    gradient = _gradient(experiment, loss, before.variables.state, batch)
    for method in methods:
        if method.overrides("transform_gradient"):
            gradient = method.transform_gradient(gradient)
    (value, state), grads = gradient(before.variables.parameters)

    total = experiment.training.epochs * steps_per_epoch
    share = experiment.optimizer.schedule.rate(step, steps_per_epoch, total)
    for method in methods:
        if method.overrides("transform_rate"):
            share = method.transform_rate(share, step / total)
    rate = experiment.optimizer.learning_rate * share
    updates, optimizer = optimizer_chain(experiment, rate).update(grads, before.optimizer, before.variables.parameters)
    parameters = optax.apply_updates(before.variables.parameters, updates)
    projecting = [method for method in methods if method.overrides("project")]
    if projecting:
        # optax.chain keeps one state per transformation; the first is the optimizer's own.
        sizes = experiment.optimizer.step_sizes(rate, optimizer[0], parameters)["model"]
        for method in projecting:
            parameters = {**parameters, "model": method.project(parameters["model"], sizes)}
    variables, memory = Variables(parameters, state), dict(before.memory)
    for method in methods:
        if method.overrides("after_step"):
            memory[method.name] = method.after_step(memory[method.name], variables, (step + 1) / steps_per_epoch)
    return Progress(variables, optimizer, memory), value


def _gradient(
    experiment: Experiment, loss: Callable[[Any, Batch], tuple[Array, Any]], state: dict[str, Tree], batch: Batch
) -> Callable[[Any], tuple[Any, Any]]:
    """parameters -> ((mean data loss, new state), gradients of the data loss plus all penalties)."""

    def gradient(parameters: Tree) -> tuple[tuple[Array, dict[str, Tree]], Tree]:
        value, grads = jax.value_and_grad(lambda p: loss(Variables(p, state), batch), has_aux=True)(parameters)
        if any(m.overrides("penalty") for m in experiment.regularizers):
            # Apart from the loss: its value is never needed here, and a w costs 0.84-0.93x of 1/2 a w^2 in the loss.
            extra = jax.grad(lambda p: penalty(experiment, p))(parameters)
            grads = jax.tree.map(jnp.add, grads, extra)
        return value, grads

    return gradient
