"""Initialisers against JAX's own and their moments."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regexp.initializers.base import fans
from regexp.initializers.he import He
from regexp.initializers.normal import Normal
from regexp.initializers.xavier import Xavier
from regexp.initializers.zeros import Zeros

KEY = jax.random.PRNGKey(3)
SHAPES = [(400, 300), (5, 5, 32, 64)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_draws_are_jaxs(shape):
    own = jax.nn.initializers
    for ours, theirs in (
        (He(), own.variance_scaling(2.0, "fan_in", "normal")),
        (Xavier(), own.variance_scaling(1.0, "fan_in", "normal")),
        (Xavier(form="glorot"), own.variance_scaling(1.0, "fan_avg", "normal")),
        (Xavier(distribution="uniform"), own.variance_scaling(1.0, "fan_in", "uniform")),
        (Xavier(form="glorot", distribution="uniform"), own.glorot_uniform()),
        (Normal(std=0.02), own.normal(0.02)),
        (Zeros(), own.zeros),
    ):
        np.testing.assert_allclose(ours.draw(KEY, shape), theirs(KEY, shape, jnp.float32), rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_variances_are_the_formulas(shape):
    n_in, n_out = np.prod(shape[:-1]), np.prod(shape[:-2]) * shape[-1]
    assert fans(shape) == (n_in, n_out)
    for initializer, variance in (
        (He(), 2 / n_in),
        (Xavier(), 1 / n_in),
        (Xavier(form="glorot"), 2 / (n_in + n_out)),
        (Xavier(distribution="uniform"), 1 / n_in),
        (Normal(std=0.01), 1e-4),
    ):
        w = np.asarray(initializer.draw(KEY, shape))
        assert w.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / w.size))
        assert abs(w.mean()) < 5 * np.sqrt(variance / w.size)
