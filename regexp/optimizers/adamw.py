"""Adam with decoupled weight decay."""

from __future__ import annotations

from regexp.core.component import NonNegative, Positive, Rate, component
from regexp.core.lazy import jax, optax
from regexp.core.shapes import PyTree, Scalar, Tree
from regexp.optimizers.adam import adam_step_sizes
from regexp.optimizers.base import Optimizer


@component
class AdamW(Optimizer):
    """Adam's update, then w <- w - eps_k d w for kernels (never biases, gamma, beta).

    learning_rate: eps_0 >= 0
    beta1: b1 in [0, 1), decay of the gradient's mean; 0 uses only the current gradient
    beta2: b2 in [0, 1), decay of its mean square; 0 divides by the current gradient
    epsilon: e > 0; a large e gives momentum with the rate eps_k/e
    decay: d >= 0; 0 is adam
    schedule: eps_k as a function of eps_0 and k

    Source: Loshchilov, Hutter, Decoupled weight decay regularization, 2019.
    """

    beta1: Rate = 0.9
    beta2: Rate = 0.999
    epsilon: Positive = 1e-8
    decay: NonNegative = 1e-2

    def transform(self, learning_rate: Scalar) -> optax.GradientTransformation:
        return optax.chain(
            optax.scale_by_adam(self.beta1, self.beta2, self.epsilon),
            optax.add_decayed_weights(self.decay, mask=_kernels),
            optax.scale(-learning_rate),
        )

    def step_sizes(self, learning_rate: Scalar, state: Tree, params: Tree) -> Tree:
        return adam_step_sizes(learning_rate, state[0], self.beta2, self.epsilon)


def _kernels(params: Tree) -> PyTree[bool]:
    """Return a tree of booleans that is True for kernels."""
    return jax.tree_util.tree_map_with_path(lambda path, _: jax.tree_util.keystr(path[-1:]) == "['kernel']", params)
