"""What every regularizer promises, asked of each entry of the catalogue."""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regexp import engine
from regexp.cli.ranges import accepted
from regexp.config.schema import field_line
from regexp.core.component import field_types, is_static
from regexp.engine import lanes
from regexp.engine.epoch import start
from regexp.engine.group import Group
from regexp.engine.step import Progress, forward, stream_keys, train_step
from regexp.experiment import Training, trials
from regexp.metrics import measure
from regexp.models.resnet import ResNet
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.activations.stochastic_depth import StochasticDepth
from regexp.regularizers.base import CATALOGUE, Regularizer
from tests.lab import Steps, experiment, flat, group, images, prepare, with_fields

FOLDER = Path(engine.__file__).parents[1] / "regularizers"
NAMES = list(CATALOGUE)
WITH_NEUTRAL = [n for n in NAMES if CATALOGUE[n].neutral]
HELPERS = {"attack", "geometry", "reconstruction", "base", "proximal"}  # what several methods of a folder share
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
    "weights": ("transform_weights", "reparametrize"),
    "activations": ("transform_activation",),
    "parameters": ("penalty", "project", "transform_update"),
    "gradients": ("transform_gradient",),
    "adversarial": ("transform_loss",),
    "loop": ("after_step", "after_epoch"),
    "signal": ("transform_losses", "transform_activation"),
    "ensembles": ("lanes", "models"),
}


def test_card_names_every_field_its_convention_its_source_and_its_neutral_value(method):
    card = type(method).__doc__ or ""
    for field in dataclasses.fields(method):
        assert f"{field.name}:" in card, f"{field.name} is not described"
    assert "Convention:" in card
    assert "Source:" in card
    for field in type(method).neutral:
        assert f"{field}:" in card
        assert "off" in card


def test_card_tells_what_the_ends_of_a_range_mean(method):
    """0 of [0, ...), and 1 of [0, 1], beside the range itself."""
    for name, annotation in field_types(type(method)).items():
        told = re.sub(r"\[0, [\d.]+[])]|>= 0", "", field_line(type(method), name))
        if accepted(annotation).startswith("[0, "):
            assert re.search(r"\b0\b(?!\.)", told), f"{name}: what is 0?"
        if accepted(annotation).startswith("[0, 1]"):
            assert re.search(r"\b1\b", told), f"{name}: what is 1?"


@dataclasses.dataclass(frozen=True)
class Trained:
    """A method at all values that share its structure, each in a lane of one program; `alone`: its default."""

    methods: dict[str, Regularizer]
    together: Steps
    alone: Steps


@pytest.fixture(scope="module")
def trained():
    """name -> Trained; compiled when first asked for, and once."""
    return functools.cache(_trained)


def _trained(name: str) -> Trained:
    cls = CATALOGUE[name]
    methods = {"default": cls()}
    for field in cls.neutral:
        if not is_static(cls, field):
            methods[f"half {field}"] = with_fields(cls(), **{field: getattr(cls(), field) * 0.5})
    methods |= {str(one): one for one in extremes(cls) if same_structure(one, cls())}
    together = Steps({label: lab(one) for label, one in methods.items()})
    return Trained(methods, together, Steps({"default": lab(cls())}) if name in TRACED else together)


def same_structure(one, other) -> bool:
    return jax.tree.structure(one) == jax.tree.structure(other)


@pytest.fixture(scope="module")
def absent():
    """(whether on a residual network) -> no method at all."""
    return functools.cache(lambda residual: Steps({"absent": lab(beside=[StochasticDepth()] if residual else [])}))


def numbers(progress) -> np.ndarray:
    return flat(progress.variables)


@pytest.mark.parametrize("name", WITH_NEUTRAL)
def test_neutral_equals_absent(name, trained, absent):
    cls = CATALOGUE[name]
    neutral = cls(**cls.neutral)
    if same_structure(neutral, cls()):
        with_it = trained(name).together.run(12)[str(neutral)]
    else:
        with_it = Steps({"neutral": lab(neutral)}).run(12)["neutral"]
    without = absent(name == "stochastic_depth").run(12)["absent"]
    ours, plain = (one.variables.parameters["model"] for one in (with_it, without))
    np.testing.assert_allclose(flat(ours), flat(plain), rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("name", TRACED)
def test_another_value_compiles_nothing(name, trained):
    """All values of traced fields are lanes of one group, and a group is one program."""
    methods = trained(name).methods
    assert {f"half {field}" for field in CATALOGUE[name].neutral if not is_static(CATALOGUE[name], field)} <= set(
        methods
    )
    several = [trials(lab(one))[0] for one in methods.values()]
    assert lanes.group(several, [prepare(trial, images())[1] for trial in several]) == [list(range(len(several)))]


@pytest.mark.parametrize("name", TRACED)
def test_lanes_equal_trials_alone(name, trained):
    together, alone = trained(name).together.run(8)["default"], trained(name).alone.run(8)["default"]
    np.testing.assert_allclose(numbers(together), numbers(alone), rtol=5e-4, atol=5e-6)


def test_leaves_initial_weights_and_batch_order_alone(method):
    with_it, without = (uncompiled(lab(*methods, beside=[method])) for methods in ([method], []))
    ours, plain = (start(one.trials[0].experiment, one.spec, first(one.lane)) for one in (with_it, without))
    for layer, arrays in ours.variables.parameters["model"].items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, plain.variables.parameters["model"][layer][name])
    if not method.resamples:
        np.testing.assert_array_equal(first(with_it._order(0, 10)), first(without._order(0, 10)))


def uncompiled(what) -> Group:
    trial = trials(what)[0]
    split, lane = prepare(trial, images())
    return Group([trial], [lane], images(), [split])


def first(tree):
    return jax.tree.map(lambda x: np.asarray(x)[0], tree)


def test_moves_nobody_elses_noise(method, monkeypatch):
    """The keys of dropout's masks in a step with and without the method: bit-identical."""
    if method.name == "dropout":
        pytest.skip("the probe itself")
    keys: dict[str, object] = {}
    plain = Dropout.transform_activation

    def spy(self, x, site):
        if site.random and site.kind == "post":
            keys[site.name] = site.key  # the last call's: an attack has calls of its own before, in a loop
        return plain(self, x, site)

    monkeypatch.setattr(Dropout, "transform_activation", spy)
    dropout = Dropout(rate=0.25)
    seen = [
        step_keys(lab(*methods, beside=[method]), keys) for methods in ([dropout], [method, dropout], [dropout, method])
    ]
    assert seen[0]
    for other in seen[1:]:
        assert set(seen[0]) == set(other)
        for name, key in seen[0].items():
            np.testing.assert_array_equal(key, other[name])


def step_keys(what, keys) -> dict[str, np.ndarray]:
    """What a spy leaves in `keys` while the third step is traced; the rest of the step is not compiled."""
    keys.clear()
    made = uncompiled(what)
    lane, rows = first(made.lane), jnp.asarray(made.splits[0].train[:16])

    @jax.jit
    def third():
        state = start(what, made.spec, lane)
        before = Progress(state.variables, state.optimizer, state.memory)
        train_step(what, made.spec, made.shared, lane, stream_keys(what, lane.key), before, rows, jnp.asarray(2))
        return dict(keys)

    return {name: np.asarray(key) for name, key in third().items()}


def test_same_seed_gives_the_same_bytes_and_keeps_dtypes(method, trained):
    """Also from another lane of the program."""
    program = trained(method.name).together
    one, again, elsewhere = program.run(6), program.run(6), program.run(6, reverse=True)
    for label in one:
        np.testing.assert_array_equal(numbers(one[label]), numbers(again[label]))
        np.testing.assert_array_equal(numbers(one[label]), numbers(elsewhere[label]))
    for leaf in jax.tree.leaves(one["default"].variables):
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
def test_numbers_stay_finite_from_neutral_to_extreme(name, trained):
    found = {label: numbers(one) for label, one in trained(name).together.run(4).items()}
    for one in extremes(CATALOGUE[name]):
        if not same_structure(one, CATALOGUE[name]()):
            found[str(one)] = numbers(Steps({"one": lab(one)}).run(4)["one"])
    assert len(found) >= len({str(one) for one in extremes(CATALOGUE[name])})
    for label, values in found.items():
        assert np.all(np.isfinite(values)), label


def test_eighty_steps_lower_the_loss(method, trained):
    """By steps alone, which compile in a third of a chunk's time; test_method_configs.py trains each by chunks."""
    program = trained(method.name).together
    what = lab(method)
    if method.name == "random_crop":  # the tiny images tell their class by a place two pixels high
        what = lab(with_fields(method, padding=1))
        program = Steps({"default": what})
    early, late = (measured_after(program, what, steps) for steps in (1, program.total))
    assert late["loss"] < early["loss"]
    assert late["accuracy"] > 0.5


def measured_after(program, what, steps):
    """Loss and accuracy of the trained variables, after so many steps, on the training rows."""
    made, data = uncompiled(what), images()
    variables = program.run(steps)["default"].variables
    rows = made.splits[0].train
    outputs = forward(what, made.spec, first(made.lane), variables, data.inputs[rows], "eval").outputs
    return measure("classification", "cross_entropy", outputs, data.targets[rows], 0.0, 1.0, 15)


def subset(draw) -> list[Regularizer]:
    """Half of the methods in some order."""
    generator = np.random.default_rng(draw)
    names = [name for name in NAMES if name != "stochastic_depth"]  # which has its place in the last test
    return [CATALOGUE[n]() for n in generator.permutation(names)[: len(names) // 2 + 1]]


def test_any_subset_trains_together_in_any_order():
    made = Steps({"all": lab(*subset(0))}).run(10)["all"]
    assert np.all(np.isfinite(numbers(made)))


@pytest.mark.slow
@pytest.mark.parametrize("draw", [1, 2])
def test_any_subset_resumes_and_its_lanes_equal_trials_alone(draw):
    """Two lanes on each device, by the compiled chunk; resumed within the second epoch, from a checkpoint's arrays."""
    chosen = subset(draw)
    members = max(one.lanes() for one in chosen)
    four = trials(lab(*chosen, training=Training(epochs=2, batch_size=16, seeds=(0, 1, 2, 3))))[::members]
    made, again, alone = group(four, images()), group(four, images()), group(four[:1], images())
    middle = made.steps_per_epoch + 3
    while made.position < middle:
        made.advance(middle - made.position)
    again.restore(made.snapshot(), made.position)
    for one in (made, again, alone):
        while not one.done:
            one.advance(one.total_steps)
    whole, resumed, single = (one.snapshot() for one in (made, again, alone))
    for name, array in whole.items():
        np.testing.assert_array_equal(array, resumed[name], err_msg=name)
        np.testing.assert_allclose(array[0], single[name][0], rtol=5e-4, atol=5e-6, err_msg=name)
    assert np.all(np.isfinite(flat(made.latest())))


@pytest.mark.slow
def test_all_train_together_on_a_residual_network():
    methods = [CATALOGUE[n]() for n in NAMES]
    made = Steps({"all": lab(*methods)}, images(n=96)).run(3)["all"]
    assert np.all(np.isfinite(numbers(made)))
