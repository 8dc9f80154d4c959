"""Ctrl-C during imports and on the way out: exit code 130, no traceback, and ignored where SIGINT is ignored."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.command import CONFIG, ROOT

# Sends SIGINT to the process itself at its N-th import after the entry point has begun; without N it counts them.
SCRIPT = """
import os, signal, sys
import regexp.__main__ as entry
at, sys.argv = int(sys.argv[1]), ["regexp", *sys.argv[2:]]
count = 0
def hook(event, arguments):
    global count
    if event == "import":
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
try:
    entry.main()
finally:
    if not at:
        os.write(2, f"imports: {count}\\n".encode())
"""


# A shell without job control starts what it puts into the background with SIGINT ignored, and children inherit that.
NOT_IGNORED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def run(at: int, *arguments: object, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", NOT_IGNORED + SCRIPT, str(at), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, **options)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--help", "train"])
def test_an_interrupt_at_any_import_ends_quietly(command, tmp_path):
    (tmp_path / "wine.yaml").write_text(CONFIG)
    arguments = (
        ["--help"] if command == "--help" else ["train", tmp_path / "wine.yaml", "--runs-dir", tmp_path / "runs"]
    )
    imports = int(run(0, *arguments).stderr.rpartition("imports: ")[2])
    assert imports > 100
    places = sorted({1, 2, 5, *range(10, imports, max(1, imports // 20))})
    for at in places:
        done = run(at, *arguments)
        assert "Traceback" not in done.stderr, (at, done.stderr)
        assert done.returncode in (0, 130), (at, done.stderr)
    assert run(5, *arguments).returncode == 130


def test_an_interrupt_at_the_first_imports_ends_quietly():
    for at in (1, 20, 200):
        done = run(at, "--help")
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_where_sigint_is_ignored_it_stays_ignored():
    """As under nohup, or in the background of a shell script."""
    ignored = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    for at in (1, 200, 400):
        done = subprocess.run(
            [sys.executable, "-c", ignored + SCRIPT, str(at), "list", "optimizers"],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0
        assert "adamw" in done.stdout
