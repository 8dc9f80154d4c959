"""What a person sees while a run trains: a live display on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from regexp.cli.results import closing, conventions
from regexp.core.escaping import safe
from regexp.experiment import monitor
from regexp.metrics import smaller_is_better

if TYPE_CHECKING:
    from regexp.experiment import Experiment
    from regexp.runs import Run

LINE_SECONDS = 2.0  # between two plain lines
STOPPING = "stopping once all is saved; Ctrl-C again stops at once"


def show(run: Run, experiment: Experiment, quiet: bool, as_json: bool) -> Display:
    """The display that fits the options and the terminal."""
    if as_json:
        return JsonLines(run, Display() if quiet else Lines(Console(stderr=True), run, experiment))
    if quiet:
        return Display()
    console = Console()
    if console.is_terminal and not console.is_dumb_terminal:
        from regexp.cli.live import LiveDisplay

        return LiveDisplay(console, run, experiment)
    return Lines(console, run, experiment)


class Display:
    """Shows nothing; the others say more."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def warn(self, message: str) -> None:
        """A remark that stops nothing."""

    def event(self, event: Any) -> None:
        """One event of runner.py, by its class."""
        handler = getattr(self, type(event).__name__.lower(), None)
        if handler is not None:
            handler(event)

    def stopping(self) -> None:
        """A signal has come. Called from another thread at any moment, so: no locks, no buffers."""

    def abort(self) -> None:
        """A second signal ends the process right after this."""


class JsonLines(Display):
    """One JSON object per event on standard output; words for people go to `words`."""

    def __init__(self, run: Run | None, words: Display):
        self.run, self.words = run, words

    def event(self, event: Any) -> None:
        from regexp.runs.files import finite

        where = {"run": str(self.run.path)} if self.run else {}
        record = {"event": type(event).__name__.lower(), **where, **dataclasses.asdict(event)}
        print(json.dumps(finite(record)), flush=True)
        self.words.event(event)

    def warn(self, message: str) -> None:
        print(json.dumps({"event": "warning", "message": message}), flush=True)
        self.words.warn(message)

    def stopping(self) -> None:
        self.words.stopping()


class Words(Display):
    """Text on a console."""

    console: Console

    def say(self, message: str, style: str = "", prose: bool = False) -> None:
        """A line; nothing in it is markup. On a terminal prose breaks between words; paths stay whole, to be copied."""
        self.console.print(Text(safe(message), style), soft_wrap=not (prose and self.console.is_terminal))

    def warn(self, message: str) -> None:
        self.say(f"warning: {message}", "yellow")

    def stopping(self) -> None:
        with contextlib.suppress(OSError):
            os.write(2, f"{STOPPING}\n".encode())


class Lines(Words):
    """Plain text, a line every two seconds."""

    def __init__(self, console: Console, run: Run, experiment: Experiment):
        self.console, self.run, self.experiment = console, run, experiment
        self.best = Best(monitor(experiment))
        self.last, self.epochs, self.programs = -math.inf, experiment.training.epochs, 1
        self.part, self.done = 0, 0.0  # the program in training, and epochs over all programs
        self.first: tuple[float, float] | None = None  # (time, done) after the first chunk, which is slower

    def prepared(self, event: Any) -> None:
        self.programs = event.programs
        for note in event.notes:
            self.warn(note)
        for line in event.inferred:
            self.say(line, "dim", prose=True)
        self.say(headline(event), "bold", prose=True)
        named = conventions(self.experiment)
        if named:
            self.say(f"conventions: {named}", "dim", prose=True)
        if event.resumed_from:
            self.say(f"going on after epoch {event.resumed_from}")
        self.say(f"run: {self.run.path}; compiling ...", "dim")

    def compiled(self, event: Any) -> None:
        self.say(f"compiled in {event.seconds:.1f} s", "dim")

    def advanced(self, event: Any) -> None:
        self.count(event.epoch)
        self.best.see(event.rows)
        if event.rows and time.monotonic() - self.last >= LINE_SECONDS:
            self.last = time.monotonic()
            epoch = f"epoch {event.rows[-1]['epoch']}/{self.epochs}"
            self.say("  ".join(filter(None, (epoch, epoch_line(event.rows), str(self.best), self._left()))))

    def refit(self, event: Any) -> None:
        self.part, self.done, self.first = 0, 0.0, None
        self.programs, self.epochs = event.programs, event.epochs
        lengths = ", ".join(map(str, dict.fromkeys(event.lengths.values())))
        self.say(f"refit: training anew on training + validation data for {lengths} {event.unit}", prose=True)

    def finished(self, event: Any) -> None:
        closing(self.console, event.summary, self.run, self.experiment)

    def count(self, epoch: float) -> None:
        """Take an epoch into account: programs train one after another, each from its first epoch to its last."""
        if self.part * self.epochs + epoch < self.done and self.part < self.programs - 1:
            self.part += 1
        self.done = self.part * self.epochs + epoch
        self.first = self.first or (time.monotonic(), self.done)

    def _left(self) -> str:
        seconds = self.seconds_left()
        return "" if seconds is None else f"{duration(seconds)} left"

    def seconds_left(self) -> float | None:
        """Seconds to the last epoch at the speed so far, None once it is over; early stopping may come first."""
        began, start = self.first or (0.0, self.done)
        remaining = self.epochs * self.programs - self.done
        if self.done <= start or remaining <= 0:
            return None
        return (time.monotonic() - began) / (self.done - start) * remaining


class Best:
    """The best value seen of the metric that chooses the epoch, averaged over the seeds; each seed chooses its own."""

    def __init__(self, name: str) -> None:
        self.name, self.sign = name, -1 if smaller_is_better(name) else 1
        self.value, self.epoch = -math.inf, 0

    def see(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take new rows into account."""
        for epoch in dict.fromkeys(row["epoch"] for row in rows):
            here = [row for row in rows if row["epoch"] == epoch]
            value = self.sign * _mean(here, self.name)
            if value > self.value:
                self.value, self.epoch = value, epoch

    def __str__(self) -> str:
        return f"best {_short(self.name)} {abs(self.value):.4f} at epoch {self.epoch}" if self.epoch else ""


def _short(name: str) -> str:
    return name.replace("validation/", "val/")


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    values = [row[name] for row in rows if row.get(name) is not None and math.isfinite(row[name])]
    return sum(values) / len(values) if values else math.nan


def epoch_line(rows: Sequence[Mapping[str, Any]]) -> str:
    """Losses and the validation metric of the newest epoch, averaged over seeds."""
    newest = [row for row in rows if row["epoch"] == rows[-1]["epoch"]]
    names = [n for n in newest[0] if n.startswith("loss/") and n != "loss/total"]
    parts = [f"{name.removeprefix('loss/').replace('data', 'loss')} {_mean(newest, name):.4f}" for name in names]
    shown = [name for name in ("validation/accuracy", "validation/rmse") if name in newest[0]]
    parts += [f"{_short(name)} {_mean(newest, name):.4f}" for name in shown]
    return "  ".join(parts)


def headline(event: Any) -> str:
    """`3 trials (1 setting x 3 seeds) -> 1 program; 1,222 train, ...`."""
    seeds = "seed" if event.seeds == 1 else "seeds"
    programs = "program" if event.programs == 1 else "programs: the data's shapes differ between seeds"
    members = f" x {event.lanes // event.seeds} members" if event.lanes > event.seeds else ""
    lanes = f"{event.lanes} trial{'s' * (event.lanes > 1)} (1 setting x {event.seeds} {seeds}{members})"
    sizes = f"{event.train:,} train, {event.validation:,} validation, {event.test:,} test examples"
    return f"{lanes} -> {event.programs} {programs}; {sizes}; {event.parameters:,} parameters; {evaluation_work(event)}"


def evaluation_work(event: Any) -> str:
    """Return `evaluation about 12% of the work`; above one half with the keys that reduce it."""
    advice = " (evaluation.every, evaluation.validation_limit)" if event.evaluation_share > 0.5 else ""
    return f"evaluation about {event.evaluation_share:.0%} of the work{advice}"


def duration(seconds: float) -> str:
    """`42 s`, `3:05`, `1:02:03`."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
