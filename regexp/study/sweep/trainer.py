"""A block in training, on the devices of this process: what every worker does, wherever it runs."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np

from regexp.core.errors import Interrupted, RegexpError
from regexp.core.lazy import jax
from regexp.datasets.base import Data, Split
from regexp.datasets.splits import split
from regexp.engine.cache import spared_seconds
from regexp.engine.epoch import EVALUATION_BLOCK
from regexp.engine.group import Group
from regexp.engine.lanes import compile_seconds
from regexp.engine.prepare import prepare_lane
from regexp.engine.scores import uses_population
from regexp.engine.step import Lane
from regexp.experiment import Trial
from regexp.study.sweep.tasks import Answer, Block, Ended, Measure, Measured, Moved, Outcome, State, Task
from regexp.study.train import never

CHUNK_SECONDS = 0.4  # progress moves, and an interrupt is obeyed, at least this often
MEASURED_SECONDS = 0.05  # in growing chunks: what a call costs counts as little as it will in training
# What a step costs beside its lanes, in lanes (docs/architecture.md: digits MLP, 1 lane 58 us, 8 lanes 25 us each).
OVERHEAD = {"cpu": 2, "gpu": 256}
MOST_LANES = {"cpu": 32, "gpu": 1024}
MEMORY_SHARE = 0.25  # of what is free, for one block
REFILLED = 4  # a quarter of the lanes: each time, all are measured
POSITION = "steps made"


class Lanes:
    """What all trials of a seed share, made once: the split and, but for methods that prepare something, the lane."""

    def __init__(self, data: Data, dataset: Any):
        self.data, self.dataset = data, dataset
        self.splits: dict[int, Split] = {}
        self.lanes: dict[Any, Lane] = {}

    def split(self, seed: int) -> Split:
        """The rows of a seed: every setting has the same."""
        if seed not in self.splits:
            self.splits[seed] = split(self.dataset, self.data, seed)
        return self.splits[seed]

    def lane(self, trial: Trial) -> Lane:
        """Rows, fitted preprocessing, key."""
        own = tuple(m for m in trial.experiment.regularizers if m.overrides("prepare"))
        evaluation = trial.experiment.evaluation
        key = (trial.seed, repr(own), evaluation.train_limit, evaluation.validation_limit)
        if key not in self.lanes:
            self.lanes[key] = prepare_lane(trial, self.data, self.split(trial.seed))
        return self.lanes[key]

    def group(self, trials: Sequence[Trial]) -> Group:
        """Trials of one structure, not yet compiled."""
        return Group(trials, [self.lane(t) for t in trials], self.data, [self.split(t.seed) for t in trials])


class Trainer:
    """Does tasks; `interrupted()` returns a signal's number once one has arrived, else 0."""

    def __init__(self, lanes: Lanes, interrupted: Callable[[], int] = never):
        self.lanes, self.interrupted = lanes, interrupted
        self.fitting: int | None = None  # lanes, once a block did not fit into memory

    def run(self, task: Task) -> Iterator[Answer]:
        """The answers to a task, as they come."""
        if isinstance(task, Measure):
            yield self.measure(task)
        else:
            yield from self.train(task)

    # -- training -----------------------------------------------------------------------------------------------------

    def train(self, block: Block) -> Iterator[Moved | Ended]:
        """A block to its rung or end; where memory does not suffice, from then on with half as many lanes at a time."""
        while block.lanes:
            size = min(block.size, self.fitting or block.size)
            try:
                for answer in self._trained(replace(block, size=size)):
                    if isinstance(answer, Ended):
                        block = block.without(answer.outcomes)
                    yield answer
            except Interrupted:
                raise
            except Exception as error:  # whatever one setting fails of, the others are trained
                if _is_memory(error) and size > 1:
                    self.fitting = (size + 1) // 2
                    continue
                if size > 1:  # each alone, so that a setting takes no other with it
                    block = replace(block, size=1)
                    continue
                failed = block.lanes[:1]
                yield Ended({i: Outcome("failed", 0, reason=reason_of(error)) for i in failed})
                block = block.without(failed)

    def _trained(self, block: Block) -> Iterator[Moved | Ended]:
        """Lanes that are over leave the program to those that wait, a quarter of its lanes at a time."""
        made = self._compiled(block.trials[: block.size], block.size)
        waiting = deque(range(len(block.lanes)))
        seats: dict[int, int] = {}  # lane of the program -> which of the block's it trains
        while waiting or seats:
            free = [seat for seat in range(block.size) if seat not in seats]
            new = {seat: waiting.popleft() for seat in free[: len(waiting)]}
            seats |= new
            if new and (made.position or block.states):
                self._enter(made, block, new)
            lanes = [block.lanes[place] for place in seats.values()]
            enough = ceil(block.size / REFILLED) if waiting else len(seats)
            left = {seat: self._left(made, block, seat, place) for seat, place in seats.items()}
            end = made.position + min(left.values())
            for took, moved in self._advance(made, end):
                yield Moved(moved * len(seats), took, lanes)
                if made.at_epoch_end and np.count_nonzero(made.stopped[list(seats)]) >= enough:
                    break
            left = {seat: self._left(made, block, seat, place) for seat, place in seats.items()}
            over = {seat: place for seat, place in seats.items() if made.stopped[seat] or left[seat] == 0}
            if skipped := sum(left[seat] for seat in over):
                yield Moved(skipped, 0.0, [block.lanes[place] for place in over.values()])
            yield self._ended(made, block, over)
            seats = {seat: place for seat, place in seats.items() if seat not in over}

    def _enter(self, made: Group, block: Block, new: dict[int, int]) -> None:
        trials = [block.trials[place] for place in new.values()]
        states = [block.states[place] for place in new.values()] if block.states else []
        steps = int(states[0][POSITION]) if states else 0
        lanes, splits = [self.lanes.lane(t) for t in trials], [self.lanes.split(t.seed) for t in trials]
        made.enter(list(new), trials, lanes, splits, states, steps)

    def _left(self, made: Group, block: Block, seat: int, place: int) -> int:
        """Steps until a lane's rung or end."""
        whole = made.steps_of(block.trials[place]) if block.rung is None else block.rung * made.steps_per_epoch
        return whole - (made.position - made.began[seat])

    def _ended(self, made: Group, block: Block, over: dict[int, int]) -> Ended:
        lanes, seats = [block.lanes[place] for place in over.values()], list(over)
        states = {}
        if block.rung is not None:
            states = dict(zip(lanes, _states(made, seats, block.rung * made.steps_per_epoch), strict=True))
        return Ended(dict(zip(lanes, _outcomes(made, seats), strict=True)), states)

    def _compiled(self, trials: Sequence[Trial], size: int) -> Group:
        made = self.lanes.group([*trials, *[trials[-1]] * (size - len(trials))])
        made.compile()
        made.compile_evaluation()
        return made

    def _advance(self, made: Group, end: int) -> Iterator[tuple[float, int]]:
        """(seconds, steps) of each chunk."""
        steps = min(made.steps_per_epoch, 64)
        while made.position < end and not made.done:
            began, first = time.perf_counter(), made.position
            made.advance(min(steps, end - first))
            took, moved = time.perf_counter() - began, made.position - first
            steps = max(1, int(min(4.0, CHUNK_SECONDS / max(took, 1e-6)) * moved))
            yield took, moved
            if number := self.interrupted():
                raise Interrupted("stopped by a signal", number)

    # -- measuring ----------------------------------------------------------------------------------------------------

    def measure(self, task: Measure) -> Measured:
        """Chooses the size of a block and trains some steps of one; or says why that trial cannot be trained."""
        try:
            return self._measured(task)
        except Interrupted:
            raise
        except Exception as error:
            return Measured(0, 0.0, 0.0, 0, reason=reason_of(error), key=getattr(error, "key", None))

    def _measured(self, task: Measure) -> Measured:
        before, spared = compile_seconds(), spared_seconds()
        size = self._choose_size(task)
        made = self._compiled([task.trial], size)
        step = spent = 0.0
        for took, moved in self._advance(made, made.steps_of(task.trial)):  # in chunks that grow
            step = took / moved / size
            spent += took if made.position > moved else 0.0  # the first has to warm up
            if spent > MEASURED_SECONDS:
                break
        spared = spared_seconds() - spared
        return Measured(size, compile_seconds() - before, step, made.steps_per_epoch, spared)

    def _choose_size(self, task: Measure) -> int:
        """A worker's part of the block that one process with the devices of all would have."""
        devices = jax.devices()
        kind = "cpu" if devices[0].platform == "cpu" else "gpu"
        most = min(MOST_LANES[kind], self._fitting(task.trial, devices[0]))
        return block_size(task.needs, len(devices) * task.workers, OVERHEAD[kind], most * task.workers) // task.workers

    def _fitting(self, trial: Trial, device: Any) -> int:
        """Lanes that fit into memory, roughly: parameters with optimizer state and best epoch, batches, evaluation."""
        alone = self.lanes.group([trial])
        width = int(np.prod(self.lanes.data.inputs.shape[1:]))
        numbers = 8 * alone.parameters + alone.capacity * alone.batch_size
        numbers += 4 * width * (alone.batch_size + EVALUATION_BLOCK)
        return max(1, int(_free_bytes(device) * MEMORY_SHARE / (4 * numbers)))


def block_size(needs: Sequence[tuple[int, int]], devices: int, overhead: int, most: int) -> int:
    """Lanes of a block: a multiple of the devices, so that all stages take least time; at most `most`.

    A step of a block of B lanes takes as long as B + `overhead` lanes would if each cost the same.
    """
    sizes = [devices * 2**k for k in range(12) if devices * 2**k <= most] or [1]
    largest = max(ceil(lanes / devices) * devices for lanes, _ in needs)
    sizes = [size for size in sizes if size < largest] + [min(largest, max(sizes))]

    def cost(size: int) -> float:
        return sum(ceil(lanes / size) * (size + overhead) * epochs for lanes, epochs in needs)

    return min(sizes, key=lambda size: (cost(size), -size))


def _outcomes(made: Group, seats: Sequence[int]) -> Iterator[Outcome]:
    """Of some lanes of the program: their metrics at the epoch that is selected."""
    (variables,) = made.selected()
    if made.has_statistics and uses_population(made.trials[0].experiment):
        variables = made.recomputed(variables)
    metrics, _ = made.evaluate(variables, seats)
    epochs, steps = np.asarray(made.state.epoch).tolist(), np.asarray(made.state.diverged_at).tolist()
    for place, seat in enumerate(seats):
        if steps[seat] >= 0:
            reason = f"the loss is not finite at step {steps[seat]}"
            yield Outcome("diverged", epochs[seat], {}, steps[seat], reason)
        else:
            yield Outcome("done", epochs[seat], {name: float(values[place]) for name, values in metrics.items()})


def _states(made: Group, seats: Sequence[int], rung: int) -> Iterator[State]:
    """Of some lanes: where they can go on, in whichever block; one that has stopped waits at the rung, too."""
    arrays = made.snapshot()
    for seat in seats:
        yield {name: array[seat] for name, array in arrays.items()} | {POSITION: np.asarray(rung)}


def reason_of(error: Exception) -> str:
    """One line that says why a setting cannot be trained."""
    text = str(error).partition("\n")[0][:200]
    return text if isinstance(error, RegexpError | jax.errors.JaxRuntimeError) else f"{type(error).__name__}: {text}"


def _is_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _free_bytes(device: Any) -> float:
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats:
        return float(stats["bytes_limit"] - stats["bytes_in_use"])
    return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
