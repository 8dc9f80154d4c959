"""SIGINT and SIGTERM: saved, then 130 or 143; a second one at once. The terminal is left as it was found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from regexp.runs import Run
from tests.cli.command import CONFIG, ROOT


def begin(folder: Path) -> subprocess.Popen:
    """An endless run, once it has written its first rows."""
    (folder / "wine.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "regexp", "train", str(folder / "wine.yaml"), "--set", "training.epochs=9999999",
               "--runs-dir", str(folder / "runs")]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    rows = folder / "runs" / "wine" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not rows.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, number, code):
    process = begin(tmp_path)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "stopping once all is saved" in errors
    assert "--resume wine" in errors
    run = tmp_path / "runs" / "wine"
    assert json.loads((run / "manifest.json").read_text())["status"] == "interrupted"
    _, meta, warning = Run.read(tmp_path / "runs", "wine").load_checkpoint("last")
    assert warning is None
    assert meta["rows"] == len((run / "metrics.jsonl").read_text().splitlines())


LONG_CALL = """
import hashlib
from pathlib import Path
from rich.console import Console
from regexp.cli.live import LiveDisplay
from regexp.cli.train import _signals
from regexp.config import loads
from regexp.runs import Run

with LiveDisplay(Console(force_terminal=True), Run(Path("runs/a")), loads("model: mlp").experiment) as display:
    with _signals(display):
        print("ready", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2**31 - 1)  # as compiling: one call, no Python in between
"""


def test_a_second_signal_ends_a_long_call_at_once_and_gives_the_cursor_back():
    process = subprocess.Popen([sys.executable, "-c", LONG_CALL], cwd=ROOT, stdout=subprocess.PIPE)
    seen = _read_until(process, b"ready")
    process.send_signal(signal.SIGINT)
    seen += _read_until(process, b"Ctrl-C again stops at once")
    process.send_signal(signal.SIGINT)
    seen += process.communicate(timeout=30)[0]
    assert process.returncode == 130
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")


def _read_until(process: subprocess.Popen, words: bytes) -> bytes:
    seen = b""
    while words not in seen:
        assert process.stdout is not None
        piece = os.read(process.stdout.fileno(), 65536)
        assert piece, seen
        seen += piece
    return seen
