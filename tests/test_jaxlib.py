"""The releases of jaxlib that compute wrong numbers on CPU, and the reproducer that tells them (jax#39103)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from regexp.engine import device


@pytest.mark.parametrize("release", ["0.10.2", "0.11.0", "0.11.2"])
def test_excluded_releases_are_known(release):
    assert device.miscomputes(release)


@pytest.mark.parametrize("release", ["0.10.1", "0.12.0.1", "0.13.0"])
def test_sound_releases_pass(release):
    assert not device.miscomputes(release)


def test_an_excluded_release_warns(monkeypatch):
    monkeypatch.setattr(device, "version", lambda package: "0.10.2")
    with pytest.warns(UserWarning, match="computes wrong numbers on CPU"):
        device.set_up("cpu")


def test_this_release_computes_right_numbers():
    i = jnp.arange(32_769, dtype=jnp.float32)
    x = jnp.stack((i, jnp.zeros_like(i), jnp.zeros_like(i)), axis=1)
    eye = jnp.eye(3)
    squares = jax.jit(jax.vmap(lambda row: jnp.sum((eye @ row) ** 2)))(x)
    assert float(squares[-1]) == 32_768.0**2


def test_arctan_is_right_beyond_50_elements():
    x = jnp.linspace(-3, 3, 200)
    assert jnp.max(jnp.abs(jnp.tan(jnp.arctan(x)) - x)) < 1e-4
