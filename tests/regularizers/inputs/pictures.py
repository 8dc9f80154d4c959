"""Batches of pictures for the tests of augmentation."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from regexp.regularizers.base import Batch

KEY = jnp.asarray([1, 2], jnp.uint32)


def pictures(n: int = 6, height: int = 9, width: int = 8, channels: int = 3, same: bool = False) -> Batch:
    """Random pixels in [0, 1]; `same` repeats one picture."""
    generator = np.random.default_rng(0)
    inputs = generator.uniform(size=(1 if same else n, height, width, channels)).astype(np.float32)
    targets = np.eye(4, dtype=np.float32)[generator.integers(0, 4, n)]
    inputs = np.broadcast_to(inputs, (n, height, width, channels))
    return Batch(jnp.asarray(inputs), jnp.asarray(targets), jnp.zeros(()), jnp.ones(()))
