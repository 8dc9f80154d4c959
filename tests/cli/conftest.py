"""One trained run for all tests of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import CONFIG, regexp


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A folder with wine.yaml and runs/wine."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "wine.yaml").write_text(CONFIG)
    done = regexp("train", folder / "wine.yaml", "--runs-dir", folder / "runs")
    assert done.returncode == 0, done.stderr
    (folder / "output.txt").write_text(done.stdout)
    return folder
