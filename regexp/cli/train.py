"""`regexp train`: words, options and exit codes; the work is in runner.py."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from regexp.core.errors import UsageError

if TYPE_CHECKING:
    from regexp.cli.progress import Display
    from regexp.config import Loaded
    from regexp.runs import Run

Config = Annotated[
    Path | None, typer.Argument(help="The YAML file; may be left out with --resume.", show_default=False)
]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Change a value: optimizer.learning_rate=3e-3.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are written.")]
Name = Annotated[str | None, typer.Option(help="The run's name; by default the file's.")]
Resume = Annotated[str | None, typer.Option(help="Go on with this run.")]
Device = Annotated[Literal["auto", "cpu", "gpu"], typer.Option(help="Where to train.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per event on standard output.")]


def train(
    config: Config = None,
    settings: Settings = None,
    runs_dir: RunsDir = Path("runs"),
    name: Name = None,
    resume: Resume = None,
    device: Device = "auto",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train what a config describes, on all its seeds at once; write metrics and checkpoints under runs/.

    Exit code 1 where every seed diverged. --debug shows tracebacks.
    """
    from regexp.cli.progress import show

    if resume and name:
        raise UsageError("--name is for a new run; --resume goes on under the old name")
    loaded, run = _resumed(config, settings, runs_dir, resume) if resume else _begun(config, settings, runs_dir, name)
    with show(run, loaded.experiment, quiet, json) as display:
        for warning in loaded.warnings:
            display.warn(str(warning))
        from regexp.study.train import train as run_training

        with loaded.placed(), _signals(display) as interrupted:
            for event in run_training(loaded, run, bool(resume), device, sys.argv[1:], interrupted):
                display.event(event)
    if run.read_json("summary.json")["status"] == "diverged":
        raise typer.Exit(1)


def _begun(config: Path | None, settings: list[str] | None, runs_dir: Path, name: str | None) -> tuple[Loaded, Run]:
    """A new run of a config; its folder is made before anything slow."""
    from regexp.config import load, to_yaml
    from regexp.runs import Run

    if config is None:
        raise UsageError("a config is needed: regexp train CONFIG, or regexp init for one to start from")
    loaded = load(config, settings or [])
    run = Run.create(runs_dir, config.stem if name is None else name)
    run.write_config(to_yaml(loaded.experiment))
    return loaded, run


def _resumed(config: Path | None, settings: list[str] | None, runs_dir: Path, resume: str) -> tuple[Loaded, Run]:
    """An old run with its own config; one that is given as well must say the same."""
    from regexp.config import load, to_yaml
    from regexp.runs import Run

    run = Run.open(runs_dir, resume)
    saved = run.path / "config.yaml"
    loaded = load(saved)
    if config is not None or settings:
        given = to_yaml(load(config or saved, settings or []).experiment)
        if given != to_yaml(loaded.experiment):
            raise UsageError(f"{run.name} was begun with another config:\n{_difference(saved, given)}")
    return loaded, run


def _difference(saved: Path, given: str) -> str:
    from difflib import unified_diff

    old = saved.read_text(encoding="utf-8").splitlines()
    lines = unified_diff(old, given.splitlines(), str(saved), "given now", n=0, lineterm="")
    return "\n".join(lines)


class _signals:  # noqa: N801 - used as a function
    """SIGINT and SIGTERM set a flag that training obeys after its chunk; a second one ends at once.

    Python calls a handler only between two of its own steps, and compiling is one step of a minute. So a thread reads
    the signals from the pipe that C writes them to; the handlers do nothing.
    """

    def __init__(self, display: Display):
        self.display, self.received = display, 0

    def __enter__(self) -> Callable[[], int]:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.writing, False)
        self.old = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
        self.old_wakeup = signal.set_wakeup_fd(self.writing, warn_on_full_buffer=False)
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return lambda: self.received

    def _watch(self) -> None:
        while byte := os.read(self.reading, 1):
            if byte[0] in self.old:
                self._note(byte[0])

    def _note(self, number: int) -> None:
        if self.received:
            self.display.abort()
            os._exit(128 + number)
        self.received = number
        self.display.stopping()

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self.old_wakeup)
        for number, handler in self.old.items():
            signal.signal(number, handler)
        os.close(self.writing)
        self.thread.join()
        os.close(self.reading)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Not SIG_IGN: only a signal with a handler is written to the pipe."""
