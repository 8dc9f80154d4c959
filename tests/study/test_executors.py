"""Wherever blocks are trained, the numbers are the same; who dies costs time, no trial."""

from __future__ import annotations

import os
import signal
from collections import deque
from contextlib import closing
from dataclasses import replace

import jax
import pytest

from regexp.core.errors import DeviceError, Interrupted, RunError, UsageError
from regexp.engine import device
from regexp.engine.device import gpus
from regexp.experiment import Experiment, Trial
from regexp.study.sweep.events import WorkerLost
from regexp.study.sweep.executors import processes, ray
from regexp.study.sweep.executors.local import Local
from regexp.study.sweep.executors.pool import Died, Finished, Pool, Ready
from regexp.study.sweep.tasks import Block, Ended, Lost, Measure, Measured, Moved, Outcome
from tests.study.lab import BASE, SWEEP, records_of, run, sweeping

HALVED = BASE + SWEEP.replace("{trials: 12, epochs: 2}", "{trials: 8, epochs: 4, halving: 2}")


@pytest.mark.slow
def test_a_sweep_by_processes_is_the_same_sweep_though_one_is_killed(tmp_path, monkeypatch):
    """Bit for bit, as each worker has as many devices and lanes; at a rung states go from one process to another."""
    (tmp_path / "local").mkdir()
    alone = sweeping(HALVED, executor=Local("cpu"))
    expected, _ = run(alone, tmp_path / "local")
    monkeypatch.setattr(processes, "cores", lambda: 4)  # two devices for each of two workers, as here
    pool = processes.Processes("cpu", workers=2)
    with closing(pool):
        one = sweeping(HALVED, executor=pool)
        planned = one.planned()
        one.blocks.measured = replace(one.blocks.measured, size=alone.blocks.measured.size)
        first = [process.process for process in pool.processes.values()]
        monkeypatch.setattr(pool, "hand", killing(pool, pool.hand))
        summary, events = run(one, tmp_path, planned)
        last = [process.process for process in pool.processes.values()]
    assert summary == expected
    assert records_of(one, tmp_path) == records_of(alone, tmp_path / "local")
    (lost,) = [event.reason for event in events if isinstance(event, WorkerLost)]
    assert lost in {f"worker process {process.pid} died by signal 9 (SIGKILL)" for process in first}
    assert pool.describe() == "2 workers, each 2 x cpu"
    assert not any(process.is_alive() for process in [*first, *last])


def killing(pool, hand):
    """`hand`, but the worker that gets the second block dies of it."""
    handed = []

    def call(worker, task):
        hand(worker, task)
        handed.append(worker)
        if len(handed) == 2:
            os.kill(pool.processes[worker].process.pid, signal.SIGKILL)

    return call


def outcomes(executor, disturb=lambda: None):
    """Of two blocks, bit for bit."""
    one = sweeping(executor=executor)
    setting = {p.path: p.at(0.5) for p in one.space}
    trials = [Trial(experiment=one.space.experiment(setting, 2), seed=seed) for seed in range(4)]
    one.blocks.measured = Measured(2, 0.0, 0.0, 1)
    found = {}
    for answer in one.blocks.train(trials):
        if isinstance(answer, Moved):
            disturb()
        if isinstance(answer, Ended):
            found |= answer.outcomes
    return found


def test_a_process_trains_what_this_process_would_after_the_one_before_it_was_killed():
    pids = []

    def kill():
        if not pids:
            pids.append(pool.processes[0].process.pid)
            os.kill(pids[0], signal.SIGKILL)

    with closing(processes.Processes("cpu", workers=1)) as pool:
        assert outcomes(pool, kill) == outcomes(Local("cpu"))
        (process,) = [one.process for one in pool.processes.values()]
        assert process.pid != pids[0]
    assert not process.is_alive()


@pytest.mark.skipif(gpus() > 0, reason="there is a GPU")
def test_what_a_worker_cannot_do_is_told_as_its_own():
    with closing(processes.Processes("gpu", workers=1)) as pool, pytest.raises(DeviceError, match="no GPU found"):
        sweeping(executor=pool).planned()


def test_workers_that_die_before_they_are_ready_are_not_started_for_ever(monkeypatch):
    class Stillborn(processes._Process):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.process.kill()

    monkeypatch.setattr(processes, "_Process", Stillborn)
    with (
        closing(processes.Processes("cpu", workers=2)) as pool,
        pytest.raises(RunError, match="before they could train"),
    ):
        sweeping(executor=pool).planned()


@pytest.mark.parametrize(
    ("number", "workers", "own", "memory"),
    [(0, 2, "0,2", None), (1, 2, "1", None), (2, 3, "2", None), (4, 6, "1", "0.375"), (3, 4, "0", "0.375")],
)
def test_workers_share_the_gpus(monkeypatch, number, workers, own, memory):
    """Three that this process may use; where there are fewer than workers, a worker has its part of one's memory."""
    environment, settings = {"CUDA_VISIBLE_DEVICES": "4,5,6"}, {}
    monkeypatch.setattr(device.os, "environ", environment)
    monkeypatch.setattr(jax.config, "update", settings.__setitem__)
    device.share_gpus(number, workers)
    assert settings == {"jax_cuda_visible_devices": own}
    assert environment.get("XLA_CLIENT_MEM_FRACTION") == memory


# -- handing out, with workers that follow a script -------------------------------------------------------------------


class Scripted(Pool):
    """Says what stands in `script`, of the worker that has the newest task; notes what was handed out."""

    workers = 2

    def __init__(self, *script):
        super().__init__("cpu")
        self.script, self.handed, self.idle = deque(script), [], [0, 1]

    def hand(self, worker, task):
        self.handed.append((worker, task))

    def listen(self, seconds):
        said = self.script.popleft()
        worker = self.handed[-1][0]
        yield worker, said
        if isinstance(said, Died):
            yield worker, Ready("1 x cpu")

    set_up = begin = close = None


Scripted.__abstractmethods__ = frozenset()
TRIALS = tuple(Trial(experiment=Experiment(), seed=seed) for seed in range(3))
BLOCK = Block((4, 5, 6), TRIALS, 3)
DONE = Outcome("done", 2, {"validation/loss": 1.0})


def test_a_dead_workers_block_is_handed_out_again():
    pool = Scripted(
        Moved(30, 1.0, BLOCK.lanes), Died("a node went away"), Ended(dict.fromkeys(BLOCK.lanes, DONE)), Finished(3)
    )
    answers = list(pool.run([BLOCK]))
    assert [task for _, task in pool.handed] == [BLOCK, BLOCK]
    assert answers[1] == Lost(30, BLOCK.lanes, "a node went away")
    assert answers[-1].outcomes == dict.fromkeys(BLOCK.lanes, DONE)
    assert pool.compilations() == 3


def test_what_had_ended_is_not_trained_again():
    rest = {5: DONE, 6: DONE}
    pool = Scripted(Ended({4: DONE}), Moved(7, 1.0, (5, 6)), Died("killed"), Ended(rest), Died("after its last word"))
    answers = list(pool.run([replace(BLOCK, rung=1, states=({"a": 1}, {"a": 2}, {"a": 3}))]))
    assert pool.handed[1][1] == Block((5, 6), TRIALS[1:], 3, 1, ({"a": 2}, {"a": 3}))
    assert [a for a in answers if isinstance(a, Lost)] == [Lost(7, (5, 6), "killed")]
    assert len(pool.handed) == 2
    measured = Measured(4, 1.0, 1.0, 7)
    pool = Scripted(measured, Died("after its last word"))
    assert list(pool.run([Measure(TRIALS[0], ((1, 1),), 2)])) == [measured]


def test_a_block_that_three_workers_died_of_is_failed_with_the_reason():
    pool = Scripted(*[Died("died by signal 11 (SIGSEGV)")] * 3)
    *_, last = pool.run([BLOCK])
    assert len(pool.handed) == 3
    assert {o.status for o in last.outcomes.values()} == {"failed"}
    assert {o.reason for o in last.outcomes.values()} == {"3 workers died of it, the last: died by signal 11 (SIGSEGV)"}
    with pytest.raises(RunError, match="cannot be measured: 3 workers died"):
        list(Scripted(*[Died("killed")] * 3).run([Measure(TRIALS[0], ((1, 1),), 2)]))


def test_a_signal_is_obeyed_between_two_answers():
    pool = Scripted(Moved(30, 1.0, BLOCK.lanes))
    pool.interrupted = lambda: signal.SIGTERM
    with pytest.raises(Interrupted) as caught:
        list(pool.run([BLOCK]))
    assert caught.value.exit_code == 143


# -- ray --------------------------------------------------------------------------------------------------------------


def test_each_actor_has_as_many_cpus_as_there_is_room_for():
    assert ray.share([4, 4], None) == (2, 4)
    assert ray.share([0, 2, 64], None) == (33, 2)
    assert ray.share([2, 64, 64], 3) == (3, 32)
    assert ray.share([2], 8) == (2, 1)
    with pytest.raises(RunError, match="no node of the cluster"):
        ray.share([0, 0], 2)


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("here", UsageError, "--address is auto or HOST:PORT, not here"),
        ("127.0.0.1:1", RunError, "no Ray cluster at 127.0.0.1:1: Connection refused"),
    ],
)
def test_where_no_cluster_is_ray_is_not_waited_for(address, error, message):
    with pytest.raises(error, match=message):
        ray._knock(address)
