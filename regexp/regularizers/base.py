"""The hooks: where a regularizer may act on one training step. Every body here is the identity.

    place        hook                                   called
    data         prepare(data, split, generator)        once per lane, before training, by NumPy: constants of its own
                 resample(rows, generator)              once per member of an ensemble
    inputs,      transform_batch(batch, key)            on the raw batch, before the forward pass; training only
    targets
    weights      weight_variables(params)               first values of trainable arrays that stand for weights
                 reparametrize(params, own)             weights from them; also what penalties see
                 transform_weights(params, site)        inside the loss
    activations  transform_activation(x, site)          by the model at its named sites
    parameters   penalty(params)                        its gradient is added; its value is logged apart
    loss         transform_losses(losses, outputs, b)   on the losses of the examples: labels that are missing
                 transform_loss(loss)                   around the data loss: adversarial training
    gradients    transform_gradient(gradient)           around value and gradient of the whole objective
                 transform_rate(rate, progress)         on the schedule's share of the learning rate
                 transform_update(learning_rate)        an optax transformation after the optimizer's
                 project(params, step_sizes)            after the update
    loop         start_memory(), after_step(...),       memory of its own, inside the compiled chunk
                 after_epoch(...)
                 averaged(memory, variables)            what is evaluated in the place of the trained variables
                 models(memory, epoch, epochs)          several sets of variables whose predictions are averaged

They are folded in the order of the YAML (`transform_batch` by fold.py). Every (method, hook) has a random stream of
its own, so that switching one method on moves no other's draws. A method with variables of its own (batch norm's gamma,
beta and running statistics) declares them by `site_variables`; they live in the carry next to the model's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, NamedTuple

from regexp.core.component import Catalogue, Component
from regexp.core.lazy import jnp, optax

Array = Any  # a jax.Array or a tracer of one
Params = dict[str, dict[str, Array]]  # layer -> {"kernel": ..., "bias": ...}


class Batch(NamedTuple):
    """One minibatch in raw units: images in [0, 1], tables as read.

    inputs   (B, H, W, C) or (B, D)
    targets  (B, K) probabilities for classification, (B, outputs) numbers for regression
    low, high  the range of raw inputs, scalars or (D,): what an attack may not leave
    rows     (B,) the examples' rows in the dataset
    epoch    epochs trained so far, a fraction within one
    own      what each method's `prepare` returned: {method: {name: array}}
    """

    inputs: Array
    targets: Array
    low: Array
    high: Array
    rows: Array = None
    epoch: Array = 0.0
    own: Mapping[str, Mapping[str, Array]] = {}


@dataclass
class Site:
    """A named place in the forward pass, as the model offers it to `transform_activation`.

    name        `input`, `hidden_0/pre` (before the nonlinearity), `hidden_0/post` (after it), `block_1/residual`
    mode        "train", "eval" (deterministic), "mc" (random draws, running statistics) or "statistics" (no draws, the
                batch's statistics, which are left in `new_state` as they are)
    key         a random key of this method and site; None where nothing is drawn
    parameters  the method's own trainable arrays here
    state       the method's own running statistics here; assign `new_state` to change them in training
    depth       for residual sites: the block's number over the number of blocks, in (0, 1]
    examples    in the batch
    last        whether this is the last layer before the output; told to `site_variables` alone
    inputs      (B, *shape) what the network was given, preprocessed, before any method acts on it
    batch       the minibatch, in training; told to `site_variables` it has only what belongs to no example
    losses      (B,) assign what is to be added to the examples' losses in training
    """

    name: str
    mode: str
    key: Array = None
    parameters: Mapping[str, Array] = field(default_factory=dict)
    state: Mapping[str, Array] = field(default_factory=dict)
    new_state: Mapping[str, Array] | None = None
    depth: float = 1.0
    examples: int = 0
    last: bool = False
    inputs: Array = None
    batch: Batch | None = None
    losses: Array = None

    @property
    def layer(self) -> str:
        """The layer's name: `hidden_0` of `hidden_0/pre`."""
        return self.name.rpartition("/")[0] or self.name

    @property
    def kind(self) -> str:
        """`input`, `pre`, `post` or `residual`."""
        return self.name.rpartition("/")[2]

    @property
    def random(self) -> bool:
        """Whether noise is drawn here."""
        return self.mode in ("train", "mc")


class Regularizer(Component):
    """A method that acts through the hooks it overrides.

    `neutral` holds the field values at which the method does nothing; {} where there are none.
    `images_only`, `classification_only`, `needs_validation`, `needs_hidden` (layers) and `needs_others` (in the batch)
    are what the config checks before anything runs; `needs_colour` names the fields that must be neutral where images
    do not have three channels.
    """

    neutral: ClassVar[Mapping[str, float]] = {}
    images_only: ClassVar[bool] = False
    needs_colour: ClassVar[tuple[str, ...]] = ()
    classification_only: ClassVar[bool] = False
    needs_validation: ClassVar[bool] = False
    needs_hidden: ClassVar[bool] = False
    needs_others: ClassVar[bool] = False
    is_ensemble: ClassVar[bool] = False
    resamples: ClassVar[bool] = False  # each member its own training rows
    reseeds: ClassVar[bool] = False  # each member its own initial weights, orders and draws

    @property
    def selects_best(self) -> bool | None:
        """Whether the run is measured at its best epoch (True) or its last (False); None leaves it to the config."""
        return None

    @classmethod
    def acts_on(cls) -> str:
        """The folder of its file: inputs, targets, weights, activations, parameters, ..."""
        return cls.__module__.split(".")[-2]

    @classmethod
    def overrides(cls, hook: str) -> bool:
        """Whether this method takes part in a hook."""
        return getattr(cls, hook) is not getattr(Regularizer, hook)

    def conflicts(self, experiment: Any) -> list[str]:
        """Why this method makes no sense in `experiment`, one sentence each; prefix "warning: " if it may still run."""
        return []

    def lanes(self) -> int:
        """How many models are trained side by side for each seed."""
        return 1

    def prepare(self, data: Any, split: Any, generator: Any) -> dict[str, Any]:
        """Arrays of this lane, by NumPy: datasets.base Data and Split, numpy.random.Generator; `Batch.own` has them."""
        return {}

    def resample(self, rows: Any, generator: Any) -> Any:
        """The training rows (NumPy) of one member of an ensemble, as many as given."""
        return rows

    def transform_batch(self, batch: Batch, key: Array) -> Batch:
        return batch

    def weight_variables(self, params: Params) -> dict[str, dict[str, Array]]:
        """Trainable arrays by layer that, with the kernels, make the weights."""
        return {}

    def reparametrize(self, params: Params, own: Mapping[str, Mapping[str, Array]]) -> Params:
        return params

    def transform_weights(self, params: Params, site: Site) -> Params:
        return params

    def site_variables(self, site: Site, shape: tuple[int, ...]) -> tuple[dict[str, Array], dict[str, Array]]:
        """(trainable arrays, running statistics) of this method at a site whose activations are (B, *shape)."""
        return {}, {}

    def absorbs_bias(self, site_name: str) -> bool:
        """Whether a bias just before this site has no effect and is left out of the model."""
        return False

    def transform_activation(self, x: Array, site: Site) -> Array:
        return x

    def penalty(self, params: Params) -> Array:
        return jnp.zeros(())

    def differentiable(self) -> bool:
        """Whether the penalty's gradient is added; False where `project` does its work (static fields decide)."""
        return True

    def transform_losses(self, losses: Array, outputs: Array, batch: Batch) -> Array:
        """losses (B,) of outputs (B, K); their mean is the data loss."""
        return losses

    def transform_loss(
        self, loss: Callable[[Any, Batch], tuple[Array, Any]], key: Array
    ) -> Callable[[Any, Batch], tuple[Array, Any]]:
        """`loss(variables, batch) -> (mean data loss, new state)`; called twice it draws the same masks."""
        return loss

    def transform_gradient(self, gradient: Callable[[Any], tuple[Any, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        """`gradient(parameters) -> ((loss, state), gradients)` of the data loss plus all penalties."""
        return gradient

    def transform_rate(self, rate: Array, progress: Array) -> Array:
        """`rate`: the schedule's share of the learning rate; `progress`: the share of the run that is over."""
        return rate

    def transform_update(self, learning_rate: Array) -> optax.GradientTransformation:
        return optax.identity()

    def project(self, params: Params, step_sizes: Params) -> Params:
        return params

    def start_memory(self, variables: Any) -> dict[str, Any]:
        """What `after_step` and `after_epoch` remember: arrays, or trees like the first `variables`."""
        return {}

    def after_step(self, memory: dict[str, Any], variables: Any, epoch: Array) -> dict[str, Any]:
        """`epoch`: epochs trained so far, this step included, a fraction within one."""
        return memory

    def after_epoch(
        self, memory: dict[str, Any], score: Array, variables: Any, epoch: Array, epochs: Array
    ) -> tuple[dict[str, Any], Array]:
        """Returns (memory, whether this lane stops).

        score: the monitored validation metric, smaller is better
        variables: as trained
        epoch, epochs: those trained, this one included, and those of the whole run
        """
        return memory, jnp.asarray(False)

    def averaged(self, memory: Mapping[str, Any], variables: Any) -> Any:
        return variables

    def models(self, memory: Mapping[str, Any], epoch: int, epochs: int) -> list[Any]:
        """Variables of each model that is trained to its end; [] where the one in training is the only one.

        epoch, epochs: those trained so far, and those of the whole run
        """
        return []


def kernels(params: Params) -> dict[str, Array]:
    """The weights w of the formulas: every layer's kernel, never a bias, gamma or beta."""
    return {layer: arrays["kernel"] for layer, arrays in params.items() if "kernel" in arrays}


def unit_axes(w: Array) -> tuple[int, ...]:
    """The axes of a kernel over which one unit's incoming weights run.

    (n_in, n_out), convolution (h, w, n_in, n_out), untied convolution (places, n_in, n_out): a unit at each place.
    """
    return (1,) if w.ndim == 3 else tuple(range(w.ndim - 1))


def with_kernels(params: Params, new: Mapping[str, Array]) -> Params:
    """`params` with the kernels in `new` put in the place of the old."""
    return {layer: {**arrays, "kernel": new[layer]} if layer in new else arrays for layer, arrays in params.items()}


def matching(layers: Mapping[str, Array] | None, layer: str, default: Array) -> Array:
    """The number that `layers` (pattern -> number) gives a layer: the longest match counts, else `default`."""
    patterns = [pattern for pattern in layers or {} if fnmatchcase(layer, pattern)]
    return (layers or {})[max(patterns, key=lambda p: (len(p), p))] if patterns else default


def strengths(default: Array, layers: Mapping[str, Array] | None, params: Params) -> list[tuple[Array, Array]]:
    """(strength, kernel) of every layer."""
    return [(matching(layers, layer, default), w) for layer, w in kernels(params).items()]


CATALOGUE: Catalogue[Regularizer] = Catalogue(
    "regularizer",
    "regexp.regularizers",
    "inputs.horizontal_flip",
    "inputs.vertical_flip",
    "inputs.rotate",
    "inputs.translate",
    "inputs.stretch",
    "inputs.zoom",
    "inputs.color_jitter",
    "inputs.color_balance",
    "inputs.blur",
    "inputs.cutout",
    "inputs.random_crop",
    "inputs.gaussian_noise",
    "inputs.mixup",
    "inputs.cutmix",
    "targets.label_smoothing",
    "targets.label_noise",
    "activations.batch_norm",
    "activations.dropout",
    "activations.activation_noise",
    "activations.stochastic_depth",
    "weights.dropconnect",
    "weights.weight_norm",
    "weights.weight_noise",
    "parameters.l1",
    "parameters.l2",
    "parameters.elastic_net",
    "parameters.weight_decay",
    "parameters.max_norm",
    "adversarial.fgsm",
    "gradients.sam",
    "gradients.gradient_clipping",
    "loop.early_stopping",
    "loop.weight_averaging",
    "signal.semi_supervised",
    "signal.auxiliary",
    "ensembles.bagging",
    "ensembles.deep_ensemble",
    "ensembles.snapshot_ensemble",
)
