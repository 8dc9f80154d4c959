"""The mask generator, held to account: rate, independence over units, steps, sites, methods and lanes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from regexp.core import prng
from regexp.core.prng import drop_mask, hash_bits, hash_normal, stream, symmetric_beta

KEY = np.asarray([0, 3], np.uint32)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_rate(rate):
    mask = np.asarray(drop_mask(KEY, rate, (1000, 1000)))
    assert abs(mask.mean() - rate) <= 4 * np.sqrt(rate * (1 - rate) / mask.size) + 2**-24


def correlation(a, b):
    """Pearson's correlation of two masks; about N(0, 1/n) where they are independent."""
    return np.corrcoef(np.ravel(a).astype(float), np.ravel(b).astype(float))[0, 1]


def masks_by(what):
    """Pairs of masks that differ in one thing only."""
    base = stream(KEY, "dropout/transform_activation")

    def step(i):
        return jax.random.fold_in(base, i)

    keys = {
        "step": [step(0), step(1)],
        "site": [stream(step(0), "hidden_0/post"), stream(step(0), "hidden_1/post")],
        "method": [
            stream(KEY, "dropout/transform_activation"),
            stream(KEY, "noise/transform_activation"),
        ],
        "lane": [jnp.asarray([0, 0], jnp.uint32), jnp.asarray([0, 1], jnp.uint32)],
    }[what]
    return [np.asarray(drop_mask(key, 0.5, (512, 512))) for key in keys]


@pytest.mark.parametrize("what", ["step", "site", "method", "lane"])
def test_masks_are_independent(what):
    a, b = masks_by(what)
    assert abs(correlation(a, b)) < 4.5 / np.sqrt(a.size)


@pytest.mark.parametrize("lag", [1, 2, 3, 7, 64, 128, 256, 512, 1024])
def test_positions_are_independent(lag):
    mask = np.asarray(drop_mask(KEY, 0.5, (1 << 20,)))
    assert abs(correlation(mask[:-lag], mask[lag:])) < 4.5 / np.sqrt(mask.size)


def test_words_are_uniform():
    words = np.asarray(hash_bits(KEY, (1 << 20,)))
    counts = np.bincount(words >> 22, minlength=1024)
    assert stats.chisquare(counts).pvalue > 1e-4
    bits = (words[:, None] >> np.arange(32)) & 1
    assert np.all(np.abs(bits.mean(0) - 0.5) < 4.5 * 0.5 / np.sqrt(words.size))


def test_sums_over_units_are_binomial():
    """A mask whose units moved together would spread their count too much or too little."""
    counts = np.asarray(drop_mask(KEY, 0.3, (20_000, 64))).sum(1)
    expected = stats.binom(64, 0.3)
    edges = expected.ppf([0.1, 0.3, 0.5, 0.7, 0.9])
    observed = np.bincount(np.searchsorted(edges, counts), minlength=6)
    probabilities = np.diff(np.concatenate([[0], expected.cdf(edges), [1]]))
    assert stats.chisquare(observed, probabilities * counts.size).pvalue > 1e-4


def test_many_seeds_give_many_masks():
    keys = jnp.stack([jnp.zeros(2000, jnp.uint32), jnp.arange(2000, dtype=jnp.uint32)], 1)
    masks = np.asarray(jax.vmap(lambda k: drop_mask(k, 0.5, (64,)))(keys))
    assert len(np.unique(masks, axis=0)) == 2000
    means = masks.mean(0)
    assert np.all(np.abs(means - 0.5) < 4.5 * 0.5 / np.sqrt(2000))


def test_hashed_noise_is_standard_normal():
    keys = jnp.stack([jnp.zeros(40, jnp.uint32), jnp.arange(40, dtype=jnp.uint32)], 1)
    drawn = np.asarray(jax.vmap(lambda key: hash_normal(key, (5000,)))(keys), float)
    assert np.isfinite(drawn).all()
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-4
    assert min(stats.kstest(own, "norm").pvalue for own in drawn) > 1e-4 / 40
    between, within = np.corrcoef(drawn)[np.triu_indices(40, 1)], (drawn[:, 1:] * drawn[:, :-1]).mean(1)
    assert np.abs(between).max() < 5 / np.sqrt(5000)
    assert np.abs(within).max() < 5 / np.sqrt(5000)


@pytest.mark.parametrize(("bits", "end"), [(0, -1), (2**32 - 1, 1)])
def test_the_ends_of_hashed_noise_are_finite(bits, end, monkeypatch):
    monkeypatch.setattr(prng, "hash_bits", lambda key, shape: jnp.full(shape, bits, jnp.uint32))
    (drawn,) = np.asarray(hash_normal(KEY, (1,)), float)
    assert drawn == pytest.approx(end * stats.norm.isf(2**-24), rel=1e-3)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_symmetric_beta_is_scipys(alpha):
    keys = jax.random.split(jnp.asarray(KEY), 20_000)
    drawn = np.asarray(jax.vmap(lambda key: symmetric_beta(key, jnp.float32(alpha)))(keys), float)
    exact = stats.beta(alpha, alpha)
    assert abs(drawn.mean() - exact.mean()) < 4.5 * exact.std() / np.sqrt(len(drawn))
    # Var(s^2) = mu4 - sigma^4 over n
    fourth = exact.expect(lambda x: (x - 0.5) ** 4)
    assert abs(drawn.var() - exact.var()) < 4.5 * np.sqrt((fourth - exact.var() ** 2) / len(drawn))
    places = np.linspace(0.001, 0.999, 99)  # nearer to 1 float32 rounds, and at alpha 0.2 2% of the mass is there
    distance = np.abs(np.searchsorted(np.sort(drawn), places) / len(drawn) - exact.cdf(places)).max()
    assert distance < np.sqrt(np.log(2 / 1e-5) / (2 * len(drawn)))  # Dvoretzky, Kiefer, Wolfowitz, Massart


@pytest.mark.parametrize("alpha", [0.0, 1e-30, 1e-6, 1e6, 1e30])
def test_symmetric_beta_stays_finite_and_is_one_at_zero(alpha):
    keys = jax.random.split(jnp.asarray(KEY), 500)
    drawn = np.asarray(jax.vmap(lambda key: symmetric_beta(key, jnp.float32(alpha)))(keys))
    expected = {0.0: [1], 1e-30: [0, 1], 1e-6: [0, 1]}.get(alpha, [0.5])
    np.testing.assert_allclose(np.abs(drawn[:, None] - expected).min(1), 0, atol=3e-3)
    assert drawn.dtype == np.float32
