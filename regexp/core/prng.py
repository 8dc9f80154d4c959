"""Random streams: one per method and hook, so that switching one method on or off moves no other's draws.

Keys are threefry keys in raw form, two uint32 words. Masks and noise, the draws that cost as much as a matrix product,
come from a counter hash of (key, position) built of the finaliser of MurmurHash3, which is cheaper than threefry.
tests/core/test_prng.py holds the hash to account: rate, independence over units, steps, sites, methods and lanes, and
training results that equal those with threefry masks.
"""

from __future__ import annotations

import zlib
from math import prod
from typing import Any

from regexp.core.lazy import jax, jnp

Array = Any


def stream(key: Array, name: str) -> Array:
    """The key of a named stream: fold_in(key, crc32(name))."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def _mix(x: Array) -> Array:
    """fmix32 (Appleby, public domain): a bijection of uint32 in which every bit moves every other."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def hash_bits(key: Array, shape: tuple[int, ...]) -> Array:
    """uint32 words, one per position, from a key (2,): fmix32 over the position, both mixed words of the key inside."""
    first = _mix(key[0] ^ _mix(key[1]))
    second = _mix(key[1] + jnp.uint32(0x7F4A7C15))
    x = jax.lax.iota(jnp.uint32, prod(shape)) * jnp.uint32(0x9E3779B1) + first
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13) ^ second) * jnp.uint32(0xC2B2AE35)
    return (x ^ (x >> 16)).reshape(shape)


def hash_normal(key: Array, shape: tuple[int, ...], dtype: Any = None) -> Array:
    """N(0, 1) at every position: sqrt(2) erfinv(2u - 1), u the middle of one of 2^23 equal parts of (0, 1).

    No draw is beyond 5.3 standard deviations. Of 2^24 parts the
    last middle would round to 1 in float32, whose erfinv is infinite.
    """
    u = ((hash_bits(key, shape) >> 9).astype(jnp.float32) + 0.5) * jnp.float32(2**-23)
    return (jnp.float32(2**0.5) * jax.lax.erf_inv(2 * u - 1)).astype(dtype or jnp.float32)


def drop_mask(key: Array, rate: Array, shape: tuple[int, ...]) -> Array:
    """True with probability `rate` (to 2^-24), independently at every position."""
    threshold = (jnp.asarray(rate, jnp.float32) * jnp.float32(2**24)).astype(jnp.uint32)
    return (hash_bits(key, shape) >> 8) < threshold


def symmetric_beta(key: Array, alpha: Array) -> Array:
    """One number of Beta(alpha, alpha), float32; 1 at alpha = 0, where there is no such distribution."""
    positive = jnp.where(alpha > 0, alpha, 1)
    return jnp.where(alpha > 0, jax.random.beta(key, positive, positive, dtype=jnp.float32), jnp.float32(1))
