"""Everything that goes wrong for a reason a user can mend.

RegexpError                exit code 1; its text is the whole message, no traceback without --debug
├── UsageError             exit code 2; a wrong argument or option
│   └── ConfigError        exit code 2; every problem of one config, each with file:line:column
├── DataError              a dataset that is missing, damaged or of the wrong shape
├── RunError               a run folder that is missing, damaged, locked or cannot be written
├── DeviceError            a device that is not there, a jaxlib that computes wrong numbers
└── Interrupted            SIGINT or SIGTERM, after the run has been saved; exit code 130 or 143
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_PROBLEMS = 10  # listed in one error


def join_problems(problems: Sequence[str], count: int | None = None) -> str:
    """The text of one error that reports several problems, each with its place: one a line, at most `MOST_PROBLEMS`.

    count: how many there are, where `problems` holds only the first of them
    """
    count = len(problems) if count is None else count
    shown = list(problems[:MOST_PROBLEMS])
    if count > len(shown):
        shown.append(f"... and {count - len(shown):,} more, {count:,} in all")
    return "\n".join(shown)


class RegexpError(Exception):
    """The root: anything a user can mend."""

    exit_code = 1


class UsageError(RegexpError):
    """A wrong argument or option on the command line."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a config: where it stands, what is wrong, and the line it stands in.

    `line` and `column` count from 1; 0 means that the place is the whole file.
    """

    file: str
    line: int
    column: int
    message: str
    source: str = ""
    caret: int = 0  # where in `source`, if it is cut; else the column

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        head = f"{place} {self.message}"
        if not self.source:
            return head
        return f"{head}\n    {self.source}\n    {' ' * ((self.caret or self.column) - 1)}^"


class ConfigError(UsageError):
    """All problems of one config, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]):
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(RegexpError):
    """A dataset that is missing, damaged or of the wrong shape.

    key: the dotted path of the value in the config that does not fit the data, where one is to blame
    """

    def __init__(self, message: str, key: str | None = None):
        super().__init__(message)
        self.key = key


class RunError(RegexpError):
    """A run folder that is missing, damaged, locked or cannot be written."""


class DeviceError(RegexpError):
    """A device that is not there, or a JAX release that computes wrong numbers."""


class Interrupted(RegexpError):
    """A signal stopped the work after everything was saved."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.exit_code = 128 + signal_number
