"""A problem that a part of the config reports about the experiment it is used in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """A reason why a part does not fit the rest of an experiment; the caller knows its place in the config.

    message: one sentence, without a full stop at the end
    severity: an error refuses the config; a warning is shown, and the experiment may still run
    """

    message: str
    severity: Literal["error", "warning"] = "error"
