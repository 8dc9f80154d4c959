"""The engine's promises: one program for all values and lengths, chunks that change nothing, lanes that stay apart."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from regexp.datasets.base import Dataset
from regexp.engine import lanes
from regexp.engine.batches import epoch_order
from regexp.engine.lanes import compilations
from regexp.engine.saved import nested, nested_names
from regexp.experiment import Training, Trial
from regexp.models.mlp import MLP
from regexp.optimizers.adam import Adam
from regexp.optimizers.gd import GD
from regexp.optimizers.sgd import SGD
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.loop.early_stopping import EarlyStopping
from regexp.regularizers.parameters.l2 import L2
from regexp.schedules.cosine import Cosine
from tests.lab import experiment, flat, group, images, table, train, weights

METHODS = (L2(strength=1e-3), Dropout(rate=0.2), BatchNorm())


def setting(**training):
    return experiment(
        *METHODS,
        optimizer=Adam(learning_rate=3e-3, schedule=Cosine()),
        training=Training(**({"epochs": 4, "batch_size": 16} | training)),
    )


def test_numbers_epochs_and_schedule_lengths_compile_nothing_new():
    train(setting())
    before = compilations()
    train(setting(epochs=7))
    changed = setting()
    other = Adam(learning_rate=0.1, beta1=0.5, epsilon=1e-3, schedule=Cosine(final=0.2, warmup=1.0))
    train(
        replace(changed, optimizer=other, regularizers=(L2(strength=0.0), Dropout(rate=0.7), BatchNorm(momentum=0.3)))
    )
    assert compilations() == before
    train(replace(changed, optimizer=SGD()))
    assert compilations() > before  # the count counts


def test_another_structure_is_another_group_and_another_value_is_not():
    a, b, c = setting(), replace(setting(), optimizer=Adam(learning_rate=0.5, schedule=Cosine())), experiment()
    trials = [Trial(experiment=e, seed=0) for e in (a, b, c, a)]
    assert lanes.group(trials, [np.zeros(3)] * 4) == [[0, 1, 3], [2]]
    assert lanes.group(trials, [np.zeros(3), np.zeros(4), np.zeros(3), np.zeros(3)]) == [[0, 3], [1], [2]]


@pytest.mark.parametrize("chunk", [1, 3, 7, 10])
def test_cutting_a_run_into_other_chunks_changes_no_bit(chunk):
    whole = train(setting())
    cut = group(whole.trials, images())
    rows = []
    while not cut.done:
        rows += cut.advance(chunk)
    np.testing.assert_array_equal(flat(cut.state.variables), flat(whole.state.variables))
    np.testing.assert_array_equal(flat(cut.state.best), flat(whole.state.best))
    assert rows == whole.rows


def test_going_on_from_a_snapshot_changes_no_bit():
    whole = train(setting(), seeds=(0, 1, 2))
    begun = train(setting(), seeds=(0, 1, 2), steps=13)
    later = group(begun.trials, images())
    later.restore(begun.snapshot(), begun.position)
    while not later.done:
        later.advance(1000)
    np.testing.assert_array_equal(flat(later.state), flat(whole.state))


@pytest.mark.parametrize("mode", ["vmap", "map"])
def test_a_lane_equals_the_trial_alone(mode, monkeypatch):
    monkeypatch.setattr(lanes, "MAP_ABOVE", 0 if mode == "map" else 10**9)
    together = train(setting(), seeds=(0, 1, 2, 3, 4))
    assert together.layout.mode == mode
    assert len(together.layout.devices) == 2
    for lane, seed in enumerate((0, 1, 2, 3, 4)):
        alone = train(setting(), seeds=(seed,))
        np.testing.assert_allclose(flat(weights(together, lane)), flat(weights(alone)), rtol=2e-3, atol=2e-5)


def test_a_diverging_lane_is_marked_with_its_step_and_leaves_the_others_untouched():
    calm = setting(epochs=5)
    wild = replace(calm, optimizer=Adam(learning_rate=1e30, schedule=Cosine()))
    alone, both = train([calm, calm]), train([calm, wild])
    np.testing.assert_array_equal(flat(weights(alone, 0)), flat(weights(both, 0)))
    outcome = both.outcome(1)
    assert outcome["status"] == "diverged"
    assert 0 <= outcome["diverged_at"] < both.total_steps
    assert both.outcome(0)["status"] == "done"
    assert np.all(np.isfinite(flat(jax.tree.map(lambda x: np.asarray(x)[1], both.state.best.variables))))


def unlearnable():
    """Labels without meaning: the validation loss soon rises."""
    data = images(n=120)
    return replace(data, targets=np.random.default_rng(0).permutation(data.targets))


def test_early_stopping_stops_restores_and_says_why():
    fast = Adam(learning_rate=0.05)
    made = train(
        experiment(EarlyStopping(patience=3), optimizer=fast, training=Training(epochs=60, batch_size=16)),
        unlearnable(),
    )
    outcome = made.outcome(0)
    scores = [row["validation/loss"] for row in made.rows]
    best = int(np.argmin(scores)) + 1
    assert outcome["selected_epoch"] == best
    assert outcome["epochs"] == best + 3 < 60
    assert outcome["reason"] == "stopped early"
    metrics, _ = made.evaluate(made.selected()[0])
    assert float(metrics["validation/loss"][0]) == pytest.approx(scores[best - 1], rel=1e-5)


def test_a_stopped_lane_no_longer_changes():
    stopping = experiment(EarlyStopping(patience=1), training=Training(epochs=30, batch_size=16))
    made = train([stopping, replace(stopping, regularizers=(EarlyStopping(patience=30),))], unlearnable())
    first = made.outcome(0)["epochs"]
    assert first < made.outcome(1)["epochs"]
    short = train(stopping, unlearnable())
    assert short.outcome(0)["epochs"] == first
    np.testing.assert_allclose(flat(weights(made, 0)), flat(weights(short)), rtol=1e-4, atol=1e-6)


def test_without_restoring_the_last_epoch_is_measured():
    made = train(experiment(EarlyStopping(patience=2, restore_best=False), training=Training(epochs=20, batch_size=16)))
    assert made.outcome(0)["selected_epoch"] == made.outcome(0)["epochs"]
    np.testing.assert_array_equal(flat(made.selected()[0]), flat(made.state.variables))


def test_monitored_accuracy_is_maximised():
    made = train(experiment(training=Training(epochs=6, batch_size=16, monitor="validation/accuracy")))
    scores = [row["validation/accuracy"] for row in made.rows]
    assert int(made.state.best.epoch[0]) == int(np.argmax(scores)) + 1


def test_the_order_is_a_pure_function_that_visits_every_example_once():
    rows = np.arange(100, 150)
    first = epoch_order((3, 0), 0, rows, 8)
    np.testing.assert_array_equal(first, epoch_order((3, 0), 0, rows, 8))
    assert first.shape == (6, 8)
    assert len(set(first.ravel())) == 48
    assert not np.array_equal(first, epoch_order((3, 0), 1, rows, 8))
    assert not np.array_equal(first, epoch_order((4, 0), 0, rows, 8))


def test_full_batch_gradient_descent_makes_one_update_an_epoch():
    made = train(experiment(optimizer=GD(), training=Training(epochs=3, batch_size=16)))
    assert made.position == 3
    assert made.batch_size == len(made.splits[0].train)


def test_regression_trains_on_scaled_targets_and_reports_in_their_units():
    data = table()
    made = train(
        experiment(
            model=MLP(hidden=(8,)), optimizer=Adam(learning_rate=0.02), training=Training(epochs=60, batch_size=16)
        ),
        data,
    )
    metrics, outputs = made.evaluate(made.selected()[0])
    rows = made.splits[0].test
    lane = jax.tree.map(lambda x: np.asarray(x)[0], made.lane)
    predicted = outputs[0] * lane.target_scale + lane.target_mean
    rmse = np.sqrt(np.mean((predicted - data.targets[rows]) ** 2))
    assert float(metrics["test/rmse"][0]) == pytest.approx(rmse, rel=1e-5)
    assert float(metrics["test/r2"][0]) > 0.9


def test_training_metrics_are_measured_in_evaluation_mode():
    made = train(experiment(Dropout(rate=0.8), training=Training(epochs=3, batch_size=16)))
    rows = made.rows
    assert rows[-1]["loss/data"] > rows[-1]["train/loss"]  # the one with masks, the other without
    assert rows[-1]["loss/total"] == rows[-1]["loss/data"]


def test_penalties_are_logged_apart_and_add_up():
    row = train(experiment(L2(strength=0.1), training=Training(epochs=1, batch_size=16))).rows[0]
    assert row["loss/total"] == pytest.approx(row["loss/data"] + row["loss/l2"], rel=1e-6)
    assert row["loss/l2"] > 0


def test_without_validation_data_the_last_epoch_counts():
    made = train(experiment(dataset=Dataset(validation=0.0)))
    assert not any(name.startswith("validation/") for name in made.rows[0])
    assert made.outcome(0)["selected_epoch"] == made.outcome(0)["epochs"] == 2


def test_bfloat16_trains_with_float32_parameters():
    made = train(experiment(training=Training(epochs=6, batch_size=16, precision="bfloat16")))
    assert {x.dtype.name for x in jax.tree.leaves(made.state.variables.parameters)} == {"float32"}
    assert made.rows[-1]["train/loss"] < made.rows[0]["train/loss"]


def test_saved_names_lead_back_to_the_tree():
    tree = {"variables": {"parameters": {"model": {"block_0/conv_0": {"kernel": np.ones(2)}}}, "state": {}}}
    back = nested(nested_names(tree))
    assert back["variables"]["parameters"]["model"]["block_0/conv_0"]["kernel"].sum() == 2
    assert back["variables"]["state"] == {}


def test_lanes_of_other_lengths_end_each_at_its_own():
    made = train([setting(epochs=2), setting(epochs=5)])
    assert [made.outcome(lane)["epochs"] for lane in (0, 1)] == [2, 5]
    assert [row["epoch"] for row in made.rows] == [1, 1, 2, 2, 3, 4, 5]
    alone = train(setting(epochs=2))
    np.testing.assert_allclose(flat(weights(made, 0)), flat(weights(alone)), rtol=2e-3, atol=2e-5)


@pytest.mark.slow
def test_a_large_batch_keeps_the_row_numbers_of_a_chunk_small():
    from regexp.engine import group as module

    made = group([Trial(experiment=setting(epochs=3), seed=0)], images(n=600))
    assert made.capacity == module.MOST_STEPS
    whole = setting(epochs=3, batch_size="all")
    assert group([Trial(experiment=whole, seed=0)], images(n=2400)).capacity == module.MOST_ROWS // 1632
