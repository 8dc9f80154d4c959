"""Every check has a config, or a component, with exactly its fault: it fails, and no other."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regexp.checks.base import CHECKS, Finding
from regexp.checks.bench import Bench, bench_of
from regexp.config import loads
from regexp.engine import lanes, step
from regexp.models.mlp import MLP
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.adversarial.fgsm import FGSM
from regexp.regularizers.inputs.cutout import Cutout
from regexp.regularizers.parameters.l2 import L2

pytestmark = pytest.mark.slow  # each fault compiles its own programs
TABLE = """\
dataset: {name: breast_cancer, validation: 0.2, preprocess: [standardize]}
model: {name: mlp, hidden: [8]}
regularizers:
  l2: {strength: 1.0e-3}
  dropout: {rate: 0.1}
optimizer: {name: adam, learning_rate: 1.0e-2}
training: {epochs: 20, batch_size: 32}
"""
NORMALISED = TABLE.replace("  dropout: {rate: 0.1}\n", "  batch_norm:\n  fgsm: {epsilon: 0.1}\n")
IMAGES = """\
dataset: {name: digits}
model: {name: mlp, hidden: [32]}
regularizers: {cutout: {fraction: 0.3}}
optimizer: {name: adam, learning_rate: 3.0e-3}
"""


def findings(bench: Bench) -> dict[str, Finding]:
    return {name: CHECKS.answer(name, bench) for name in CHECKS}


def failing(bench: Bench) -> list[str]:
    return [name for name, finding in findings(bench).items() if finding.verdict == "FAIL"]


@pytest.fixture
def patched(monkeypatch):
    """Patches a class whose methods are compiled into programs: those of other tests are forgotten."""

    def patch(owner: object, name: str, value: object) -> None:
        monkeypatch.setattr(lanes, "_programs", {})
        monkeypatch.setattr(owner, name, value)

    return patch


@pytest.mark.parametrize("text", [TABLE, NORMALISED, IMAGES], ids=["table", "normalised", "images"])
def test_nothing_fails_where_nothing_is_wrong(text):
    found = findings(bench_of(loads(text)))
    assert {name: f.measured for name, f in found.items() if f.verdict == "FAIL"} == {}


def test_the_precision_of_training_is_no_fault():
    bench = bench_of(loads(TABLE, ["training.precision=bfloat16"]))
    assert [CHECKS.answer(name, bench).verdict for name in ("gradients", "penalty_value")] == ["PASS", "PASS"]


@pytest.mark.parametrize(
    ("fault", "setting"),
    [
        ("learning_rate", "optimizer.learning_rate=5"),
        ("learning_rate", "optimizer.learning_rate=1e-9"),
        ("symmetry", "model.initializer=zeros"),
        ("initial_loss", "model.initializer={name: normal, std: 1.5}"),
        ("validation_size", "dataset.validation=0.01"),
    ],
)
def test_a_config_with_one_fault(fault, setting):
    assert failing(bench_of(loads(TABLE, [setting]))) == [fault]


def test_examples_in_two_splits():
    bench = bench_of(loads(TABLE))
    split = bench.splits[bench.seeds[0]]
    inputs = bench.data.inputs.copy()
    inputs[split.validation[:20]] = inputs[split.train[:20]]
    assert failing(Bench(bench.experiment, replace(bench.data, inputs=inputs))) == ["split_overlap"]


def test_a_class_that_the_test_split_lacks():
    bench = bench_of(loads(TABLE))
    test = np.flatnonzero(bench.data.targets == 1)[:80].astype(np.int32)
    assert failing(Bench(bench.experiment, replace(bench.data, test=test))) == ["class_balance"]


def test_a_penalty_that_is_not_its_formula(patched):
    def without_the_half(self, params):
        return self.strength * sum(jnp.sum(jnp.square(layer["kernel"])) for layer in params.values())

    patched(L2, "penalty", without_the_half)
    assert failing(bench_of(loads(TABLE))) == ["penalty_value"]


def test_a_wrong_gradient_of_a_penalty(patched):
    right = L2.penalty
    patched(L2, "penalty", lambda self, p: 0.9 * right(self, p) + 0.1 * jax.lax.stop_gradient(right(self, p)))
    assert failing(bench_of(loads(TABLE))) == ["gradients"]


def test_a_wrong_gradient_of_batch_norm(patched):
    right = BatchNorm.batch_statistics
    patched(BatchNorm, "batch_statistics", lambda self, x, site: right(self, jax.lax.stop_gradient(x), site))
    assert failing(bench_of(loads(NORMALISED))) == ["gradients"]


def test_a_wrong_gradient_of_the_adversarial_loss(patched):
    right = FGSM.attack
    patched(FGSM, "attack", lambda self, loss, batch, key: right(self, loss, batch, key) + 0.1 * _slope(loss, batch))
    assert failing(bench_of(loads(NORMALISED))) == ["gradients"]


def _slope(loss, batch):
    """A part of the attack that moves with the parameters, but lets no gradient through."""
    return jax.lax.stop_gradient(jax.grad(loss)(batch.inputs))


def test_a_bias_before_batch_norm(patched):
    patched(BatchNorm, "absorbs_bias", lambda self, site: False)
    assert failing(bench_of(loads(NORMALISED))) == ["void_bias"]


def test_augmentation_beyond_the_range(patched):
    patched(Cutout, "transform_batch", lambda self, batch, key: batch._replace(inputs=batch.inputs * 1.2))
    assert failing(bench_of(loads(IMAGES))) == ["augmentation"]


def test_augmentation_that_changes_the_labels(patched):
    def towards_the_first_class(self, batch, key):
        first = jax.nn.one_hot(0, batch.targets.shape[-1])
        return batch._replace(targets=batch.targets + 0.3 * self.fraction * (first - batch.targets))

    patched(Cutout, "transform_batch", towards_the_first_class)
    assert failing(bench_of(loads(IMAGES))) == ["augmentation"]


def test_a_model_that_cannot_be_sure(patched):
    right = MLP.apply
    patched(MLP, "apply", lambda self, params, x, at: jnp.tanh(right(self, params, x, at)))
    assert failing(bench_of(loads(TABLE))) == ["small_subset"]


def test_labels_that_come_by_another_way(patched):
    bench = bench_of(loads(TABLE))
    right, true = step.gather, bench.data.targets

    def peeking(spec, shared, lane, rows):
        return right(spec, shared._replace(targets=jnp.asarray(true)), lane, rows)

    patched(step, "gather", peeking)
    assert failing(bench) == ["shuffled_labels"]


def test_a_strength_that_works_the_wrong_way(patched):
    right = Dropout.rate_at

    def reversed_rate(self, site):
        rate = right(self, site)
        return None if rate is None else jnp.where(rate > 0, 0.9 * (1 - rate), 0)

    patched(Dropout, "rate_at", reversed_rate)
    assert failing(bench_of(loads(TABLE))) == ["strengths"]
