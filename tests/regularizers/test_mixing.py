"""Mixup and CutMix: worked by hand, the label's weight against the pixels shown, the weight's distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from regexp.regularizers.base import Batch
from regexp.regularizers.inputs.cutmix import CutMix
from regexp.regularizers.inputs.mixup import Mixup
from tests.lab import experiment, table, train, weights

KEY = jnp.asarray([1, 2], jnp.uint32)
SIZE = 6


def telling(height=8, width=8):
    """Image i is i everywhere and its class is i, so pixels and targets tell who is mixed with whom."""
    numbers = jnp.arange(SIZE, dtype=jnp.float32)
    inputs = jnp.broadcast_to(numbers[:, None, None, None], (SIZE, height, width, 2))
    return Batch(inputs, jnp.eye(SIZE), jnp.zeros(()), jnp.ones(()))


def test_mixup_worked_by_hand():
    given = Batch(jnp.asarray([[1.0, 2], [3, 6]]), jnp.asarray([[1.0, 0], [0, 1]]), jnp.zeros(2), jnp.ones(2))
    out = Mixup().mixed(given, jnp.float32(0.75), jnp.asarray([1, 0]))
    np.testing.assert_allclose(out.inputs, [[1.5, 3], [2.5, 5]])
    np.testing.assert_allclose(out.targets, [[0.75, 0.25], [0.25, 0.75]])


def test_cutmix_worked_by_hand():
    """1 - lam = 1/4 of 4 x 4: a box of 2 x 2 around (1, 3), so rows 0, 1 and columns 2, 3; around (0, 0) one pixel."""
    given = Batch(jnp.asarray([np.zeros((4, 4, 1)), np.ones((4, 4, 1))]), jnp.eye(2), jnp.zeros(()), jnp.ones(()))
    out = CutMix().pasted(given, jnp.float32(0.75), jnp.asarray([1, 0]), jnp.asarray([1, 3]))
    np.testing.assert_array_equal(out.inputs[0, :, :, 0], [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(out.inputs[1], 1 - out.inputs[0])
    np.testing.assert_allclose(out.targets, [[0.75, 0.25], [0.25, 0.75]])
    corner = CutMix().pasted(given, jnp.float32(0.75), jnp.asarray([1, 0]), jnp.asarray([0, 0]))
    assert np.argwhere(corner.inputs[0, :, :, 0]).tolist() == [[0, 0]]
    np.testing.assert_allclose(corner.targets[0], [15 / 16, 1 / 16])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([(8, 8), (5, 9)]), st.floats(0, 20), st.integers(0, 2**31 - 1))
def test_cutmix_weighs_the_label_by_the_pixels_of_one_box(size, alpha, seed):
    out = CUT(jnp.float32(alpha), jax.random.PRNGKey(seed), telling(*size))
    pixels = np.asarray(out.inputs).astype(int)
    boxes = set()
    for i, (image, target) in enumerate(zip(pixels, out.targets, strict=True)):
        counts = np.bincount(image[:, :, 0].ravel(), minlength=SIZE)
        np.testing.assert_allclose(target, counts / (size[0] * size[1]), atol=1e-6)
        np.testing.assert_array_equal(image[:, :, 0], image[:, :, 1])
        changed = image[:, :, 0] != i
        if changed.any():
            rows, columns = changed.any(1), changed.any(0)
            np.testing.assert_array_equal(changed, rows[:, None] & columns)  # a box
            assert np.ptp(np.flatnonzero(rows)) + 1 == rows.sum()
            assert np.ptp(np.flatnonzero(columns)) + 1 == columns.sum()
            boxes.add(changed.tobytes())
    assert len(boxes) <= 1  # the same one in the whole batch


CUT = jax.jit(lambda alpha, key, batch: CutMix(alpha=alpha).transform_batch(batch, key))
MIX = jax.jit(lambda alpha, key, batch: Mixup(alpha=alpha).transform_batch(batch, key))


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 20), st.integers(0, 2**31 - 1))
def test_mixup_mixes_inputs_and_targets_alike_with_a_permutation(alpha, seed):
    out = MIX(jnp.float32(alpha), jax.random.PRNGKey(seed), telling())
    numbers = np.arange(SIZE)
    np.testing.assert_allclose(out.inputs[:, 3, 4, 1], out.targets @ numbers, atol=1e-5)
    np.testing.assert_allclose(np.sum(out.targets, 0), 1, atol=1e-5)  # every example is once a partner
    np.testing.assert_allclose(np.sum(out.targets, 1), 1, atol=1e-5)
    mixed = np.diag(out.targets) < 1 - 1e-6
    own = np.diag(out.targets)[mixed]
    np.testing.assert_allclose(own, own[:1].repeat(len(own)), atol=1e-6)  # one weight per batch


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_mixup_draws_its_weight_from_beta(alpha):
    """By Kolmogorov and Smirnov, over batches in which somebody has a partner."""
    keys = jax.random.split(KEY, 4000)
    targets = np.asarray(jax.vmap(lambda key: MIX(jnp.float32(alpha), key, telling(1, 1)).targets)(keys), float)
    own = np.diagonal(targets, axis1=1, axis2=2)
    strangers = targets.max(2, where=~np.eye(SIZE, dtype=bool), initial=0) > 0
    drawn = np.array([o[s][0] for o, s in zip(own, strangers, strict=True) if s.any()])
    assert len(drawn) > 3900
    assert stats.kstest(drawn, stats.beta(alpha, alpha).cdf).pvalue > 1e-4


@pytest.mark.parametrize("method", [MIX, CUT], ids=["mixup", "cutmix"])
def test_alpha_0_is_off_bit_for_bit_and_a_missing_number_stays_with_its_example(method):
    given = telling()
    given = given._replace(inputs=given.inputs.at[2, 0, 0, 0].set(jnp.nan))
    for seed in range(5):
        out = method(jnp.float32(0), jax.random.PRNGKey(seed), given)
        np.testing.assert_array_equal(out.inputs, given.inputs)
        np.testing.assert_array_equal(out.targets, given.targets)


def test_mixup_trains_on_tables_and_numbers():
    mixed, plain = (train(experiment(*methods), table(), steps=20) for methods in ([Mixup(alpha=1.0)], []))
    assert np.all(np.isfinite(weights(mixed)["output"]["kernel"]))
    assert np.any(weights(mixed)["output"]["kernel"] != weights(plain)["output"]["kernel"])
