"""A linear head on the last hidden layer, and the network's inputs as its targets; shared by this folder's methods."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from regexp.core.lazy import jax, jnp
from regexp.regularizers.base import Array, Site


def head_variables(key: Array, shape: tuple[int, ...], outputs: int) -> dict[str, Array]:
    """{"kernel": (n, k), "bias": (k,)}, kernel ~ N(0, 1/n): from hidden units (B, *shape) to k outputs."""
    n = prod(shape)
    return {"kernel": jax.random.normal(key, (n, outputs)) / n**0.5, "bias": jnp.zeros(outputs)}


def head_errors(x: Array, head: Mapping[str, Array], targets: Array) -> Array:
    """(B,) mean squared error between x W + b and the targets (B, k) that are there, not NaN; 0 where none is."""
    found = x.reshape(x.shape[0], -1) @ head["kernel"].astype(x.dtype) + head["bias"].astype(x.dtype)
    there = ~jnp.isnan(targets)
    errors = jnp.square(jnp.where(there, found - jnp.where(there, targets, 0), 0))
    return jnp.sum(errors, -1) / jnp.maximum(jnp.sum(there, -1), 1)


def reconstruction_errors(x: Array, site: Site) -> Array:
    """(B,) mean squared error between the inputs, as the network sees them, and x W + b."""
    return head_errors(x, site.parameters, site.inputs.reshape(x.shape[0], -1))
