"""Build an Experiment from YAML text. Every problem has file:line:column and a suggestion. Imports no JAX.

loaded = load("config.yaml", ["optimizer.learning_rate=3e-3"])     raises one ConfigError with all problems
loaded.experiment, loaded.warnings
with loaded.placed(): ...                                          around reading the data: its errors get a place
loaded.check_data(facts)                                           checks that need the loaded data
loaded.search                                                      the `sweep:` section, or None
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
from regexp.core.errors import ConfigError, DataError, LocatedProblem, UsageError
from regexp.experiment import Experiment

__all__ = ["Facts", "Loaded", "Search", "json_schema", "load", "loads", "to_yaml"]


@dataclass(frozen=True)
class Loaded:
    """A valid config, with the place of each key in its file.

    search: the `sweep:` section; None if the config has none
    """

    experiment: Experiment
    warnings: tuple[LocatedProblem, ...]
    document: Document
    search: Search | None = None

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Turn a DataError that names a key of this config into a ConfigError at the place of the key."""
        try:
            yield
        except DataError as error:
            if error.key is not None:
                _locate(self.document, [Remark(error.key, str(error))])
            raise

    def check_data(self, facts: Facts) -> tuple[LocatedProblem, ...]:
        """Check the config against the loaded data and return the warnings. Raises ConfigError if they do not fit."""
        return _locate(self.document, check_against_data(self.experiment, facts))


def load(path: str | Path, settings: Sequence[str] = ()) -> Loaded:
    """Read a config file. Raises ConfigError with every problem, and UsageError if the file cannot be read."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:  # before decoding: the cut may have split a character
        raise ConfigError([LocatedProblem(str(path), 1, 1, TOO_LARGE)])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([LocatedProblem(str(path), 1, 1, f"not UTF-8 text (byte {error.start})")]) from None
    return loads(text, settings, str(path))


def loads(text: str, settings: Sequence[str] = (), file: str = "config") -> Loaded:
    """Read a config from text. Raises ConfigError with every problem.

    settings: `path=value` texts that override values, in their order
    file: the name of the text in messages
    """
    document = read(text, file)
    comparable = not document.problems  # after a syntax error the tree lacks keys that a combination may need
    experiment: Any = FAILED
    search = None
    try:
        if comparable:
            apply(document, settings)
        conventions = document.root.value.get("conventions") if isinstance(document.root.value, dict) else None
        # Set before the components are built: the conventions choose the defaults of all fields.
        document.lecture = conventions is not None and conventions.value == "lecture"
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
    return Loaded(experiment, _locate(document, check(experiment)), document, search)


def _report_combinations(document: Document) -> None:
    """Report combinations that do not work although some fields are invalid, with those at their defaults.

    Nothing is reported if a whole section is invalid, nor about an invalid field.
    """
    if not isinstance(document.root.value, dict):
        return
    dropped: list[str] = []
    document.dropped = dropped
    experiment: Any = build_fields(Experiment, document.root, "", document, skip=("sweep",))
    document.dropped = None
    if experiment is FAILED or any("." not in path for path in dropped):
        return
    # The length of the schedule is compared with training.epochs, so it cannot be judged without.
    hidden = [*dropped, *(["optimizer.schedule"] if "training.epochs" in dropped else [])]
    for remark in check(experiment):
        below = any(f"{remark.path}.".startswith(f"{path}.") for path in hidden)
        if not remark.is_warning and not below:
            document.report(document.place(remark.path), remark.message)


def _locate(document: Document, remarks: Iterable[Remark]) -> tuple[LocatedProblem, ...]:
    """Give remarks their places and return the warnings. Raises ConfigError if any remark is an error."""
    warnings: list[LocatedProblem] = []
    errors: list[LocatedProblem] = []
    for remark in remarks:
        before = len(document.problems)
        document.report(document.place(remark.path), remark.message)
        (warnings if remark.is_warning else errors).extend(document.problems[before:])
        del document.problems[before:]
    if errors:
        raise ConfigError(errors)
    return tuple(warnings)
