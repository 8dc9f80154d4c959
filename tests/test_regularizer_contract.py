"""What every regularizer promises, asked of each entry of the catalogue."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from regexp import training
from regexp.component import is_static
from regexp.experiment import Training
from regexp.models.resnet import ResNet
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.base import CATALOGUE, Regularizer
from regexp.training import lanes
from regexp.training.lanes import compilations
from tests.lab import experiment, flat, images, train, weights, with_fields

FOLDER = Path(training.__file__).parents[1] / "regularizers"
NAMES = list(CATALOGUE)
WITH_NEUTRAL = [n for n in NAMES if CATALOGUE[n].neutral]
HELPERS = {"geometry", "reconstruction", "base"}  # what several methods of a folder share
TRACED = [n for n in NAMES if any(not is_static(CATALOGUE[n], f) for f in CATALOGUE[n].neutral)]


@pytest.fixture(params=NAMES)
def method(request) -> Regularizer:
    return CATALOGUE[request.param]()


def lab(*methods, beside=(), **changes):
    """An experiment in which each of these methods, and of those it is held `beside`, has its place."""
    if any(m.name == "stochastic_depth" for m in (*methods, *beside)):  # an MLP has no residual blocks to drop
        changes["model"] = ResNet(depth=8, width=4)
    return experiment(*methods, **changes)


def test_every_file_is_in_the_catalogue():
    files = {f.stem for f in FOLDER.glob("*/*.py") if f.stem != "__init__"}
    assert files - HELPERS == set(NAMES)


def test_file_name_is_yaml_name_and_folder_is_where_it_acts(method):
    cls = type(method)
    assert cls.__module__ == f"regexp.regularizers.{cls.acts_on()}.{cls.name}"
    assert any(cls.overrides(hook) for hook in HOOKS[cls.acts_on()])


HOOKS = {
    "inputs": ("transform_batch", "transform_activation"),
    "targets": ("transform_batch",),
    "weights": ("transform_weights",),
    "activations": ("transform_activation",),
    "parameters": ("penalty", "project", "transform_update"),
    "gradients": ("transform_gradient",),
    "adversarial": ("transform_loss",),
    "loop": ("after_epoch",),
}


def test_card_names_every_field_its_source_and_its_neutral_value(method):
    card = type(method).__doc__ or ""
    for field in dataclasses.fields(method):
        assert f"{field.name}:" in card, f"{field.name} is not described"
    assert "Source:" in card
    for field in type(method).neutral:
        assert f"{field}:" in card
        assert "off" in card


@pytest.mark.parametrize("name", WITH_NEUTRAL)
def test_neutral_equals_absent(name):
    cls = CATALOGUE[name]
    neutral = cls(**cls.neutral)
    with_it, without = train(lab(neutral), steps=12), train(lab(beside=[neutral]), steps=12)
    np.testing.assert_allclose(flat(weights(with_it)), flat(weights(without)), rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("name", TRACED)
def test_another_value_compiles_nothing(name):
    cls = CATALOGUE[name]
    train(lab(cls()), steps=1)
    before = compilations()
    for field in cls.neutral:
        if not is_static(cls, field):
            changed = with_fields(cls(), **{field: getattr(cls(), field) * 0.5})
            train(lab(changed), steps=1)
    assert compilations() == before


@pytest.mark.parametrize("name", TRACED)
def test_lanes_equal_trials_alone(name):
    cls = CATALOGUE[name]
    field = next(f for f in cls.neutral if not is_static(cls, f))
    both = [cls(), with_fields(cls(), **{field: getattr(cls(), field) * 0.5})]
    together = train([lab(m) for m in both], steps=8)
    for lane, one in enumerate(both):
        alone = train(lab(one), steps=8)
        np.testing.assert_allclose(flat(weights(together, lane)), flat(weights(alone)), rtol=5e-4, atol=5e-6)


def test_leaves_initial_weights_and_batch_order_alone(method):
    with_it, without = train(lab(method), steps=0), train(lab(beside=[method]), steps=0)
    ours, plain = weights(with_it), weights(without)
    for layer, arrays in ours.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, plain[layer][name])
    np.testing.assert_array_equal(np.asarray(with_it._order(0, 10)), np.asarray(without._order(0, 10)))


def test_moves_nobody_elses_noise(method, monkeypatch):
    """Dropout's masks with and without the method: bit-identical."""
    if method.name == "dropout":
        pytest.skip("the probe itself")
    masks: dict[str, np.ndarray] = {}
    plain = Dropout.transform_activation

    def spy(self, x, site):
        if site.random and site.kind == "post":
            jax.debug.callback(lambda key, n=site.name: masks.setdefault(n, np.array(key)), site.key)
        return plain(self, x, site)

    monkeypatch.setattr(Dropout, "transform_activation", spy)
    seen = []
    for methods in (
        (Dropout(rate=0.25),),
        (method, Dropout(rate=0.25)),
        (Dropout(rate=0.25), method),
    ):
        masks.clear()
        monkeypatch.setattr(lanes, "_programs", {})  # none that was compiled without the spy
        train(lab(*methods, beside=[method]), steps=1)
        jax.effects_barrier()
        seen.append({name: mask.copy() for name, mask in masks.items()})
    assert seen[0]
    assert set(seen[0]) == set(seen[1]) == set(seen[2])
    for name in seen[0]:
        np.testing.assert_array_equal(seen[0][name], seen[1][name])
        np.testing.assert_array_equal(seen[0][name], seen[2][name])


def test_same_seed_gives_the_same_bytes_and_keeps_dtypes(method):
    first, second = train(lab(method), steps=6), train(lab(method), steps=6)
    np.testing.assert_array_equal(flat(first.state.variables), flat(second.state.variables))
    for leaf in jax.tree.leaves(first.state.variables):
        assert leaf.dtype == np.float32


def extremes(cls):
    """The default, the neutral value and both ends of a field's range."""
    made = [cls(), cls(**cls.neutral)]
    large = {
        "rate": 0.95,
        "probability": 1.0,
        "epsilon": 0.5,
        "strength": 1.0,
        "sigma": 3.0,
        "padding": 5,
        "l1": 1.0,
        "l2": 1.0,
        "limit": 1e-3,
        "norm": 1e-3,
        "radius": 10.0,
        "alpha": 100.0,
        "degrees": 180.0,
        "pixels": 1e6,
        "range": 1.0,
        "fraction": 1.0,
        "brightness": 1.0,
        "contrast": 1.0,
        "saturation": 1.0,
        "hue": 0.5,
    }
    made += [cls(**{f: large[f]}) for f in cls.neutral if f in large]
    return made


@pytest.mark.parametrize("name", NAMES)
def test_numbers_stay_finite_from_neutral_to_extreme(name):
    for one in extremes(CATALOGUE[name]):
        assert np.all(np.isfinite(flat(train(lab(one), steps=4).state.variables))), one


def test_twenty_steps_lower_the_loss(method):
    if method.name == "random_crop":  # the tiny images tell their class by a place two pixels high
        method = with_fields(method, padding=1)
    made = train(lab(method, training=Training(epochs=8, batch_size=16)))
    rows = made.rows
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]
    assert rows[-1]["train/accuracy"] > 0.5


def test_any_subset_trains_together_in_any_order():
    generator = np.random.default_rng(0)
    for _ in range(3):
        chosen = [CATALOGUE[n]() for n in generator.permutation(NAMES)[: len(NAMES) // 2 + 1]]
        made = train(lab(*chosen), steps=10)
        assert np.all(np.isfinite(flat(made.state.variables)))


def test_all_train_together_on_a_residual_network():
    methods = [CATALOGUE[n]() for n in NAMES]
    made = train(experiment(*methods, model=ResNet(depth=8, width=4)), images(n=96), steps=3)
    assert np.all(np.isfinite(flat(made.state.variables)))
