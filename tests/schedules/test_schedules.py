"""Schedules against optax, PyTorch and their formulas; lengths are traced."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regexp.schedules.base import CATALOGUE
from regexp.schedules.constant import Constant
from regexp.schedules.cosine import Cosine
from regexp.schedules.exponential import Exponential
from regexp.schedules.inverse_time import InverseTime
from regexp.schedules.linear import Linear
from regexp.schedules.step import Step

PER_EPOCH, TOTAL = 10, 200
STEPS = np.arange(TOTAL)


def rates(schedule, total=TOTAL):
    """The factor at every step of a run."""
    return jax.vmap(lambda k: schedule.rate(k, PER_EPOCH, total))(jnp.arange(TOTAL))


CASES = [
    (Cosine(final=0.1), optax.cosine_decay_schedule(1.0, TOTAL, alpha=0.1)),
    (Cosine(length=5.0), optax.cosine_decay_schedule(1.0, 50)),
    (Linear(), optax.linear_schedule(1.0, 0.01, TOTAL)),
    (Linear(length=80.0, unit="steps", final=0.3), optax.linear_schedule(1.0, 0.3, 80)),
    (Linear(length=0.5, unit="fraction"), optax.linear_schedule(1.0, 0.01, 100)),
    (Exponential(decay=0.8), optax.exponential_decay(1.0, PER_EPOCH, 0.8)),
    (Step(every=3.0, drop=0.5), optax.exponential_decay(1.0, 30, 0.5, staircase=True)),
    (InverseTime(decay=0.5), lambda k: 1 / (1 + 0.5 * k / PER_EPOCH)),
    (Constant(), optax.constant_schedule(1.0)),
]


@pytest.mark.parametrize(("ours", "theirs"), CASES, ids=lambda x: getattr(x, "name", ""))
def test_it_is_the_formula(ours, theirs):
    np.testing.assert_allclose(rates(ours), [theirs(k) for k in STEPS], rtol=2e-5, atol=1e-6)


def test_warmup_rises_along_a_line_and_the_decay_begins_after_it():
    warm = rates(Cosine(warmup=2.0))
    np.testing.assert_allclose(warm[:20], np.arange(1, 21) / 20, rtol=1e-6)
    plain = optax.cosine_decay_schedule(1.0, TOTAL - 20)
    np.testing.assert_allclose(warm[20:], [plain(k) for k in range(TOTAL - 20)], rtol=1e-5, atol=1e-6)


def test_it_is_torchs_linear_warmup():
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / 20, total_iters=19)
    theirs = []
    for _ in range(30):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates(Constant(warmup=2.0))[:30], theirs, rtol=1e-5)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_another_length_or_number_traces_nothing_new(name):
    traces = []

    @jax.jit
    def at(schedule, step, total):
        traces.append(1)
        return schedule.rate(step, PER_EPOCH, total)

    cls = CATALOGUE[name]
    length = {"length": 5.0} if name in ("linear", "cosine") else {}
    for number, (warmup, total) in enumerate(((0.0, 100), (3.0, 100), (0.5, 1000))):
        schedule = jax.tree.map(lambda x, i=number: x * (1 - i / 4), cls(warmup=warmup, **length))
        assert np.isfinite(at(schedule, 7, total))
    assert len(traces) == 1


@pytest.mark.parametrize("per_epoch", [1, 41, 117, 1875])
def test_a_drop_comes_at_its_step_exactly(per_epoch):
    """Not one late where XLA divides by a rounded reciprocal: in float32 41 * (1/41) is below 1."""
    schedule, steps = Step(every=1.0, drop=0.5), np.arange(40 * per_epoch)
    found = jax.jit(jax.vmap(lambda k: schedule.rate(k, per_epoch, steps.size)))(steps)
    np.testing.assert_allclose(found, 0.5 ** (steps // per_epoch), rtol=1e-5)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_it_stays_between_zero_and_one(name):
    for unit in ("steps", "epochs", "fraction"):
        values = np.asarray(rates(CATALOGUE[name](unit=unit, warmup=0.1)))
        assert np.all((values >= 0) & (values <= 1 + 1e-6))


def test_the_end_is_known_to_the_config():
    assert Cosine().end() is None
    assert Linear(length=5.0, warmup=2.0).end() == (7.0, "epochs")
    assert Constant(warmup=0.3, unit="fraction").end() is None
