"""The contract of a check, and the list of all: a file with one function, `check(bench) -> Finding`.

PASS  as expected
WARN  not what is expected, but there may be a reason
FAIL  do not train before this is mended
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from regexp.core.questions import Questions

Verdict = Literal["PASS", "WARN", "FAIL"]


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


CHECKS: Questions[Finding] = Questions(
    "check",
    "regexp.checks",
    "check",
    "split_overlap",
    "identifiers",
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


def verdict(fails: bool, warns: bool = False) -> Verdict:
    """The worse of the two that holds."""
    return "FAIL" if fails else "WARN" if warns else "PASS"
