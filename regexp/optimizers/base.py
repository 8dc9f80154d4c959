"""The interface of an optimizer: an optax transformation, built inside the trace from the step's learning rate."""

from __future__ import annotations

from typing import ClassVar

from regexp.core.component import Catalogue, Component, NonNegative, component
from regexp.core.lazy import optax
from regexp.core.shapes import Scalar, Tree
from regexp.schedules.base import Schedule
from regexp.schedules.constant import Constant


@component
class Optimizer(Component):
    """The base of all optimizers, with the fields that they share.

    learning_rate: eps_0 >= 0, per update
    schedule: eps_k as a function of eps_0 and k
    """

    full_batch: ClassVar[bool] = False
    has_step_sizes: ClassVar[bool] = True
    learning_rate: NonNegative = 1e-3
    schedule: Schedule = Constant()

    def transform(self, learning_rate: Scalar) -> optax.GradientTransformation:
        """Return the transformation from gradients to parameter updates. `learning_rate` is eps_k, a traced scalar.

        The structure of its state must not depend on any number: the transformation is rebuilt at every step.
        """
        raise TypeError(f"{type(self).__name__} defines no transform")

    def step_sizes(self, learning_rate: Scalar, state: Tree, params: Tree) -> Tree:
        """Return the diagonal of the matrix P for which a constant gradient g leads to the update -P g.

        state: the state of `transform` after this step's update

        The result is a tree like `params`, whose leaves broadcast against those of `params`. A proximal step or a
        projection in the metric of P^-1 has the optimum of its objective as its fixed point; with any other threshold
        the optimizer minimizes a different objective. The method is called only if `has_step_sizes`: an optimizer whose
        update is not proportional to g has no such matrix.

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
