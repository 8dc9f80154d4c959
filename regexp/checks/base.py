"""The contract of a check, and the list of all: a file with one function, `check(bench) -> Finding`.

PASS  as expected
WARN  not what is expected, but there may be a reason
FAIL  do not train before this is mended
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from regexp.errors import UsageError

if TYPE_CHECKING:
    from regexp.checks.bench import Bench

Verdict = Literal["PASS", "WARN", "FAIL"]
Array = Any


@dataclass(frozen=True)
class Finding:
    """What a check says.

    measured: the number, in words
    expected: what it should be, with its tolerance
    advice: what to do; "" where there is nothing
    values: the numbers, for JSON
    lines: shown below, e.g. a curve
    figure: draws the same with matplotlib on given axes
    """

    verdict: Verdict
    measured: str
    expected: str
    advice: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    figure: Callable[[Any], None] | None = None


CHECKS = (
    "split_overlap",
    "class_balance",
    "validation_size",
    "initial_loss",
    "penalty_value",
    "gradients",
    "void_bias",
    "symmetry",
    "augmentation",
    "learning_rate",
    "small_subset",
    "shuffled_labels",
    "strengths",
)


def chosen(names: Sequence[str]) -> list[str]:
    """The named checks in the order of CHECKS; all where none is named. Raises UsageError for an unknown name."""
    if unknown := [name for name in names if name not in CHECKS]:
        raise UsageError(f'there is no check "{unknown[0]}"; there are {", ".join(CHECKS)}')
    return [name for name in CHECKS if not names or name in names]


def run(bench: Bench, names: Sequence[str] = CHECKS) -> Iterator[tuple[str, Finding]]:
    """The findings, each as soon as there is one."""
    for name in names:
        yield name, import_module(f"regexp.checks.{name}").check(bench)


def verdict(fails: bool, warns: bool = False) -> Verdict:
    """The worse of the two that holds."""
    return "FAIL" if fails else "WARN" if warns else "PASS"
