"""Refit: a second training on training + validation data, as long as the first was good, and interrupted inside."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from regexp.config import loads
from regexp.core.errors import ConfigError, Interrupted
from regexp.datasets.base import Split
from regexp.datasets.splits import merged
from regexp.engine.group import Group
from regexp.engine.prepare import prepare_lane
from regexp.experiment import Trial
from regexp.inference import evaluate
from regexp.study import train as runner
from tests.lab import flat
from tests.sessions import begin, finish, lasting, resumed

pytestmark = pytest.mark.slow  # every test trains twice

CONFIG = """
dataset: {name: wine, preprocess: [standardize], validation: 0.3}
model: {name: mlp, hidden: [6]}
regularizers:
  dropout: {rate: 0.2}
  batch_norm: {statistics: population}
  early_stopping: {patience: 2, refit: true, unit: UNIT}
optimizer: {name: adam, learning_rate: 0.05, schedule: {name: cosine}}
training: {epochs: 25, batch_size: 16, seeds: [0, 1]}
run: {checkpoint_seconds: 1000}
"""


def of_unit(unit):
    return CONFIG.replace("UNIT", unit)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """(session, summary) of a run that refits by epochs."""
    session = begin(tmp_path_factory.mktemp("epochs"), of_unit("epochs"))
    return session, finish(session)


def parts(session):
    """Each seed's training + validation rows, put together here."""
    none = np.zeros(0, np.int32)
    joined = {seed: merged(s.train, s.validation, seed) for seed, s in session.base.items()}
    for seed, part in session.base.items():
        assert sorted(joined[seed]) == sorted([*part.train, *part.validation])
    return [Split(joined[seed], none, part.test) for seed, part in session.base.items()]


def plain(session, seeds, splits):
    """A run without early stopping on these rows, begun and not yet trained."""
    experiment = session.trials[0].experiment
    methods = tuple(m for m in experiment.regularizers if m.name != "early_stopping")
    experiment = replace(experiment, regularizers=methods, dataset=replace(experiment.dataset, validation=0.0))
    trials = [Trial(experiment=experiment, seed=seed) for seed in seeds]
    lanes = [prepare_lane(t, session.data, s) for t, s in zip(trials, splits, strict=True)]
    made = Group(trials, lanes, session.data, splits)
    made.compile()
    return made


def test_a_refit_by_epochs_is_a_plain_run_of_so_many_epochs_on_all_data(done):
    session, summary = done
    lengths = summary["refit"]["values"]
    assert lengths == [lane["selected_epoch"] for lane in summary["lanes"]]
    assert all(1 <= n < lane["epochs"] < 25 for n, lane in zip(lengths, summary["lanes"], strict=True))
    (group,), made = session.stages[1].groups, plain(session, (0, 1), parts(session))
    for lane in np.argsort(lengths):
        while made.position < lengths[lane] * made.steps_per_epoch:
            made.advance(lengths[lane] * made.steps_per_epoch - made.position)
        ours, theirs = (jax.tree.map(lambda x, i=lane: np.asarray(x)[i], g.state.variables) for g in (group, made))
        np.testing.assert_array_equal(flat(ours), flat(theirs))


def test_the_test_is_measured_on_the_refit_and_validation_on_the_first_training(done):
    session, summary = done
    (first,), (second,) = (stage.groups for stage in session.stages)
    chosen, _ = first.evaluate(first.selected()[0])
    refitted, _ = second.evaluate(second.recomputed(second.latest()))
    for name, values in (("validation/loss", chosen), ("test/loss", refitted), ("train/loss", refitted)):
        np.testing.assert_allclose(summary["metrics"][name]["values"], values[name], rtol=1e-6)
    assert not np.allclose(chosen["test/loss"], refitted["test/loss"])


def test_the_saved_refit_evaluates_to_the_summary(done):
    session, summary = done
    again = evaluate(session.run, session.data).metrics
    assert {"train/loss", "test/loss", "test/accuracy"} <= set(again)
    for name, numbers in again.items():
        assert numbers["values"] == pytest.approx(summary["metrics"][name]["values"], rel=1e-5), name


@pytest.mark.parametrize("stage", [0, 1])
def test_interrupted_in_either_training_and_resumed_nothing_is_lost(stage, done, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "CHUNK_SECONDS", 1e-9)  # a step at a time
    asked = []

    def interrupted():
        asked.append(len(session.stages) - 1)
        return 15 if asked.count(stage) == 9 else 0

    session = begin(tmp_path, of_unit("epochs"), interrupted)
    with pytest.raises(Interrupted):
        finish(session)
    assert asked[-1] == stage
    again = resumed(session)
    assert lasting(again, finish(again, resume=True)) == lasting(*done)


def test_until_the_refit_is_over_what_the_first_training_selected_is_measured(done, tmp_path):
    session = begin(tmp_path, of_unit("epochs"), lambda: 15 if len(session.stages) > 1 else 0)
    with pytest.raises(Interrupted):
        finish(session)
    (group,) = done[0].stages[0].groups
    chosen, _ = group.evaluate(group.selected()[0])
    found = evaluate(session.run, session.data).metrics
    assert {"validation/loss", "test/accuracy"} <= set(found)
    for name, numbers in found.items():
        assert numbers["values"] == pytest.approx(chosen[name].tolist(), rel=1e-5), name


def test_a_refit_by_steps_makes_exactly_so_many_updates(done, tmp_path):
    session = begin(tmp_path, of_unit("steps"))
    summary = finish(session)
    per_epoch = session.stages[0].groups[0].steps_per_epoch
    lengths = summary["refit"]["values"]
    assert lengths == [n * per_epoch for n in done[1]["refit"]["values"]]  # the first training is the same
    for seed, (group, split, length) in enumerate(zip(session.stages[1].groups, parts(session), lengths, strict=True)):
        assert group.position == length
        made = plain(session, (seed,), [split])
        while made.position < length:
            made.advance(length - made.position)
        np.testing.assert_array_equal(flat(group.state.variables), flat(made.state.variables))
    assert any(n % group.steps_per_epoch for n in lengths)  # one at least ends within an epoch


@pytest.mark.parametrize(
    ("methods", "line", "message"),
    [
        ("  early_stopping: {refit: true}\n  deep_ensemble:\n", 2, "refit and deep_ensemble cannot be combined"),
        ("  early_stopping: {refit: true, restore_best: false}\n", 2, "leave restore_best true"),
    ],
)
def test_what_a_refit_does_not_go_with_is_a_config_error(methods, line, message):
    with pytest.raises(ConfigError) as caught:
        loads(f"regularizers:\n{methods}")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (line, 3)
    assert message in problem.message
