"""The order of a sweep. A generator of events; one process asks and tells, and the blocks hold no state.

    plan -> [ranges -> settings -> train -> record] for each stage -> confirm -> conclude

What a caller sees: Planned, then for each stage Narrowed, Began, Progress ..., and at last Concluded.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

from regexp.config import Loaded, Search, to_yaml
from regexp.config.check import Facts, check, check_against_data
from regexp.datasets.base import Data
from regexp.errors import ConfigError, Interrupted, Problem, RegexpError, RunError
from regexp.experiment import Experiment, Trial
from regexp.manifest import gather, now
from regexp.metrics import names, smaller_is_better
from regexp.runner import data_hash, never
from regexp.runs import Run
from regexp.sweep.blocks import Blocks, Ended, Moved, Outcome, lean, structures
from regexp.sweep.conclude import conclude, ranked
from regexp.sweep.narrow import narrow
from regexp.sweep.records import Record, Store
from regexp.sweep.samplers import ADAPTIVE, BATCHES, AskAndTell, check_installed, fixed, grid
from regexp.sweep.section import Confirm, SweepStage
from regexp.sweep.space import Parameter, Setting, Space, ranges_of, with_ranges
from regexp.sweep.text import description, difference
from regexp.training.device import Device, describe_device, set_up
from regexp.training.lanes import compilations

CARRIED = 0.25  # of a stage's trials: the best settings of the stage before, trained again at the new length
MOST_STRUCTURES = 256  # combinations that the plan counts one by one


@dataclass(frozen=True)
class Planned:
    """Before the first trial.

    trials: of each stage and the confirmation; lane_steps: updates, over all lanes
    seconds: what it will take, compiling included; by some steps of a block, measured on this machine
    """

    trials: list[int]
    lanes: int
    programs: int
    block: int
    lane_steps: int
    seconds: float
    step_microseconds: float
    finished: int = 0


@dataclass(frozen=True)
class Narrowed:
    """The ranges of a stage and why they changed."""

    stage: int
    lines: list[str]


@dataclass(frozen=True)
class Began:
    """A stage, or with the number after the last the confirmation."""

    stage: int
    trials: int
    epochs: int
    seeds: int
    confirming: bool


@dataclass(frozen=True)
class Progress:
    """Where the stage is.

    done: trials that have ended, those that failed included
    running: those with a lane in the block in training
    """

    stage: int
    trials: int
    done: int
    failed: int
    running: int
    best: float | None
    seconds_left: float | None
    ended: list[Record]


@dataclass(frozen=True)
class Concluded:
    """The sweep is over; `summary` is what summary.json holds."""

    summary: dict[str, Any]


Event = Planned | Narrowed | Began | Progress | Concluded


class Sweeping:
    """One sweep from plan to conclusion."""

    def __init__(self, experiment: Experiment, search: Search, data: Data, interrupted: Callable[[], int] = never):
        self.experiment, self.search, self.sweep, self.data = experiment, search, search.sweep, data
        self.space = replace(search.space, base=lean(search.space.base))
        self.smaller = smaller_is_better(self.sweep.objective)
        self.steps_left, self.moved, self.spent = 0, 0, 0.0
        given = list(dict.fromkeys(experiment.training.seeds))
        most = max(stage.seeds for stage in self.sweep.stages)
        unused = (n for n in range(10**6) if n not in given)
        self.seeds = (given + list(islice(unused, most)))[:most]
        fresh = (n for n in range(10**6) if n not in given and n not in self.seeds)
        self.fresh = (
            list(islice(fresh, self.sweep.confirm.seeds))
            if self.sweep.confirm
            else self.seeds[: self.sweep.stages[-1].seeds]
        )
        self.confirming: int | None = None  # trials of the confirmation, once they are known
        self.kinds = structures(self._experiments())  # among which the trials of a stage are divided
        needs = [(-(-lanes // self.kinds), epochs) for lanes, epochs in self._needs()]
        self.blocks = Blocks(data, experiment.dataset, needs, interrupted)
        self.records: dict[tuple[int, int], Record] = {}

    # -- the plan -----------------------------------------------------------------------------------------------------

    def trials(self, stage: int) -> int:
        """Settings of a stage, or of the confirmation with the file's own."""
        if stage == len(self.sweep.stages):
            if self.confirming is not None:
                return self.confirming
            return min(self.sweep.confirm.top, self.trials(stage - 1)) + 1 if self.sweep.confirm else 0
        one = self.sweep.stages[stage]
        return len(grid(self.space, one.trials)) if one.sampler == "grid" else one.trials

    def _needs(self) -> list[tuple[int, int]]:
        """(lanes trained together, epochs) of each stage, batch and round of halving, were all of one structure."""
        last = len(self.sweep.stages)
        stages = [need for i, s in enumerate(self.sweep.stages) for need in _rounds(self.trials(i), s)]
        seeds = self.sweep.confirm.seeds if self.sweep.confirm else 0
        return [*stages, (self.trials(last) * seeds, self.sweep.stages[-1].epochs)]

    def _experiments(self) -> list[Experiment]:
        """One of each combination of the values that make other structures."""
        middle = {p.path: p.at(0.5) for p in self.space}
        structural = {p.path: values for p in self.space if len(values := self._structural(p, middle)) > 1}
        combinations = islice(product(*structural.values()), MOST_STRUCTURES)
        settings = [middle | dict(zip(structural, c, strict=True)) for c in combinations]
        return [self.space.experiment(setting, 1) for setting in settings]

    def programs(self) -> int:
        """Structures in the space, and the file's own where it is trained beside them."""
        return structures([*self._experiments(), *([lean(self.experiment)] if self.sweep.confirm else [])])

    def _structural(self, parameter: Parameter, setting: Setting) -> list[Any]:
        """The values of a parameter whose experiments differ in structure from one another."""
        if parameter.scale in ("log", "linear"):
            return []
        everything = parameter.choices
        if parameter.scale == "int":
            everything = tuple(range(int(parameter.low), int(parameter.high) + 1))
        ends = [self.space.experiment(setting | {parameter.path: v}, 1) for v in (everything[0], everything[-1])]
        changes = not parameter.is_range or structures(ends) > 1
        return list(everything) if changes else []

    def plan(self) -> Planned:
        """Measures some steps."""
        middle = self.space.experiment({p.path: p.at(0.5) for p in self.space}, self.sweep.stages[0].epochs)
        compiling, step, per_epoch = self.blocks.measure(Trial(experiment=middle, seed=self.seeds[0]))
        needs = self._needs()
        steps = sum(lanes * epochs * per_epoch for lanes, epochs in needs)
        self.steps_left = steps
        programs = self.programs()
        size = self.blocks.size or 1
        padded = sum(self.kinds * -(-n // size) * size * epochs * per_epoch for n, epochs in self.blocks.needs)
        counts = [self.trials(i) for i in range(len(self.sweep.stages) + 1)]
        seeds = [*(stage.seeds for stage in self.sweep.stages), len(self.fresh)]
        lanes = sum(n * own for n, own in zip(counts, seeds, strict=True))
        seconds = programs * compiling + padded * step
        return Planned(counts, lanes, programs, size, steps, seconds, 1e6 * step)

    # -- the work -----------------------------------------------------------------------------------------------------

    def events(self, store: Store, plan: Planned | None = None) -> Iterator[Event]:
        """Do everything that the store does not have yet."""
        plan = plan or self.plan()
        self.records = {(r.stage, r.number): r for r in store.records()}
        notes = store.notes()
        self.steps_left -= int(plan.lane_steps * len(self.records) / sum(plan.trials))
        yield replace(plan, finished=len(self.records))
        spaces: list[Space] = []
        for index, stage in enumerate(self.sweep.stages):
            space, lines = self._ranges(index, spaces, notes, store)
            spaces.append(space)
            if lines:
                yield Narrowed(index, lines)
            yield Began(index, self.trials(index), stage.epochs, stage.seeds, False)
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
                best = [r.setting for r in ranked(before, self.smaller)]
                keep = self.sweep.stages[index].keep
                space, lines = narrow(spaces[-1], best, keep, len(before)) if best else (spaces[-1], [])
            notes[key] = {"ranges": ranges_of(space), "changes": lines}
            store.note(key, notes[key])
        return with_ranges(self.space, notes[key]["ranges"]), notes[key]["changes"]

    def _stage(
        self, index: int, stage: SweepStage, space: Space, notes: dict[str, Any], store: Store
    ) -> Iterator[Event]:
        before = ranked([r for r in self.records.values() if r.stage == index - 1], self.smaller)
        carried = [r.setting for r in before[: int(CARRIED * stage.trials)]] if stage.sampler != "grid" else []
        total = self.trials(index)
        asking = AskAndTell(stage.sampler, space, total, index, self.smaller) if stage.sampler in ADAPTIVE else None
        begin = batch = 0
        while begin < total:
            key = f"stage {index + 1} settings {batch + 1}"
            known = key in notes
            if not known:
                notes[key] = self._next(stage, space, index, begin, total, carried, asking)
                store.note(key, notes[key])
            settings = dict(enumerate(notes[key], begin))
            yield from self._train(index, settings, stage, store)
            if asking is not None:
                values = [self.records[index, number].value for number in settings]
                if not known and not (batch == 0 and carried):
                    asking.tell(values)
                else:
                    for setting, value in zip(settings.values(), values, strict=True):
                        with contextlib.suppress(ValueError):  # carried from outside these ranges
                            asking.know(setting, value)
            begin, batch = begin + len(settings), batch + 1

    def _next(
        self, stage: SweepStage, space: Space, index: int, begin: int, total: int,
        carried: list[Setting], asking: AskAndTell | None,
    ) -> list[Setting]:  # fmt: skip
        """The next settings to announce: all of a stage, or of an adaptive sampler a batch."""
        if asking is None:
            return [*carried, *fixed(stage.sampler, space, total - len(carried), index)][:total]
        if begin == 0 and carried:
            return carried
        return asking.ask(min(-(-total // BATCHES), total - begin))

    def _confirm(self, confirm: Confirm, notes: dict[str, Any], store: Store) -> Iterator[Event]:
        last = len(self.sweep.stages)
        if "confirm" not in notes:
            best = ranked([r for r in self.records.values() if r.stage == last - 1], self.smaller)
            notes["confirm"] = [{}, *(r.setting for r in best[: confirm.top])]
            store.note("confirm", notes["confirm"])
        epochs, seeds = self.sweep.stages[-1].epochs, confirm.seeds
        self.confirming = len(notes["confirm"])
        yield Began(last, self.confirming, epochs, seeds, True)
        stage = SweepStage(trials=self.confirming, epochs=epochs, seeds=seeds)
        yield from self._train(last, dict(enumerate(notes["confirm"])), stage, store)

    def _experiment(self, setting: Setting, epochs: int) -> Experiment:
        """Of a setting; of none, the file's own."""
        if setting:
            return self.space.experiment(setting, epochs)
        own = lean(self.experiment)
        return replace(own, training=replace(own.training, epochs=epochs))

    def _train(self, index: int, settings: dict[int, Setting], stage: SweepStage, store: Store) -> Iterator[Event]:
        """Train those that have no record; each is recorded as soon as its last seed has ended."""
        todo = [n for n in settings if (index, n) not in self.records]
        seeds = self.fresh if index == len(self.sweep.stages) else self.seeds[: stage.seeds]
        trials, owners = [], []
        ended: list[Record] = []
        running = 0
        for number in todo:
            experiment = self._experiment(settings[number], stage.epochs)
            wrong = next((r.message for r in check(experiment) if not r.is_warning), None)
            if wrong is not None:
                ended.append(self._record(index, number, settings[number], [Outcome("failed", 0, reason=wrong)], store))
                continue
            trials += [Trial(experiment=experiment, seed=seed) for seed in seeds]
            owners += [number] * len(seeds)
        outcomes: dict[int, dict[int, Outcome]] = {number: {} for number in todo}
        training = self.blocks.train(
            trials, _rungs(stage), lambda rung, found: self._survivors(rung, found, owners, stage, len(settings))
        )
        for event in training:
            if isinstance(event, Moved):
                self.moved += event.lane_steps
                self.steps_left -= event.lane_steps
                self.spent += event.seconds
                running = len({owners[lane] for lane in event.lanes})
            if isinstance(event, Ended):
                for lane, outcome in event.outcomes.items():
                    mine = outcomes[owners[lane]]
                    mine[lane] = outcome
                    if len(mine) == len(seeds):
                        own = [mine[i] for i in sorted(mine)]
                        ended.append(self._record(index, owners[lane], settings[owners[lane]], own, store))
                running = 0
            yield self._progress(index, running, ended)
            ended = []
        if ended:
            yield self._progress(index, 0, ended)

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
        store.add(record)
        return record

    def _progress(self, index: int, running: int, ended: list[Record]) -> Progress:
        here = [r for r in self.records.values() if r.stage == index]
        best = ranked([r for r in here if r.setting], self.smaller)
        left = max(0, self.steps_left) * self.spent / self.moved if self.moved else None
        lost = sum(r.status in ("diverged", "failed") for r in here)
        value = best[0].value if best else None
        return Progress(index, self.trials(index), len(here), lost, running, value, left, ended)


def _rounds(trials: int, stage: SweepStage) -> list[tuple[int, int]]:
    """(lanes, epochs trained by them) between two rungs, of each batch."""
    size = -(-trials // BATCHES) if stage.sampler in ADAPTIVE else trials
    ends = [0, *_rungs(stage), stage.epochs]
    found = []
    for begin in range(0, trials, size):
        batch = min(size, trials - begin)
        counts = [max(1, batch // (stage.halving or 1) ** k) * stage.seeds for k in range(len(ends) - 1)]
        found += [(n, end - start) for n, start, end in zip(counts, ends, ends[1:], strict=False)]
    return found


def _rungs(stage: SweepStage) -> list[int]:
    """Epochs at which halving chooses: epochs / n^k, from 1 on."""
    if stage.halving is None:
        return []
    rungs, rung = [], stage.epochs // stage.halving
    while rung >= 1:
        rungs.append(rung)
        rung //= stage.halving
    return rungs[::-1]


# -- with files -------------------------------------------------------------------------------------------------------


def prepare(loaded: Loaded, device: Device, interrupted: Callable[[], int] = never) -> Sweeping:
    """Data and device. Raises ConfigError, DataError, DeviceError; UsageError where a sampler is not installed."""
    assert loaded.search is not None
    for stage in loaded.search.sweep.stages:
        check_installed(stage.sampler)
    set_up(device)
    data = loaded.experiment.dataset.load()
    sweeping = Sweeping(loaded.experiment, loaded.search, data, interrupted)
    split = sweeping.blocks.split(sweeping.seeds[0])
    facts = Facts(data.task, data.is_image, data.inputs.shape[1:], len(split.train), len(split.validation),
                  data.test is not None)  # fmt: skip
    loaded.check_data(facts)
    problems = [r.message for r in check_against_data(loaded.search.space.base, facts) if not r.is_warning]
    if loaded.search.sweep.objective.partition("/")[2] not in names(data.task):
        problems.append(f"the objective {loaded.search.sweep.objective} is not measured of a {data.task}")
    if problems:
        place = loaded.document.place("sweep")
        raise ConfigError([Problem(loaded.document.file, *place, message) for message in problems])
    return sweeping


def run_sweep(
    loaded: Loaded, run: Run, resume: bool, device: Device, command: list[str], storage: str | None = None,
    interrupted: Callable[[], int] = never,
) -> Iterator[Event]:  # fmt: skip
    """Everything `regexp sweep` does, files included."""
    assert loaded.search is not None
    manifest = gather(command) | {"kind": "sweep", "status": "running", "reason": None,
                                  "storage": None if storage is None else storage.rpartition("@")[2]}  # fmt: skip
    run.write_json("manifest.json", manifest)
    store = None
    try:
        sweeping = prepare(loaded, device, interrupted)
        manifest |= {"device": describe_device()}
        digest = data_hash(sweeping.data)
        manifest |= {"data": {"source": sweeping.data.source, "sha256": digest, "examples": len(sweeping.data.inputs)}}
        begin = Store.resume if resume else Store.create
        before, began = compilations(), time.perf_counter()
        with ThreadPoolExecutor(1) as beside:  # the database is opened while the first program is compiled
            opening = beside.submit(begin, run.path, run.name, storage, sweeping.space, sweeping.smaller)
            plan = sweeping.plan()
            store = opening.result()
        _same(store, description(loaded), digest, run)
        for event in sweeping.events(store, plan):
            if isinstance(event, Concluded):
                event.summary["seconds"] = round(time.perf_counter() - began, 3)
                event.summary["compilations"] = compilations() - before
                run.write_json("summary.json", event.summary)
                _write_winner(sweeping, event.summary, run)
                _end(run, manifest, event.summary["status"], None)
            yield event
    except BaseException as error:
        status = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt | GeneratorExit) else "failed"
        with contextlib.suppress(RegexpError):
            if store is not None:
                store.flush()
        with contextlib.suppress(RunError):
            _end(run, manifest, status, f"{type(error).__name__}: {error}".splitlines()[0])
        if isinstance(error, Interrupted):
            message = f"stopped by a signal; go on with: regexp sweep --resume {run.name}"
            raise Interrupted(message, error.exit_code - 128) from None
        raise
    finally:
        run.close()


def _same(store: Store, text: str, digest: str, run: Run) -> None:
    """Note what the sweep is about; raises RunError where the store was begun for something else."""
    notes = store.notes()
    if "config" not in notes:
        store.note("config", text)
        store.note("data", digest)
        return
    if notes["config"] != text:
        raise RunError(f"{run.name} was begun with another config:\n{difference(notes['config'], text, run.name)}")
    if notes.get("data", digest) != digest:
        raise RunError(f"{run.path}: the data has changed since this sweep began; start a new one")


def _write_winner(sweeping: Sweeping, summary: dict[str, Any], run: Run) -> None:
    if summary["winner"] is None:
        return
    setting, epochs = summary["winner"]["setting"], sweeping.sweep.stages[-1].epochs
    winner = sweeping.search.space.experiment(setting, epochs, as_file=True)
    winner = replace(winner, training=replace(winner.training, seeds=tuple(sweeping.fresh)))
    run.write_text(
        "winner.yaml", f"# The winner of {run.name}, on the seeds it was last trained on.\n{to_yaml(winner)}"
    )


def _end(run: Run, manifest: dict[str, Any], status: str, reason: str | None) -> None:
    manifest |= {"status": status, "reason": reason, "ended": now()}
    run.write_json("manifest.json", manifest)
