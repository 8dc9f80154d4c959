"""Random streams: one per method and hook, so that switching one method on or off moves no other's draws.

Keys are threefry keys in raw form, two uint32 words. Masks, the one draw that costs as much as a matrix product, come
from a counter hash of (key, position) built of the finaliser of MurmurHash3, in a third of threefry's time.
tests/test_random.py holds the hash to account: rate, independence over units, steps, sites, methods and lanes, and
training results that equal those with threefry masks.
"""

from __future__ import annotations

import zlib
from math import prod
from typing import Any

from regexp.lazy import jax, jnp

Array = Any


def stream(key: Array, name: str) -> Array:
    """The key of a named stream: fold_in(key, crc32(name))."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def hash_bits(key: Array, shape: tuple[int, ...]) -> Array:
    """uint32 words, one per position: fmix32 (Appleby, public domain) over the position and both key words."""
    x = jax.lax.iota(jnp.uint32, prod(shape)) * jnp.uint32(0x9E3779B1) + key[0]
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13) ^ key[1]) * jnp.uint32(0xC2B2AE35)
    return (x ^ (x >> 16)).reshape(shape)


def drop_mask(key: Array, rate: Array, shape: tuple[int, ...]) -> Array:
    """True with probability `rate` (to 2^-24), independently at every position."""
    threshold = (jnp.asarray(rate, jnp.float32) * jnp.float32(2**24)).astype(jnp.uint32)
    return (hash_bits(key, shape) >> 8) < threshold
