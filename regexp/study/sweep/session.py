"""A sweep with its files: data and devices, the run's folder and its database, from the command to summary.json."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from regexp.config import Loaded, Search, to_yaml
from regexp.config.check import Facts, check_against_data
from regexp.core.errors import ConfigError, DataError, Interrupted, LocatedProblem, RegexpError, RunError, UsageError
from regexp.datasets.base import Data
from regexp.datasets.loading import load_data
from regexp.datasets.splits import split
from regexp.metrics import names
from regexp.runs import Run
from regexp.runs.manifest import gather, now
from regexp.runs.provenance import changed_data, compare, data_hash, record, recorded
from regexp.study.sweep.driver import Sweeping
from regexp.study.sweep.events import Concluded, Event
from regexp.study.sweep.executors.base import Executor
from regexp.study.sweep.records import Store
from regexp.study.sweep.samplers import check_installed
from regexp.study.sweep.text import description
from regexp.study.train import never

LAST_PATIENCE = 5.0  # seconds for a last attempt to write what waits, once the sweep has failed


def prepare(loaded: Loaded, executor: Executor) -> Sweeping:
    """Data and devices. Raises ConfigError, DataError, DeviceError; UsageError where a sampler is not installed."""
    assert loaded.search is not None
    for stage in loaded.search.sweep.stages:
        check_installed(stage.sampler)
    executor.set_up()
    data = load_data(loaded.experiment.dataset)
    facts = Facts.of(data, split(loaded.experiment.dataset, data, loaded.experiment.training.seeds[0]))
    search, clipped = within_data(loaded.search, facts)
    sweeping = Sweeping(loaded.experiment, search, data, executor)
    sweeping.notes = (*map(str, loaded.check_data(facts)), *data.notes, *clipped)
    problems = [r.message for r in check_against_data(loaded.search.space.base, facts) if not r.is_warning]
    if loaded.search.sweep.objective.partition("/")[2] not in names(data.task):
        problems.append(f"the objective {loaded.search.sweep.objective} is not measured of a {data.task}")
    if problems:
        place = loaded.document.place("sweep")
        raise ConfigError([LocatedProblem(loaded.document.file, *place, message) for message in problems])
    return sweeping


def within_data(search: Search, facts: Facts) -> tuple[Search, list[str]]:
    """The search with ranges and limits that the data allows, and a note for each range that was cut."""
    parameters, notes = [], []
    for parameter in search.space:
        if parameter.path == "training.batch_size" and parameter.is_range:
            low, high = (min(end, facts.train) for end in (parameter.low, parameter.high))
            if high < parameter.high:
                notes.append(f"{parameter.path} {parameter} ends at the {facts.train} training examples")
            limits = (parameter.limits[0], min(parameter.limits[1], facts.train))
            parameter = replace(parameter, low=low, high=high, limits=limits)
        parameters.append(parameter)
    return replace(search, space=search.space.narrowed(parameters)), notes


def run_sweep(
    loaded: Loaded, run: Run, resume: bool, executor: Executor, command: list[str], storage: str | None = None,
    interrupted: Callable[[], int] = never, warn: Callable[[str], None] = print,
) -> Iterator[Event]:  # fmt: skip
    """Everything `regexp sweep` does, files included. warn: shows what a long wait is for."""
    assert loaded.search is not None
    before = run.read_json("manifest.json") if resume and (run.path / "manifest.json").exists() else {}
    name = before.get("study") or run.name
    manifest = gather(command) | {"kind": "sweep", "status": "running", "reason": None, "study": before.get("study"),
                                  "trials": before.get("trials", 0),
                                  "storage": None if storage is None else storage.rpartition("@")[2],
                                  **(recorded(run) if resume else {})}  # fmt: skip
    run.write_json("manifest.json", manifest)
    store, executor.interrupted = None, interrupted
    try:
        sweeping = prepare(loaded, executor)
        digest = data_hash(sweeping.data)
        objective = sweeping.sweep.objective
        begin = partial(Store.resume, recorded=bool(before.get("study"))) if resume else Store.create
        began = time.perf_counter()
        with ThreadPoolExecutor(1) as beside:  # the database is opened while the first program is compiled
            opening = beside.submit(begin, run.path, name, storage, sweeping.space, sweeping.smaller, objective)
            try:
                planned = sweeping.planned()
            finally:
                store = opening.result()
        store.interrupted, store.warn = interrupted, warn
        manifest |= {"device": executor.describe(), "study": name}
        run.write_json("manifest.json", manifest)  # from here on a study that is missing is a loss
        if notice := _same(store, description(loaded), sweeping.data, digest, run):
            planned = replace(planned, notes=(*planned.notes, notice))
        _check_complete(store, manifest["trials"], run)
        if not resume:
            run.write_config(description(loaded), sweeping.data.inferred)
        manifest |= record(description(loaded), sweeping.data, digest)
        run.write_json("manifest.json", manifest)
        for event in sweeping.events(store, planned):
            if isinstance(event, Concluded):
                event.summary["seconds"] = round(time.perf_counter() - began, 3)
                event.summary["compilations"] = executor.compilations()
                run.write_json("summary.json", event.summary)
                _write_winner(sweeping, event.summary, run)
                manifest["trials"] = len(store.records())
                _end(run, manifest, event.summary["status"], None)
            yield event
    except BaseException as error:
        executor.close()  # at once: the database may be slow, or away
        if isinstance(error, UsageError | DataError) and not resume and store is None:
            run.discard()  # nothing was trained: the name is free again
            raise
        _record_failure(run, manifest, store, error)
        if isinstance(error, Interrupted):
            message = f"stopped by a signal; go on with: {run.resume_command('sweep')}"
            raise Interrupted(message, error.exit_code - 128) from None
        raise
    finally:
        executor.close()
        if store is not None:
            store.close()
        run.close()


def _record_failure(run: Run, manifest: dict[str, Any], store: Store | None, error: BaseException) -> None:
    """Write the trials that have ended and the reason, as far as the storage and the disk allow."""
    status = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt | GeneratorExit) else "failed"
    with contextlib.suppress(RegexpError):
        if store is not None:
            store.flush(patience=LAST_PATIENCE)
            manifest["trials"] = len(store.records())
    with contextlib.suppress(RunError):
        _end(run, manifest, status, f"{type(error).__name__}: {error}".splitlines()[0])


def _same(store: Store, text: str, data: Data, digest: str, run: Run) -> str | None:
    """Note what the sweep is about. Returns what a user should be told of settings that differ from the store's.

    Raises RunError where the store was begun for something else.
    """
    notes = store.notes()
    if "config" not in notes:
        store.note("config", text)
        store.note("data", digest)
        return None
    notice = compare(notes["config"], text, run.path / "config.yaml", run.name)
    if difference := changed_data(run.name, notes.get("data", digest), data, digest):
        raise RunError(difference)
    return notice


def _check_complete(store: Store, trials: int, run: Run) -> None:
    """Raises RunError where the record has lost trials since the sweep was last stopped."""
    if (there := len(store.records())) < trials:
        raise RunError(
            f"{run.path}: its record holds {there} trials, but {trials} had ended when it was stopped; put the record "
            "back, or start a new sweep"
        )


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
    if status == "done":
        manifest["files"] = run.checksums()
    run.write_json("manifest.json", manifest)
