"""A head that reconstructs the network's inputs from its last hidden layer; shared by the methods of this folder."""

from __future__ import annotations

from math import prod

from regexp.lazy import jax, jnp
from regexp.regularizers.base import Array, Site


def head_variables(site: Site, shape: tuple[int, ...]) -> dict[str, Array]:
    """{"kernel": (n, D), "bias": (D,)}, kernel ~ N(0, 1/n): from n hidden units to the D inputs."""
    n, outputs = prod(shape), prod(site.inputs.shape[1:])
    kernel = jax.random.normal(site.key, (n, outputs)) / n**0.5
    return {"kernel": kernel, "bias": jnp.zeros(outputs)}


def reconstruction_errors(x: Array, site: Site) -> Array:
    """(B,) mean squared error between the inputs, as the network sees them, and x W + b."""
    kernel, bias = (site.parameters[name].astype(x.dtype) for name in ("kernel", "bias"))
    found = x.reshape(x.shape[0], -1) @ kernel + bias
    return jnp.mean(jnp.square(found - site.inputs.reshape(x.shape[0], -1)), -1)
