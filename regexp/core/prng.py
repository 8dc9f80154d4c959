"""Random streams: one per method and hook, so that adding or removing a method does not change the draws of others.

Keys are threefry keys in raw form, two uint32 words. Masks and noise, whose threefry draws would cost as much as a
matrix product, come from a cheaper counter-based hash of (key, position) that uses the finalizer of MurmurHash3.
tests/core/test_prng.py checks the hash: rate, independence over units, steps, sites, methods and lanes, and training
results that equal those with threefry masks.
"""

from __future__ import annotations

import zlib
from math import prod

from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Array, Bool, Float, Key, Scalar, UInt32


def stream(key: Key, name: str) -> Key:
    """Return the key of a named stream: fold_in(key, crc32(name))."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def _mix(x: UInt32[Array, " *shape"]) -> UInt32[Array, " *shape"]:
    """Apply fmix32 (Appleby, public domain), a bijection of uint32: every input bit affects every output bit."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def hash_bits(key: Key, shape: tuple[int, ...]) -> UInt32[Array, " *shape"]:
    """Return a random uint32 word per position: fmix32 of the position, combined with both mixed words of the key."""
    first = _mix(key[0] ^ _mix(key[1]))
    second = _mix(key[1] + jnp.uint32(0x7F4A7C15))
    x = jax.lax.iota(jnp.uint32, prod(shape)) * jnp.uint32(0x9E3779B1) + first
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13) ^ second) * jnp.uint32(0xC2B2AE35)
    return (x ^ (x >> 16)).reshape(shape)


def hash_normal(key: Key, shape: tuple[int, ...], dtype: jnp.dtype | None = None) -> Float[Array, " *shape"]:
    """Draw N(0, 1) at every position: sqrt(2) erfinv(2u - 1), u the midpoint of one of 2^23 equal parts of (0, 1).

    No draw exceeds 5.3 standard deviations. With 2^24 parts the last midpoint would round to 1 in float32, where erfinv
    is infinite.
    """
    u = ((hash_bits(key, shape) >> 9).astype(jnp.float32) + 0.5) * jnp.float32(2**-23)
    return (jnp.float32(2**0.5) * jax.lax.erf_inv(2 * u - 1)).astype(dtype or jnp.float32)


def drop_mask(key: Key, rate: Scalar, shape: tuple[int, ...]) -> Bool[Array, " *shape"]:
    """Return a mask that is True with probability `rate` (to 2^-24), independently at every position."""
    threshold = (jnp.asarray(rate, jnp.float32) * jnp.float32(2**24)).astype(jnp.uint32)
    return (hash_bits(key, shape) >> 8) < threshold


def symmetric_beta(key: Key, alpha: Scalar) -> Float[Array, ""]:
    """Draw a float32 number from Beta(alpha, alpha); 1 at alpha = 0, where the distribution does not exist."""
    positive = jnp.where(alpha > 0, alpha, 1)
    return jnp.where(alpha > 0, jax.random.beta(key, positive, positive, dtype=jnp.float32), jnp.float32(1))
