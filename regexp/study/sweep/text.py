"""A sweep's config as text, to keep and to compare."""

from __future__ import annotations

from difflib import unified_diff

from regexp.config import Loaded
from regexp.runs.provenance import canonical


def description(loaded: Loaded) -> str:
    """The config of the run folder: the experiment with its defaults, and the section as written."""
    return canonical(loaded)


def difference(old: str, new: str, name: str) -> str:
    """The lines that differ, as a diff without context."""
    return "\n".join(unified_diff(old.splitlines(), new.splitlines(), name, "given now", n=0, lineterm=""))
