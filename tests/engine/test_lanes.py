"""Compiled programs are kept, but not more than the process has memory maps for."""

from __future__ import annotations

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regexp.engine import lanes
from regexp.engine.lanes import Layout, compilations, compile_over_lanes, memory_maps


def scaled(factor, x):
    return jax.lax.fori_loop(0, 3, lambda i, y: jnp.sin(y @ y.T) @ y * factor, x)


@pytest.mark.skipif(memory_maps() == 0, reason="the system does not tell its memory maps")
def test_programs_not_used_for_long_are_forgotten_before_memory_maps_run_out(monkeypatch):
    monkeypatch.setattr(lanes, "_programs", {})
    layout = Layout(2, tuple(jax.devices()[:2]), "vmap")
    x = layout.put(np.ones((2, 8, 8), np.float32), over_lanes=True)

    def program(factor):
        return compile_over_lanes(scaled, layout, (), (x,), (factor,))

    first = np.asarray(program(0.5).call(x))
    before, count = memory_maps(), compilations()
    for k in range(1, 20):
        program(0.5 + k)
        assert program(0.5)  # used all the time
    assert compilations() == count + 19
    full = memory_maps()
    monkeypatch.setattr(lanes, "MOST_MAPS", 0)
    monkeypatch.setattr(lanes, "COUNTED_EVERY", 1)
    program(100.0)
    gc.collect()
    assert len(lanes._programs) == 11
    assert memory_maps() - before < 0.7 * (full - before)
    np.testing.assert_array_equal(program(0.5).call(x), first)
    assert compilations() == count + 20  # it was used last, so it was kept
    program(1.5)
    assert compilations() == count + 21
