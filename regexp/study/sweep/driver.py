"""The order of a sweep. A generator of events; one process asks, tells and records, whoever trains.

plan -> [ranges -> settings -> train -> record] for each stage -> confirm -> conclude
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from regexp.config import Search
from regexp.config.check import Facts, check, check_against_data
from regexp.config.search.section import Confirm, SweepStage
from regexp.config.search.space import Setting, Space, ranges_of, with_ranges
from regexp.core.errors import DataError, RunError
from regexp.datasets.base import Data
from regexp.experiment import Experiment, Trial
from regexp.metrics import smaller_is_better
from regexp.study.sweep.blocks import Blocks
from regexp.study.sweep.conclude import conclude, measured, ranked
from regexp.study.sweep.events import Began, Concluded, Event, Narrowed, Planned, Progress, WorkerLost
from regexp.study.sweep.executors.base import Executor
from regexp.study.sweep.narrow import narrow
from regexp.study.sweep.plan import Plan, rungs
from regexp.study.sweep.records import Record, Store
from regexp.study.sweep.samplers import ADAPTIVE, BATCHES, AskAndTell, different, fixed
from regexp.study.sweep.tasks import Ended, Lost, Moved, Outcome
from regexp.study.sweep.trainer import Lanes

MOST_PROPOSALS = 4  # times a stage's trials: so long an adaptive sampler is asked for settings that are new
MOST_REASONS = 3
MOST_MEASURED = 16  # settings whose training is tried before the space counts as one in which none can be trained
CARRIED = 0.25  # of a stage's trials: the best settings of the stage before, trained again at the new length


class Sweeping:
    """One sweep from plan to conclusion."""

    def __init__(self, experiment: Experiment, search: Search, data: Data, executor: Executor):
        self.search, self.sweep, self.data = search, search.sweep, data
        self.plan = Plan(experiment, search)
        self.space, self.seeds, self.fresh = self.plan.space, self.plan.seeds, self.plan.fresh
        self.smaller = smaller_is_better(self.sweep.objective)
        self.steps_left, self.moved, self.spent = 0, 0, 0.0
        self.notes: tuple[str, ...] = ()  # what a user should know of the data
        self.confirming: int | None = None  # trials of the confirmation, once they are known
        lanes = Lanes(data, experiment.dataset)
        self.blocks = Blocks(lanes, self.plan.divided(), executor)
        self.records: dict[tuple[int, int], Record] = {}
        self.began: dict[tuple[int, int], float] = {}  # when each trial was first trained, in seconds since 1970
        self.totals: dict[int, int] = {}  # different settings of each stage that has begun
        executor.begin(lanes)

    def planned(self) -> Planned:
        """Measures some steps of the first setting that can be trained. Raises RunError where none of several can."""
        samples = list(self.plan.samples())
        refusals = {name: reason for name, experiment in samples if (reason := self._refusal(experiment)) is not None}
        for name, experiment in islice((s for s in samples if s[0] not in refusals), MOST_MEASURED):
            measured = self.blocks.measure(Trial(experiment=experiment, seed=self.seeds[0]))
            if not measured.reason:
                planned = self.plan.planned(measured, self.blocks.executor.workers)
                notes = (*self.notes, *_untrainable(refusals))
                return replace(planned, notes=notes, inferred=self.data.inferred)
            if measured.key is not None:  # of the data set, which all settings share
                raise DataError(measured.reason, measured.key)
            refusals[name] = measured.reason
        reasons = dict.fromkeys(refusals.values())
        raise RunError(f"no setting of the space can be trained: {'; '.join(islice(reasons, MOST_REASONS))}")

    def _refusal(self, experiment: Experiment) -> str | None:
        """Why the config or the data rule an experiment out; None where they do not."""
        facts = Facts.of(self.data, self.blocks.lanes.split(self.seeds[0]))
        remarks = chain(check(experiment), check_against_data(experiment, facts))
        return next((remark.message for remark in remarks if not remark.is_warning), None)

    # -- the work -----------------------------------------------------------------------------------------------------

    def events(self, store: Store, planned: Planned | None = None) -> Iterator[Event]:
        """Do everything that the store does not have yet."""
        planned = planned or self.planned()
        self.records = {(r.stage, r.number): r for r in store.records()}
        notes = store.notes()
        self.steps_left = int(planned.lane_steps * (1 - len(self.records) / sum(planned.trials)))
        yield replace(planned, finished=len(self.records))
        spaces: list[Space] = []
        for index, stage in enumerate(self.sweep.stages):
            space, lines = self._ranges(index, spaces, notes, store)
            spaces.append(space)
            total = int(min(self.plan.trials(index), space.size()))
            if total < stage.trials and stage.sampler != "grid":
                lines = [*lines, f"{total} settings are all there are; {stage.trials} trials were asked for"]
            if lines:
                yield Narrowed(index, lines)
            self.totals[index] = total
            yield Began(index, total, stage.epochs, stage.seeds, False)
            yield from self._stage(index, stage, space, notes, store)
        if self.sweep.confirm is not None:
            yield from self._confirm(self.sweep.confirm, notes, store)
        store.flush()
        records = [self.records[key] for key in sorted(self.records)]
        yield Concluded(conclude(self.sweep, self.space, records, spaces, self.smaller))

    def _ranges(
        self, index: int, spaces: Sequence[Space], notes: dict[str, Any], store: Store
    ) -> tuple[Space, list[str]]:
        key = f"stage {index + 1} ranges"
        if key not in notes:
            space, lines = self.space, list[str]()
            if index:
                before = [r for r in self.records.values() if r.stage == index - 1]
                best = [r.setting for r in measured(before, self.smaller)]
                tried = [r.setting for r in before]
                keep = self.sweep.stages[index].keep
                space, lines = narrow(spaces[-1], best, keep, tried) if best else (spaces[-1], [])
            notes[key] = {"ranges": ranges_of(space), "changes": lines}
            store.note(key, notes[key])
        return with_ranges(self.space, notes[key]["ranges"]), notes[key]["changes"]

    def _stage(
        self, index: int, stage: SweepStage, space: Space, notes: dict[str, Any], store: Store
    ) -> Iterator[Event]:
        before = ranked([r for r in self.records.values() if r.stage == index - 1], self.smaller)
        carried = [r.setting for r in before[: int(CARRIED * stage.trials)]] if stage.sampler != "grid" else []
        total = self.totals[index]
        asking = AskAndTell(stage.sampler, space, total, index, self.smaller) if stage.sampler in ADAPTIVE else None
        numbers: dict[str, int] = {}  # of the different settings so far
        batch = proposed = 0
        # An adaptive sampler may propose a setting again. It is told the old score, and nothing is trained.
        while len(numbers) < total and proposed < MOST_PROPOSALS * total:
            key = f"stage {index + 1} settings {batch + 1}"
            known = key in notes
            if not known:
                notes[key] = self._next(stage, space, index, len(numbers), total, carried, asking)
                store.note(key, notes[key])
            proposals = notes[key]
            new = different(space, proposals, total - len(numbers), [json.loads(text) for text in numbers])
            settings = dict(enumerate(new, len(numbers)))
            numbers |= {space.key(setting): number for number, setting in settings.items()}
            yield from self._train(index, settings, stage, store)
            if asking is None:
                break
            told = [(s, self.records[index, numbers[space.key(s)]].value) for s in proposals if space.key(s) in numbers]
            if not known and not (batch == 0 and carried) and len(told) == len(proposals):
                asking.tell([value for _, value in told])
            else:
                for setting, value in told:
                    with contextlib.suppress(ValueError):  # carried from outside these ranges
                        asking.add(setting, value)
            proposed, batch = proposed + len(proposals), batch + 1

    def _next(
        self, stage: SweepStage, space: Space, index: int, begin: int, total: int,
        carried: list[Setting], asking: AskAndTell | None,
    ) -> list[Setting]:  # fmt: skip
        """The next settings to announce: all of a stage, or of an adaptive sampler a batch."""
        if asking is None:
            return [*carried, *fixed(stage.sampler, space, total - len(carried), index, carried)][:total]
        if begin == 0 and carried:
            return carried
        return asking.ask(min(-(-total // BATCHES), total - begin))

    def _confirm(self, confirm: Confirm, notes: dict[str, Any], store: Store) -> Iterator[Event]:
        last = len(self.sweep.stages)
        if "confirm" not in notes:
            best = ranked([r for r in self.records.values() if r.stage == last - 1], self.smaller)
            notes["confirm"] = [{}, *different(self.space, [r.setting for r in best], confirm.top)]
            store.note("confirm", notes["confirm"])
        epochs, seeds = self.sweep.stages[-1].epochs, confirm.seeds
        self.confirming = len(notes["confirm"])
        yield Began(last, self.confirming, epochs, seeds, True)
        stage = SweepStage(trials=self.confirming, epochs=epochs, seeds=seeds)
        yield from self._train(last, dict(enumerate(notes["confirm"])), stage, store)

    def _train(self, index: int, settings: dict[int, Setting], stage: SweepStage, store: Store) -> Iterator[Event]:
        """Train those that have no record; each is recorded as soon as its last seed has ended."""
        todo = [n for n in settings if (index, n) not in self.records]
        seeds = self.fresh if index == len(self.sweep.stages) else self.seeds[: stage.seeds]
        trials, owners = [], []
        ended: list[Record] = []
        for number in todo:
            experiment = self.plan.of(settings[number], stage.epochs)
            refusal = self._refusal(experiment)
            if refusal is not None:
                outcome = Outcome("failed", 0, reason=refusal)
                ended.append(self._record(index, number, settings[number], [outcome], store))
                continue
            trials += [Trial(experiment=experiment, seed=seed) for seed in seeds]
            owners += [number] * len(seeds)
        outcomes: dict[int, dict[int, Outcome]] = {number: {} for number in todo}
        training = self.blocks.train(
            trials, rungs(stage), lambda rung, found: self._survivors(rung, found, owners, stage, len(settings))
        )
        for event in training:
            if isinstance(event, Moved):
                self._count(event.lane_steps, event.seconds)
                for lane in event.lanes:
                    self.began.setdefault((index, owners[lane]), time.time() - event.seconds)
            elif isinstance(event, Lost):
                self._count(-event.lane_steps, 0.0)
                yield WorkerLost(event.reason)
            elif isinstance(event, Ended):
                for lane, outcome in event.outcomes.items():
                    mine = outcomes[owners[lane]]
                    mine[lane] = outcome
                    if len(mine) == len(seeds):
                        own = [mine[i] for i in sorted(mine)]
                        ended.append(self._record(index, owners[lane], settings[owners[lane]], own, store))
            yield self._progress(index, len({owners[lane] for lane in self.blocks.running}), ended)
            ended = []
        if ended:
            yield self._progress(index, 0, ended)

    def _count(self, lane_steps: int, seconds: float) -> None:
        """What is left, and how fast it goes with all workers together."""
        self.moved += lane_steps
        self.steps_left -= lane_steps
        self.spent += seconds / self.blocks.executor.workers

    def _survivors(
        self, rung: int, found: dict[int, Outcome], owners: Sequence[int], stage: SweepStage, trials: int
    ) -> set[int]:
        """The lanes of the best settings: of so many announced the share 1/halving, of these again, ...

        By the announced number, not by those in training: a resume trains the survivors alone.
        """
        scores: dict[int, list[float]] = {}
        for lane, outcome in found.items():
            good = outcome.status == "done"
            bad = float("inf") if self.smaller else float("-inf")
            scores.setdefault(owners[lane], []).append(outcome.metrics[self.sweep.objective] if good else bad)
        sign = 1 if self.smaller else -1
        order = sorted(scores, key=lambda n: (sign * sum(scores[n]) / len(scores[n]), n))
        kept = set(order[: max(1, trials // (stage.halving or 1) ** (rung + 1))])
        return {lane for lane in found if owners[lane] in kept}

    def _record(self, index: int, number: int, setting: Setting, outcomes: Sequence[Outcome], store: Store) -> Record:
        """A setting's record: as good as its worst seed's status."""
        worst = next((s for s in ("failed", "diverged", "pruned") if s in [o.status for o in outcomes]), "done")
        first = next((o for o in outcomes if o.status == worst), outcomes[0])
        scores = [o.metrics for o in outcomes] if worst in ("done", "pruned") else []
        if index < len(self.sweep.stages):  # the choice is made on validation data
            scores = [{k: v for k, v in s.items() if k.startswith("validation/")} for s in scores]
        value = sum(s[self.sweep.objective] for s in scores) / len(scores) if scores else None
        record = Record(index, number, setting, worst, value, scores, max(o.epochs for o in outcomes),
                        first.step, first.reason)  # fmt: skip
        self.records[index, number] = record
        store.add(record, self.began.get((index, number)))
        return record

    def _progress(self, index: int, running: int, ended: list[Record]) -> Progress:
        here = [r for r in self.records.values() if r.stage == index]
        best = ranked([r for r in here if r.setting], self.smaller)
        finished = len(here) == self.totals.get(index, self.confirming)
        left = max(0, self.steps_left) * self.spent / self.moved if self.moved and not finished else None
        lost = sum(r.status in ("diverged", "failed") for r in here)
        value = best[0].value if best else None
        trials = self.totals[index] if self.confirming is None else self.confirming
        return Progress(index, trials, len(here), lost, running, value, left, ended)


def _untrainable(refusals: dict[str, str]) -> list[str]:
    """A note for each reason why settings cannot be trained, with the first that it rules out."""
    first = {reason: name for name, reason in reversed(refusals.items())}
    return [f"cannot be trained and will fail alone: {name}, since {reason}" for reason, name in first.items()]
