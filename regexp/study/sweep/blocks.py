"""Lists of trials, divided into blocks of one structure and one size, so that a structure is compiled once per sweep.

A program has as many lanes in the last stage as in the first, the last of its trials repeated where there are fewer.
The size is chosen by what the stages need, in a worker: it knows its devices. One worker has all trials of a structure
as one block, so that a trial takes the place of one that is over; several have some each, so that all end together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil

from regexp.engine.lanes import group
from regexp.experiment import Trial
from regexp.study.sweep.executors.base import Executor
from regexp.study.sweep.tasks import Answer, Block, Ended, Lost, Measure, Measured, Moved, Outcome, State
from regexp.study.sweep.trainer import Lanes

BLOCKS = 4  # of a structure, for each of several workers
Survivors = Callable[[int, dict[int, Outcome]], set[int]]


class Blocks:
    """Trains lists of trials.

    needs: (lanes of one structure, epochs) of each stage
    running: lanes in training now
    """

    def __init__(self, lanes: Lanes, needs: Sequence[tuple[int, int]], executor: Executor):
        self.lanes, self.needs, self.executor = lanes, tuple(needs), executor
        self.measured: Measured | None = None
        self.running: set[int] = set()

    def measure(self, trial: Trial) -> Measured:
        """The size of all blocks, chosen by the first trial that can be trained, and how long they take."""
        if self.measured is None:
            task = Measure(trial, self.needs, self.executor.workers)
            (measured,) = [answer for answer in self.executor.run([task]) if isinstance(answer, Measured)]
            if measured.reason:
                return measured
            self.measured = measured
        return self.measured

    def train(
        self, trials: Sequence[Trial], rungs: Sequence[int] = (), survivors: Survivors | None = None
    ) -> Iterator[Answer]:
        """Train all trials to their epochs.

        rungs: epochs at which `survivors(number of the rung, outcomes so far)` says who goes on; the others end there
        """
        alive = list(range(len(trials)))
        states: dict[int, State] = {}
        for number, rung in enumerate((*rungs, None)):
            found: dict[int, Outcome] = {}
            for answer in self._run(self._blocks(trials, alive, rung, states)):
                if isinstance(answer, Ended) and rung is not None:
                    found |= answer.outcomes
                    states |= answer.states
                else:
                    yield answer
            if rung is not None and survivors is not None:
                on = survivors(number, found) & {i for i, o in found.items() if o.status == "done"}
                alive, over = [i for i in alive if i in on], [i for i in alive if i not in on]
                yield Ended({i: _pruned(found[i]) for i in over})
                states = {i: states[i] for i in alive}

    def _run(self, blocks: Sequence[Block]) -> Iterator[Answer]:
        self.running = set()
        for answer in self.executor.run(blocks):
            if isinstance(answer, Moved):
                self.running |= set(answer.lanes)
            elif isinstance(answer, Ended | Lost):
                self.running -= set(answer.outcomes if isinstance(answer, Ended) else answer.lanes)
            yield answer

    def _blocks(
        self, trials: Sequence[Trial], alive: Sequence[int], rung: int | None, states: dict[int, State]
    ) -> list[Block]:
        if not alive:
            return []
        size = max(1, self.measure(trials[alive[0]]).size)
        blocks = []
        for one in group([trials[i] for i in alive], [self.lanes.lane(trials[i]) for i in alive]):
            members = [alive[i] for i in one]
            for part in self._shares(members, size):
                own = tuple(states[i] for i in part) if states else ()
                blocks.append(Block(part, tuple(trials[i] for i in part), size, rung, own))
        return blocks

    def _shares(self, members: Sequence[int], size: int) -> list[tuple[int, ...]]:
        programs, workers = ceil(len(members) / size), self.executor.workers
        each = size * ceil(programs / (BLOCKS * workers if workers > 1 else 1))
        return [tuple(members[begin : begin + each]) for begin in range(0, len(members), each)]


def _pruned(outcome: Outcome) -> Outcome:
    """Of a lane that ends at a rung: what it is there, unless it diverged or failed before."""
    return replace(outcome, status="pruned") if outcome.status == "done" else outcome
