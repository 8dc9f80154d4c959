"""The contract of a check and the list of all checks. A check is a file with a function `check(bench) -> Finding`.

PASS  the measurement is as expected
WARN  the measurement is unexpected, but there may be a reason for it
FAIL  fix this before training
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from regexp.core.questions import Questions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Verdict = Literal["PASS", "WARN", "FAIL"]


@dataclass(frozen=True)
class Finding:
    """The outcome of a check.

    measured: the measurement as a sentence
    expected: the expected measurement with its tolerance
    advice: what to do about it; "" if there is nothing to do
    values: the numbers, for the JSON output
    lines: plain text shown below the finding, such as a curve
    figure: a function that draws the finding on matplotlib axes
    """

    verdict: Verdict
    measured: str
    expected: str
    advice: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    figure: Callable[[Axes], None] | None = None


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
    """Return the more severe verdict that applies."""
    return "FAIL" if fails else "WARN" if warns else "PASS"
