"""YAML text -> Experiment, every problem with file:line:column and a suggestion; nothing else. Imports no JAX.

loaded = load("config.yaml", ["optimizer.learning_rate=3e-3"])     ConfigError: all problems at once
loaded.experiment, loaded.warnings
with loaded.placed(): ...                                          where data is read: what it refuses gets a place
loaded.check_data(facts)                                           once the data is known
loaded.search                                                      what the `sweep:` section says, or None
to_yaml(experiment), json_schema()
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regexp.config.build import FAILED, build_fields
from regexp.config.check import Facts, Remark, check, check_against_data
from regexp.config.document import MOST_BYTES, TOO_LARGE, Document, Stop, read
from regexp.config.overrides import apply
from regexp.config.resolved import to_yaml
from regexp.config.schema import json_schema
from regexp.config.search.check import Search, build_sweep
from regexp.core.errors import ConfigError, DataError, Problem, UsageError
from regexp.experiment import Experiment

__all__ = ["Facts", "Loaded", "Search", "json_schema", "load", "loads", "to_yaml"]


@dataclass(frozen=True)
class Loaded:
    """A config that holds together, and where each key of it stands."""

    experiment: Experiment
    warnings: tuple[Problem, ...]
    document: Document
    search: Search | None = None  # the `sweep:` section

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Around what reads the data: a DataError that a value of this config is to blame for becomes a ConfigError."""
        try:
            yield
        except DataError as error:
            if error.key is not None:
                _sort_out(self.document, [Remark(error.key, str(error))])
            raise

    def check_data(self, facts: Facts) -> tuple[Problem, ...]:
        """Compare with the loaded data. Raises ConfigError; returns warnings."""
        return _sort_out(self.document, check_against_data(self.experiment, facts))


def load(path: str | Path, settings: Sequence[str] = ()) -> Loaded:
    """Read a config file. Raises ConfigError with every problem, UsageError where there is no such file."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:  # before decoding: the cut may have split a character
        raise ConfigError([Problem(str(path), 1, 1, TOO_LARGE)])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), 1, 1, f"not UTF-8 text (byte {error.start})")]) from None
    return loads(text, settings, str(path))


def loads(text: str, settings: Sequence[str] = (), file: str = "config") -> Loaded:
    """Read a config from text; see `load`."""
    document = read(text, file)
    comparable = not document.problems
    experiment: Any = FAILED
    search = None
    try:
        if comparable:
            apply(document, settings)
        named = document.root.value.get("conventions") if isinstance(document.root.value, dict) else None
        document.lecture = named is not None and named.value == "lecture"
        experiment = build_fields(Experiment, document.root, "", document, skip=("sweep",))
        if isinstance(document.root.value, dict) and "sweep" in document.root.value:
            search = build_sweep(document.root.value["sweep"], experiment, document)
    except Stop:
        comparable = False
    if document.problems or experiment is FAILED:
        with suppress(Stop):
            if comparable:
                _report_combinations(document)
        raise ConfigError(document.problems)
    return Loaded(experiment, _sort_out(document, check(experiment)), document, search)


def _report_combinations(document: Document) -> None:
    """What makes no sense together, also where single fields are wrong: those are left out, at their defaults.

    Not where a whole section is wrong, nor about a field that is.
    """
    if not isinstance(document.root.value, dict):
        return
    dropped: list[str] = []
    document.dropped = dropped
    experiment: Any = build_fields(Experiment, document.root, "", document, skip=("sweep",))
    document.dropped = None
    if experiment is FAILED or any("." not in path for path in dropped):
        return
    hidden = [*dropped, *(["optimizer.schedule"] if "training.epochs" in dropped else [])]
    for remark in check(experiment):
        below = any(f"{remark.path}.".startswith(f"{path}.") for path in hidden)
        if not remark.is_warning and not below:
            document.report(document.place(remark.path), remark.message)


def _sort_out(document: Document, remarks: Iterable[Remark]) -> tuple[Problem, ...]:
    """Warnings; raises ConfigError where a remark is none."""
    found: dict[bool, list[Problem]] = {True: [], False: []}
    for remark in remarks:
        before = len(document.problems)
        document.report(document.place(remark.path), remark.message)
        found[remark.is_warning] += document.problems[before:]
        del document.problems[before:]
    if found[False]:
        raise ConfigError(found[False])
    return tuple(found[True])
