"""A linear head on the last hidden layer that predicts the network's inputs; shared by the methods of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Array, Float, Key
from regexp.regularizers.base import Arrays, Site, present


def head_variables(key: Key, shape: tuple[int, ...], outputs: int) -> Arrays:
    """Draw {"kernel": (n, k), "bias": (k,)}, kernel ~ N(0, 1/n), from hidden units (B, *shape) to k outputs."""
    n = prod(shape)
    return {"kernel": jax.random.normal(key, (n, outputs)) / n**0.5, "bias": jnp.zeros(outputs)}


def head_errors(
    x: Float[Array, "batch ..."], head: Mapping[str, Array], targets: Float[Array, "batch targets"]
) -> Float[Array, " batch"]:
    """Return the mean squared error between x W + b and the targets that are not NaN; 0 if all of them are."""
    outputs = x.reshape(x.shape[0], -1) @ head["kernel"].astype(x.dtype) + head["bias"].astype(x.dtype)
    observed = ~jnp.isnan(targets)
    # The inner `where` keeps NaN out of the subtraction: its gradient would be NaN even where the outer one is 0.
    errors = jnp.square(jnp.where(observed, outputs - jnp.where(observed, targets, 0), 0))
    return jnp.sum(errors, -1) / jnp.maximum(jnp.sum(observed, -1), 1)


def reconstruction_errors(x: Float[Array, "batch ..."], site: Site) -> Float[Array, " batch"]:
    """Return the mean squared error between the preprocessed inputs and x W + b."""
    return head_errors(x, site.parameters, present(site.inputs).reshape(x.shape[0], -1))
