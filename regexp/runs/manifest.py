"""Collect the provenance of a run, enough to repeat it: command, versions, device, commit."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from regexp import __version__

PACKAGES = ("jax", "jaxlib", "optax", "numpy", "scipy", "scikit-learn")


def gather(command: list[str]) -> dict[str, Any]:
    """Return the entries of a manifest that are known before a run begins."""
    return {
        "command": ["regexp", *command],
        "started": now(),
        "python": platform.python_version(),
        "versions": {"regexp": __version__} | {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "device": None,
        "git_commit": _commit(),
    }


def now() -> str:
    """Return the current time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of the working folder, with `+` for uncommitted changes; None outside a repository."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()
