"""The command line in a process of its own, and a config that trains in a moment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from regexp.cli.app import main

ROOT = Path(__file__).parents[2]
CONFIG = """\
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [8]}
regularizers:
  dropout: {rate: 0.1}
optimizer: {name: adam, learning_rate: 1.0e-2}
training: {epochs: 8, batch_size: 16, seeds: [0, 1]}
"""


def regexp(*arguments: object, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "regexp", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, **options)


def inside(*arguments: object) -> int:
    """The exit code of a command in this process, which is quicker; capsys has what it printed."""
    with patch.object(sys, "argv", ["regexp", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)
