"""Lanes of a block: who is over leaves the program to who waits, and no number knows of it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from regexp.engine.group import Group
from regexp.engine.lanes import compilations
from regexp.experiment import Trial
from regexp.study.sweep.tasks import Block, Ended, Measured, Moved
from tests.study.lab import BASE, SWEEP, sweeping

STOPPING = BASE.replace("adam,", "sgd,") + SWEEP.replace("[1.0e-4, 1.0e-1]", "[1.0e-3, 1.0e+30]").replace(
    "    regularizers.dropout: {optional: true}\n", ""
)
STOPPING += "regularizers: {early_stopping: {patience: 2}, dropout: {rate: 0.1}}\n"
EPOCHS, SIZE = 12, 4


@pytest.fixture(scope="module")
def one():
    """Rates that stop some trials by patience, some by divergence, and let others end; programs of four lanes."""
    made = sweeping(STOPPING)
    made.planned()
    made.blocks.measured = Measured(SIZE, 0.0, 0.0, 1)
    return made


def trials_of(one, count=14, epochs=EPOCHS):
    (rate,) = [p.path for p in one.space if p.path == "optimizer.learning_rate"]
    middle = {p.path: p.at(0.5) for p in one.space}
    rates = [10.0**k for k in (-3, 20, -1, 0, 30, -2, 1, 0.3, -0.3, 25, -1.5, 0.6, -2.5, 28)][:count]
    return [Trial(experiment=one.space.experiment(middle | {rate: r}, epochs), seed=i % 3) for i, r in enumerate(rates)]


def trained(one, blocks):
    """(outcomes, states, steps of lanes)."""
    outcomes, states, steps = {}, {}, 0
    for block in blocks:
        for answer in one.blocks.executor.trainer.run(block):
            if isinstance(answer, Ended):
                assert not outcomes.keys() & answer.outcomes.keys()
                outcomes |= answer.outcomes
                states |= answer.states
            if isinstance(answer, Moved):
                steps += answer.lane_steps
    return outcomes, states, steps


def in_turn(trials, **more):
    """Blocks of as many trials as the program has lanes, from which nobody leaves before all are over."""
    parts = [range(len(trials))[begin : begin + SIZE] for begin in range(0, len(trials), SIZE)]
    return [Block(tuple(part), tuple(trials[i] for i in part), SIZE, **more) for part in parts]


@pytest.mark.parametrize("rung", [None, 5])
def test_who_takes_anothers_place_is_trained_as_if_from_the_beginning(one, rung, monkeypatch):
    """Bit for bit: outcomes and states; in fewer steps of the program, and in no other program."""
    trials, positions = trials_of(one), watch_positions(monkeypatch)
    expected = trained(one, in_turn(trials, rung=rung))
    apart, before = sum(positions), compilations()
    positions.clear()
    found = trained(one, [Block(tuple(range(14)), tuple(trials), SIZE, rung=rung)])
    assert compilations() == before
    assert found[0] == expected[0]
    assert {o.status for o in found[0].values()} == {"done", "diverged"}
    assert len({o.epochs for o in found[0].values()}) > 2  # some stopped, at different epochs
    assert found[2] == expected[2] == sum(14 * [(rung or EPOCHS) * steps_per_epoch(one, trials)])
    assert sum(positions) < 0.85 * apart
    assert found[1].keys() == expected[1].keys()
    for lane, state in found[1].items():
        assert all(np.array_equal(state[name], array, equal_nan=True) for name, array in expected[1][lane].items())


def test_those_that_go_on_from_a_rung_take_places_too(one):
    trials = trials_of(one)
    _, states, _ = trained(one, in_turn(trials, rung=3))
    own = tuple(states[i] for i in range(14))
    found = trained(one, [Block(tuple(range(14)), tuple(trials), SIZE, states=own)])
    assert found[0] == trained(one, in_turn(trials))[0]


def test_a_block_that_does_not_fit_keeps_what_had_ended(one, monkeypatch):
    """Memory runs out after the first have ended: these are not trained again, the rest two at a time."""
    import jax

    trainer, trials = one.blocks.executor.trainer, trials_of(one)
    expected = trained(one, in_turn(trials))[0]
    real = Group.enter

    def full(group, *own):
        if len(group.trials) > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory allocating 1 byte")
        real(group, *own)

    monkeypatch.setattr(Group, "enter", full)
    monkeypatch.setattr(trainer, "fitting", None)
    found = trained(one, [Block(tuple(range(14)), tuple(trials), SIZE)])[0]
    assert trainer.fitting == 2
    assert {lane: (o.status, o.epochs) for lane, o in found.items()} == {
        lane: (o.status, o.epochs) for lane, o in expected.items()
    }


def test_blocks_are_large_where_one_worker_has_them_all(one, monkeypatch):
    trials = trials_of(one, 14)
    (block,) = one.blocks._blocks(trials, range(14), None, {})
    assert len(block.trials) == 14
    monkeypatch.setattr(one.blocks.executor, "workers", 2)
    many = [replace(trials[0], seed=0)] * 70
    sizes = [len(block.trials) for block in one.blocks._blocks(many, range(70), None, {})]
    assert sizes == [12] * 5 + [10]  # 18 programs' worth for two workers: three for each block


def watch_positions(monkeypatch):
    """Steps of the program, call by call."""
    steps, real = [], Group.advance

    def advance(group, count):
        before = group.position
        rows = real(group, count)
        steps.append(group.position - before)
        return rows

    monkeypatch.setattr(Group, "advance", advance)
    return steps


def steps_per_epoch(one, trials):
    return one.blocks.lanes.group(trials[:1]).steps_per_epoch


def test_steps_are_measured_in_chunks_as_long_as_in_training(monkeypatch):
    """Seven steps an epoch, 10 us each, and 5 ms for each call: by calls of one epoch a step would take 724 us."""
    clock = [0.0]
    real = Group.advance

    def advance(group, steps):
        before = group.position
        real(group, steps)
        clock[0] += 0.005 + 1e-5 * (group.position - before)

    monkeypatch.setattr(Group, "advance", advance)
    monkeypatch.setattr("regexp.study.sweep.trainer.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    one = sweeping(BASE + SWEEP.replace("epochs: 2}", "epochs: 2000}"))
    assert one.planned().step_microseconds * one.blocks.measured.size < 16
