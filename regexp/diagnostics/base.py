"""The contract of a diagnostic, and the list of all: a file with one function, `explain(subject) -> Explanation`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from regexp.errors import UsageError

if TYPE_CHECKING:
    from regexp.diagnostics.subject import Subject


@dataclass(frozen=True)
class Explanation:
    """What a diagnostic says of one run.

    sentence: the one that the numbers support; where the run does not fit the question, why
    columns, rows: the table, () where the run does not fit
    lines: a chart in plain text
    values: the numbers, for JSON
    """

    sentence: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)


DIAGNOSTICS = ("weights", "hessian", "dropout", "early_stopping", "calibration", "adversarial")


def chosen(names: Sequence[str]) -> list[str]:
    """The named ones in the order of DIAGNOSTICS; all where none is named. Raises UsageError for an unknown name."""
    if unknown := [name for name in names if name not in DIAGNOSTICS]:
        raise UsageError(f'there is no diagnostic "{unknown[0]}"; there are {", ".join(DIAGNOSTICS)}')
    return [name for name in DIAGNOSTICS if not names or name in names]


def run(subject: Subject, names: Sequence[str] = DIAGNOSTICS) -> Iterator[tuple[str, Explanation]]:
    """The explanations, each as soon as there is one."""
    for name in names:
        yield name, import_module(f"regexp.diagnostics.{name}").explain(subject)
