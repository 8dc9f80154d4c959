"""The errors that a user can fix.

RegexpError                exit code 1; its text is the complete message, without a traceback unless --debug is set
├── UsageError             exit code 2; an invalid argument or option
│   └── ConfigError        exit code 2; every problem of one config, each with file:line:column
├── DataError              a dataset that is missing, damaged or of the wrong shape
├── RunError               a run folder that is missing, damaged, locked or cannot be written
├── DeviceError            a missing device, or a jaxlib that computes wrong numbers
└── Interrupted            SIGINT or SIGTERM, after the run has been saved; exit code 130 or 143
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_PROBLEMS = 10  # listed in an error


def join_problems(problems: Sequence[str], count: int | None = None) -> str:
    """Return the text of an error that lists several problems, one per line and at most `MOST_PROBLEMS`.

    count: the number of problems, if `problems` holds only the first ones
    """
    count = len(problems) if count is None else count
    shown = list(problems[:MOST_PROBLEMS])
    if count > len(shown):
        shown.append(f"... and {count - len(shown):,} more, {count:,} in all")
    return "\n".join(shown)


class RegexpError(Exception):
    """The base of all errors that a user can fix."""

    exit_code = 1


class UsageError(RegexpError):
    """An argument or option is invalid."""

    exit_code = 2


@dataclass(frozen=True)
class LocatedProblem:
    """A problem at a place in a config: the place, the message and the source line.

    `line` and `column` count from 1; 0 means that the problem concerns the entire file.
    """

    file: str
    line: int
    column: int
    message: str
    source: str = ""
    caret: int = 0  # position in `source` if that is truncated; 0 is `column`

    def __str__(self) -> str:
        position = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        head = f"{position} {self.message}"
        if not self.source:
            return head
        return f"{head}\n    {self.source}\n    {' ' * ((self.caret or self.column) - 1)}^"


class ConfigError(UsageError):
    """A config is invalid; holds all its problems in the order of the file."""

    def __init__(self, problems: Sequence[LocatedProblem]):
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(RegexpError):
    """A dataset is missing, damaged or has the wrong shape.

    key: the dotted path of the config value that does not fit the data, if there is one
    """

    def __init__(self, message: str, key: str | None = None):
        super().__init__(message)
        self.key = key


class RunError(RegexpError):
    """A run folder is missing, damaged, locked or not writable."""


class DeviceError(RegexpError):
    """A device is missing, or the JAX release computes wrong numbers."""


class Interrupted(RegexpError):
    """A signal stopped the run after its state was saved."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.exit_code = 128 + signal_number
