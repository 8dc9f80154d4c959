"""The contract of an optimizer: an optax transformation built inside the trace from this step's learning rate."""

from __future__ import annotations

from typing import Any, ClassVar

from regexp.core.component import Catalogue, Component, NonNegative, component
from regexp.core.lazy import optax
from regexp.schedules.base import Schedule
from regexp.schedules.constant import Constant

Array = Any


@component
class Optimizer(Component):
    """Fields that every optimizer has.

    learning_rate: eps_0 >= 0, per update
    schedule: how eps_k follows from eps_0 and k
    """

    full_batch: ClassVar[bool] = False
    has_step_sizes: ClassVar[bool] = True
    learning_rate: NonNegative = 1e-3
    schedule: Schedule = Constant()

    def transform(self, learning_rate: Array) -> optax.GradientTransformation:
        """Gradients -> what is added to the parameters. `learning_rate` is eps_k, a traced scalar.

        The state's structure may not depend on any number: the transformation is rebuilt at every step.
        """
        raise TypeError(f"{type(self).__name__} defines no transform")

    def step_sizes(self, learning_rate: Array, state: Array, params: Array) -> Array:
        """The diagonal matrix P with which a constant gradient g settles to the update -P g, as a tree like `params`.

        state: of `transform`, after this step's update
        A proximal step or a projection in the metric of P^-1 has the optimum of its objective as its fixed point; with
        any other threshold the optimizer minimizes another objective. Leaves broadcast against those of `params`.
        Only called where `has_step_sizes`: an optimizer whose update is not proportional to g has no such matrix.

        Source: Yun, Lozano, Yang, Adaptive proximal gradient methods for structured neural networks, 2021.
        """
        raise TypeError(f"{type(self).__name__} defines no step_sizes")


CATALOGUE: Catalogue[Optimizer] = Catalogue(
    "optimizer",
    "regexp.optimizers",
    "sgd",
    "gd",
    "momentum",
    "nesterov",
    "adagrad",
    "rmsprop",
    "adam",
    "adamw",
    "lion",
)
