"""Every optimizer against optax and PyTorch on the same gradients, with a rate that changes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regexp.optimizers.adagrad import AdaGrad
from regexp.optimizers.adam import Adam
from regexp.optimizers.adamw import AdamW
from regexp.optimizers.base import CATALOGUE
from regexp.optimizers.lion import Lion
from regexp.optimizers.momentum import Momentum
from regexp.optimizers.nesterov import Nesterov
from regexp.optimizers.rmsprop import RMSProp
from regexp.optimizers.sgd import SGD

STEPS = 20
RATES = 0.1 / np.sqrt(1 + np.arange(STEPS))


def problem(dtype=np.float64):
    """Starting weights and a gradient that depends on them."""
    generator = np.random.default_rng(0)
    start = {"model": {"output": {"kernel": generator.normal(size=(4, 3)), "bias": generator.normal(size=3)}}}
    pull = jax.tree.map(lambda x: generator.normal(size=x.shape), start)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), (start, pull))


def gradient(params, pull):
    return jax.tree.map(lambda w, p: jnp.sin(3 * w) + p * w, params, pull)


def run(transform_at, rates=RATES, dtype=np.float64):
    """The weights after as many steps as there are rates; `transform_at(rate)` is rebuilt at each."""
    params, pull = problem(dtype)
    state = transform_at(rates[0]).init(params)
    for rate in rates:
        updates, state = transform_at(rate).update(gradient(params, pull), state, params)
        params = optax.apply_updates(params, updates)
    return params["model"]["output"]


def compare(ours, theirs, tolerance):
    for name in ("kernel", "bias"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=tolerance, atol=tolerance)


CONSTANT = [
    (SGD(), lambda r: optax.sgd(r)),
    (Momentum(momentum=0.8), lambda r: optax.sgd(r, momentum=0.8)),
    (Nesterov(momentum=0.8), lambda r: optax.sgd(r, momentum=0.8, nesterov=True)),
    (AdaGrad(epsilon=1e-6), lambda r: optax.adagrad(r, initial_accumulator_value=0.0, eps=1e-6)),
    (RMSProp(decay=0.8, epsilon=1e-4), lambda r: optax.rmsprop(r, decay=0.8, eps=1e-4, eps_in_sqrt=False)),
    (Adam(beta1=0.7, beta2=0.9, epsilon=1e-4), lambda r: optax.adam(r, 0.7, 0.9, 1e-4)),
    (Lion(beta1=0.7, beta2=0.9), lambda r: optax.lion(r, 0.7, 0.9, weight_decay=0.0)),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("ours", "theirs"), CONSTANT, ids=lambda x: getattr(x, "name", ""))
def test_at_a_constant_rate_it_is_optax(ours, theirs):
    rates = np.full(STEPS, 0.05)
    compare(run(ours.transform, rates), run(theirs, rates), 1e-12)


@pytest.mark.parametrize(("ours", "theirs"), CONSTANT, ids=lambda x: getattr(x, "name", ""))
def test_in_float32_it_is_optax(ours, theirs):
    rates = np.full(STEPS, 0.05, np.float32)
    compare(run(ours.transform, rates, np.float32), run(theirs, rates, np.float32), 1e-6)


@pytest.mark.usefixtures("float64")
def test_adamw_is_optax_with_a_mask_on_kernels():
    mask = {"model": {"output": {"kernel": True, "bias": False}}}
    rates = np.full(STEPS, 0.05)
    theirs = run(lambda r: optax.adamw(r, weight_decay=0.3, mask=mask), rates)
    compare(run(AdamW(decay=0.3).transform, rates), theirs, 1e-12)


def torch_run(make, rates=RATES):
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    params, pull = problem()
    leaves = {k: torch.tensor(np.array(v), requires_grad=True) for k, v in params["model"]["output"].items()}
    pulls = {k: torch.tensor(np.array(v)) for k, v in pull["model"]["output"].items()}
    optimizer = make(torch, leaves)
    for rate in rates:
        for group in optimizer.param_groups:
            group["lr"] = rate
        for name, leaf in leaves.items():
            leaf.grad = (torch.sin(3 * leaf) + pulls[name] * leaf).detach()
        optimizer.step()
    return {name: leaf.detach().numpy() for name, leaf in leaves.items()}


TORCH = [
    (SGD(), lambda t, p: t.optim.SGD(p.values(), lr=0.1)),
    (RMSProp(decay=0.8, epsilon=1e-4), lambda t, p: t.optim.RMSprop(p.values(), alpha=0.8, eps=1e-4)),
    (Adam(epsilon=1e-4), lambda t, p: t.optim.Adam(p.values(), eps=1e-4)),
    (
        AdamW(decay=0.2),
        lambda t, p: t.optim.AdamW(
            [{"params": [p["kernel"]], "weight_decay": 0.2}, {"params": [p["bias"]], "weight_decay": 0.0}]
        ),
    ),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("ours", "make"), TORCH, ids=lambda x: getattr(x, "name", ""))
def test_at_a_changing_rate_it_is_torch(ours, make):
    compare(run(ours.transform), torch_run(make), 1e-9)


TORCH_CONSTANT = [
    (Momentum(momentum=0.8), lambda t, p: t.optim.SGD(p.values(), lr=0.1, momentum=0.8)),
    (Nesterov(momentum=0.8), lambda t, p: t.optim.SGD(p.values(), lr=0.1, momentum=0.8, nesterov=True)),
    # no epsilon on either side: ours stands inside the root, theirs outside
    (AdaGrad(epsilon=1e-30), lambda t, p: t.optim.Adagrad(p.values(), lr=0.1, eps=0.0)),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("ours", "make"), TORCH_CONSTANT, ids=lambda x: getattr(x, "name", ""))
def test_at_a_constant_rate_it_is_torch(ours, make):
    rates = np.full(STEPS, 0.05)
    compare(run(ours.transform, rates), torch_run(make, rates), 1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("cls", "ahead"), [(Momentum, False), (Nesterov, True)], ids=["momentum", "nesterov"])
def test_the_rate_is_inside_the_velocity(cls, ahead):
    """v <- b v + eps g; w <- w - v, or looked ahead w <- w - (b v + eps g); written out."""
    params, pull = problem()
    w, pulls = (np.array(tree["model"]["output"]["kernel"]) for tree in (params, pull))
    v = np.zeros_like(w)
    for rate in RATES:
        g = np.sin(3 * w) + pulls * w
        v = 0.8 * v + rate * g
        w = w - (0.8 * v + rate * g if ahead else v)
    np.testing.assert_allclose(run(cls(momentum=0.8).transform)["kernel"], w, rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_lecture_adam_is_the_formula_without_bias_correction():
    params, pull = problem()
    w, pulls = np.array(params["model"]["output"]["kernel"]), np.array(pull["model"]["output"]["kernel"])
    m = v = 0.0
    for rate in RATES:
        g = np.sin(3 * w) + pulls * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - rate * m / np.sqrt(v + 1e-3)
    ours = run(Adam(style="lecture", epsilon=1e-3).transform)
    np.testing.assert_allclose(ours["kernel"], w, rtol=1e-12)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_numbers_are_traced_and_lanes_equal_the_loop(name):
    cls = CATALOGUE[name]
    traces = []

    def final(optimizer):
        traces.append(1)
        return run(lambda rate: optimizer.transform(optimizer.learning_rate * rate), RATES[:5], np.float32)

    one = cls(learning_rate=0.1)
    two = [one, jax.tree.map(lambda x: 0.9 * x, one)]  # every number another
    jitted = jax.jit(final)
    alone = [jitted(jax.tree.map(jnp.float32, one)) for one in two]
    assert len(traces) == 1
    together = jax.vmap(final)(jax.tree.map(lambda *x: jnp.asarray(x, jnp.float32), *two))
    for lane, one in enumerate(alone):
        compare(jax.tree.map(lambda x, i=lane: x[i], together), one, 1e-5)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_float32_states_stay_float32(name):
    params, pull = problem(np.float32)
    transform = CATALOGUE[name]().transform(jnp.float32(0.1))
    _, state = transform.update(gradient(params, pull), transform.init(params), params)
    assert all(x.dtype in (jnp.float32, jnp.int32) for x in jax.tree.leaves(state))
