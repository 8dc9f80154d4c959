"""The hooks: where a regularizer may act on one training step. Every hook of the base class is the identity.

    place        hook                                   called
    data         prepare(data, split, generator)        once per lane, before training, by NumPy: the method's constants
                 resample(rows, generator)              once per member of an ensemble
    inputs,      transform_batch(batch, key)            on the raw batch, before the forward pass; training only
    targets
    weights      weight_variables(params)               initial values of trainable arrays that parametrize the weights
                 reparametrize(params, variables)       weights from these arrays; penalties see the result
                 transform_weights(params, site)        inside the loss
    activations  transform_activation(x, site)          by the model at its named sites
    parameters   penalty(params)                        its gradient is added; its value is logged separately
    loss         transform_losses(losses, outputs, b)   on the per-example losses: missing labels
                 transform_loss(loss)                   around the data loss: adversarial training
    gradients    transform_gradient(gradient)           around value and gradient of the complete objective
                 transform_rate(rate, progress)         on the schedule's factor of the learning rate
                 transform_update(learning_rate)        an optax transformation after the optimizer's
                 project(params, step_sizes)            after the update
    loop         start_memory(), after_step(...),       the method's memory, inside the compiled chunk
                 after_epoch(...)
                 averaged(memory, variables)            variables to evaluate instead of the trained ones
                 models(memory, epoch, epochs)          several sets of variables whose predictions are averaged

Hooks are folded in the order of the YAML (`transform_batch` by fold.py). Every (method, hook) has its own random
stream, so adding a method does not change the draws of the others. A method with trainable arrays or running statistics
(batch norm's gamma, beta, mean and variance) declares them by `site_variables`; the carry holds them next to the
model's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from regexp.core.component import Catalogue, Component
from regexp.core.lazy import jnp, optax
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Bool, Float, Int, Key, Scalar, Tree

Arrays = dict[str, Array]
Params = dict[str, Arrays]  # layer -> {"kernel": ..., "bias": ...}
Memory = dict[str, Tree]
DataLoss = Callable[[Tree, "Batch"], tuple[Array, Tree]]  # (variables, batch) -> (mean data loss, new state)
ObjectiveGradient = Callable[[Tree], tuple[tuple[Array, Tree], Tree]]  # parameters -> ((loss, state), gradients)
T = TypeVar("T")
Number = TypeVar("Number", bound=Scalar)


class Batch(NamedTuple):
    """One minibatch in raw units: images in [0, 1], tables as read.

    inputs     (B, H, W, C) or (B, D)
    targets    (B, K) probabilities for classification, (B, outputs) numbers for regression
    low, high  the range of raw inputs, scalars or (D,); attacks stay within it
    rows       (B,) the examples' rows in the dataset
    epoch      epochs trained so far, with the fraction of the current one
    constants  the arrays that each method's `prepare` returned: {method: {name: array}}
    """

    inputs: Float[Array, " batch *features"]
    targets: Float[Array, "batch outputs"]
    low: Float[Array, "*columns"]
    high: Float[Array, "*columns"]
    rows: Int[Array, " batch"] | None = None
    epoch: Scalar = 0.0
    constants: Mapping[str, Mapping[str, Array]] = {}


@dataclass
class Site:
    """A named place in the forward pass, as the model passes it to `transform_activation`.

    name        `input`, `hidden_0/pre` (before the nonlinearity), `hidden_0/post` (after it), `block_1/residual`
    mode        "train", "eval" (deterministic), "mc" (random draws, running statistics) or "statistics" (no draws; the
                statistics of the batch, which are stored unchanged in `new_state`)
    key         the random key of this method and site; None where nothing is drawn
    parameters  the method's trainable arrays at this site
    state       the method's running statistics at this site; assign `new_state` to change them in training
    depth       for residual sites: the block's number over the number of blocks, in (0, 1]
    examples    number of examples in the batch
    last        whether this is the last layer before the output; set for `site_variables` only
    inputs      (B, *shape) the network's preprocessed inputs, before any method acts on them
    batch       the minibatch, in training; for `site_variables` its per-example fields are placeholders
    losses      (B,) assign to it to add to the examples' losses in training
    """

    name: str
    mode: str
    key: Key | None = None
    parameters: Mapping[str, Array] = field(default_factory=dict)
    state: Mapping[str, Array] = field(default_factory=dict)
    new_state: Mapping[str, Array] | None = None
    depth: float = 1.0
    examples: int = 0
    last: bool = False
    inputs: Float[Array, " batch *features"] | None = None
    batch: Batch | None = None
    losses: Float[Array, " batch"] | None = None

    @property
    def layer(self) -> str:
        """The layer's name, such as `hidden_0` for `hidden_0/pre`."""
        return self.name.rpartition("/")[0] or self.name

    @property
    def kind(self) -> str:
        """The last part of the name: `input`, `pre`, `post` or `residual`."""
        return self.name.rpartition("/")[2]

    @property
    def random(self) -> bool:
        """Whether noise is drawn here."""
        return self.mode in ("train", "mc")


def present(field_of_site: T | None) -> T:
    """Return a field of a site that must be set where it is read. Raises ValueError if it is None."""
    if field_of_site is None:
        raise ValueError("the forward pass did not set this field of the site")
    return field_of_site


@runtime_checkable
class Examples(Protocol):
    """The fields of datasets.base.Data that `prepare` reads."""

    @property
    def targets(self) -> np.ndarray: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def extra(self) -> np.ndarray | None: ...


@runtime_checkable
class Parts(Protocol):
    """The field of datasets.base.Split that `prepare` reads."""

    @property
    def train(self) -> np.ndarray: ...


class Regularizer(Component):
    """The base of all methods: a method acts through the hooks that it overrides.

    `neutral` maps fields to the values at which the method has no effect; {} if there are none.
    `images_only`, `classification_only`, `needs_validation`, `needs_hidden` (layers) and `needs_others` (in the batch)
    are requirements that the config checks before training; `needs_colour` names the fields that must be neutral if
    images do not have three channels.
    """

    neutral: ClassVar[Mapping[str, float]] = {}
    images_only: ClassVar[bool] = False
    needs_colour: ClassVar[tuple[str, ...]] = ()
    classification_only: ClassVar[bool] = False
    needs_validation: ClassVar[bool] = False
    needs_hidden: ClassVar[bool] = False
    needs_others: ClassVar[bool] = False
    is_ensemble: ClassVar[bool] = False
    resamples: ClassVar[bool] = False  # each member has its own training rows
    reseeds: ClassVar[bool] = False  # each member has its own initial weights, batch orders and draws

    @property
    def selects_best(self) -> bool | None:
        """Whether the best epoch (True) or the last (False) is evaluated; None leaves the choice to the config."""
        return None

    @classmethod
    def acts_on(cls) -> str:
        """Return the folder of the method's file: inputs, targets, weights, activations, parameters, ..."""
        return cls.__module__.split(".")[-2]

    @classmethod
    def overrides(cls, hook: str) -> bool:
        """Return whether this method overrides a hook."""
        return getattr(cls, hook) is not getattr(Regularizer, hook)

    def conflicts(self, experiment: Any) -> list[Problem]:
        """Return the reasons why this method does not fit the rest of `experiment`."""
        return []

    def lanes(self) -> int:
        """Return the number of models trained side by side for each seed."""
        return 1

    def prepare(self, data: Examples, split: Parts, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the method's constants for a lane; a step reads them from `Batch.constants`."""
        return {}

    def resample(self, rows: Int[np.ndarray, " n"], generator: np.random.Generator) -> Int[np.ndarray, " n"]:
        """Return the training rows of one member of an ensemble, as many as `rows`."""
        return rows

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        return batch

    def weight_variables(self, params: Params) -> Params:
        """Return initial values of the trainable arrays by layer that define the weights together with the kernels."""
        return {}

    def reparametrize(self, params: Params, variables: Mapping[str, Mapping[str, Array]]) -> Params:
        return params

    def transform_weights(self, params: Params, site: Site) -> Params:
        return params

    def site_variables(self, site: Site, shape: tuple[int, ...]) -> tuple[Arrays, Arrays]:
        """Return the initial (trainable arrays, running statistics) at a site whose activations are (B, *shape)."""
        return {}, {}

    def absorbs_bias(self, site_name: str) -> bool:
        """Return whether a bias just before this site has no effect, so that the model omits it."""
        return False

    def transform_activation(self, x: Float[Array, " batch *features"], site: Site) -> Float[Array, " batch *features"]:
        return x

    def penalty(self, params: Params) -> Float[Array, ""]:
        return jnp.zeros(())

    def differentiable(self) -> bool:
        """Return whether the penalty's gradient is added; False if `project` replaces it. Static fields decide."""
        return True

    def transform_losses(
        self, losses: Float[Array, " batch"], outputs: Float[Array, "batch outputs"], batch: Batch
    ) -> Float[Array, " batch"]:
        """Return per-example losses, whose mean is the data loss."""
        return losses

    def transform_loss(self, loss: DataLoss, key: Key) -> DataLoss:
        """Return a function like `loss`, which draws the same masks each time it is called."""
        return loss

    def transform_gradient(self, gradient: ObjectiveGradient) -> ObjectiveGradient:
        """Return a function like `gradient`, which differentiates the data loss plus all penalties."""
        return gradient

    def transform_rate(self, rate: Float[Array, ""], progress: Scalar) -> Float[Array, ""]:
        """Return eps_k / eps_0 from the schedule's `rate`; `progress` is the elapsed fraction of the run."""
        return rate

    def transform_update(self, learning_rate: Scalar) -> optax.GradientTransformation:
        return optax.identity()

    def project(self, params: Params, step_sizes: Params) -> Params:
        return params

    def start_memory(self, variables: Tree) -> Memory:
        """Return the initial memory of `after_step` and `after_epoch`: arrays, or trees like `variables`."""
        return {}

    def after_step(self, memory: Memory, variables: Tree, epoch: Scalar) -> Memory:
        """Return the memory after a step; `epoch` counts epochs including this step, with fractions."""
        return memory

    def after_epoch(
        self, memory: Memory, score: Scalar, variables: Tree, epoch: Scalar, epochs: Scalar
    ) -> tuple[Memory, Bool[Array, ""]]:
        """Return (memory, whether this lane stops).

        score: the monitored validation metric, smaller is better
        variables: the trained variables
        epoch, epochs: the number of epochs trained, this one included, and of the run
        """
        return memory, jnp.asarray(False)

    def averaged(self, memory: Mapping[str, Tree], variables: Tree) -> Tree:
        return variables

    def models(self, memory: Mapping[str, Tree], epoch: int, epochs: int) -> list[Tree]:
        """Return the variables of each completely trained model; [] if the run trains a single one.

        epoch, epochs: the number of epochs trained so far, and of the run
        """
        return []


def kernels(params: Params) -> Arrays:
    """Return the weights w of the formulas: every layer's kernel, never a bias, gamma or beta."""
    return {layer: arrays["kernel"] for layer, arrays in params.items() if "kernel" in arrays}


def unit_axes(w: Float[Array, "*inputs units"]) -> tuple[int, ...]:
    """Return the axes of a kernel that index one unit's incoming weights.

    (n_in, n_out), convolution (h, w, n_in, n_out), untied convolution (places, n_in, n_out): a unit at each place.
    """
    return (1,) if w.ndim == 3 else tuple(range(w.ndim - 1))


def with_kernels(params: Params, new: Mapping[str, Array]) -> Params:
    """Return `params` with the kernels of the layers in `new` replaced."""
    return {layer: {**arrays, "kernel": new[layer]} if layer in new else arrays for layer, arrays in params.items()}


def matching(layers: Mapping[str, Number] | None, layer: str, default: Number) -> Number:
    """Return the number of the longest pattern in `layers` that matches the layer's name, else `default`."""
    patterns = [pattern for pattern in layers or {} if fnmatchcase(layer, pattern)]
    return (layers or {})[max(patterns, key=lambda p: (len(p), p))] if patterns else default


def strengths(default: Number, layers: Mapping[str, Number] | None, params: Params) -> list[tuple[Number, Array]]:
    """Return (strength, kernel) of every layer."""
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
