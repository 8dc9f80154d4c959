"""What a person sees while a run trains: a live display on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from regexp.cli.text import safe

if TYPE_CHECKING:
    from regexp.runs import Run

LINE_SECONDS = 2.0  # between two plain lines


def show(quiet: bool, as_json: bool) -> Display:
    """The display that fits the options and the terminal."""
    if as_json:
        return JsonLines()
    if quiet:
        return Display()
    console = Console()
    return Live(console) if console.is_terminal and not console.is_dumb_terminal else Lines(console)


class Display:
    """Shows nothing; the others say more."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def warn(self, message: str) -> None:
        """A remark that stops nothing."""

    def event(self, event: Any, run: Run) -> None:
        """One event of runner.py, by its class."""
        handler = getattr(self, type(event).__name__.lower(), None)
        if handler is not None:
            handler(event, run)


class JsonLines(Display):
    """One JSON object per event on standard output."""

    def event(self, event: Any, run: Run) -> None:
        from regexp.runs.files import finite

        record = {"event": type(event).__name__.lower(), "run": str(run.path), **dataclasses.asdict(event)}
        print(json.dumps(finite(record)), flush=True)

    def warn(self, message: str) -> None:
        print(json.dumps({"event": "warning", "message": message}), flush=True)


class Lines(Display):
    """Plain text, a line every two seconds."""

    def __init__(self, console: Console):
        self.console, self.last, self.best = console, 0.0, Best()
        self.began = time.monotonic()
        self.epochs = 1

    def say(self, message: str, style: str = "") -> None:
        """A line; nothing in it is markup."""
        self.console.print(Text(safe(message), style), soft_wrap=True)

    def warn(self, message: str) -> None:
        self.say(f"warning: {message}", "yellow")

    def prepared(self, event: Any, run: Run) -> None:
        self.epochs = event.epochs
        for note in event.notes:
            self.warn(note)
        self.say(headline(event), "bold")
        if event.resumed_from:
            self.say(f"going on after epoch {event.resumed_from}")
        self.say(f"compiling ... (run: {run.path})", "dim")

    def compiled(self, event: Any, run: Run) -> None:
        self.say(f"compiled {event.compilations} programs in {event.seconds:.1f} s", "dim")
        self.began = time.monotonic()

    def advanced(self, event: Any, run: Run) -> None:
        self.best.see(event.rows)
        if event.rows and time.monotonic() - self.last >= LINE_SECONDS:
            self.last = time.monotonic()
            self.say(f"epoch {event.rows[-1]['epoch']}/{self.epochs}  {epoch_line(event.rows)}  {self.best}")

    def finished(self, event: Any, run: Run) -> None:
        closing(self.console, event.summary, run)


class Live(Lines):
    """A bar with the numbers of the newest epoch below it."""

    def __init__(self, console: Console):
        super().__init__(console)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("epoch {task.fields[epoch]}/{task.total:.0f}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self.numbers = Progress(TextColumn("{task.description}"), console=console)
        self.task = self.progress.add_task("compiling", total=None, epoch=0, visible=False)

    def __enter__(self) -> Live:
        self.progress.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.progress.stop()

    def compiled(self, event: Any, run: Run) -> None:
        super().compiled(event, run)
        self.progress.update(self.task, description="training", total=self.epochs, visible=True)

    def advanced(self, event: Any, run: Run) -> None:
        self.best.see(event.rows)
        self.progress.update(self.task, completed=event.epoch, epoch=int(event.epoch))
        if event.rows:
            line = Text(safe(f"{epoch_line(event.rows)}  {self.best}"))
            self.progress.update(self.task, description=line.plain)

    def finished(self, event: Any, run: Run) -> None:
        self.progress.stop()
        super().finished(event, run)


class Best:
    """The best validation metric seen, averaged over the seeds of its epoch."""

    def __init__(self) -> None:
        self.value, self.name, self.epoch = -math.inf, "", 0

    def see(self, rows: list[dict[str, Any]]) -> None:
        """Take new rows into account."""
        for epoch in dict.fromkeys(row["epoch"] for row in rows):
            here = [row for row in rows if row["epoch"] == epoch]
            name, larger = _watched(here[0])
            if name:
                value = _mean(here, name) * (1 if larger else -1)
                if value > self.value:
                    self.value, self.name, self.epoch = value, name, epoch

    def __str__(self) -> str:
        return f"best {abs(self.value):.4g} at {self.epoch}" if self.name else ""


def _watched(row: Mapping[str, Any]) -> tuple[str, bool]:
    for name, larger in (("validation/accuracy", True), ("validation/rmse", False)):
        if name in row:
            return name, larger
    return "", True


def _mean(rows: list[dict[str, Any]], name: str) -> float:
    values = [row[name] for row in rows if row.get(name) is not None and math.isfinite(row[name])]
    return sum(values) / len(values) if values else math.nan


def epoch_line(rows: list[dict[str, Any]]) -> str:
    """Losses and the validation metric of the newest epoch, averaged over seeds."""
    newest = [row for row in rows if row["epoch"] == rows[-1]["epoch"]]
    names = [n for n in newest[0] if n.startswith("loss/") and n != "loss/total"]
    parts = [f"{name.removeprefix('loss/')} {_mean(newest, name):.4g}" for name in names]
    parts[0] = parts[0].replace("data", "loss", 1)
    watched = _watched(newest[0])[0]
    if watched:
        parts.append(f"{watched.replace('validation', 'val')} {_mean(newest, watched):.4g}")
    return "  ".join(parts)


def headline(event: Any) -> str:
    """`3 trials (1 setting x 3 seeds) -> 1 program; 1,222 train, ...`."""
    seeds = "seed" if event.lanes == 1 else "seeds"
    programs = "program" if event.programs == 1 else "programs: the data's shapes differ between seeds"
    lanes = f"{event.lanes} trial{'s' * (event.lanes > 1)} (1 setting x {event.lanes} {seeds})"
    sizes = f"{event.train:,} train, {event.validation:,} validation, {event.test:,} test examples"
    return f"{lanes} -> {event.programs} {programs}; {sizes}; {event.parameters:,} parameters"


def metrics_table(metrics: Mapping[str, Any], seeds: int) -> Table:
    """Mean and standard deviation over seeds: a row per metric, a column per split."""
    parts = [p for p in ("test", "validation", "train") if any(name.startswith(f"{p}/") for name in metrics)]
    table = Table(title=f"mean ± standard deviation over {seeds} seed{'s' * (seeds > 1)}", title_justify="left")
    table.add_column("metric")
    for part in parts:
        table.add_column(part, justify="right")
    names = list(dict.fromkeys(name.partition("/")[2] for name in metrics))
    for name in [n for n in names if n != "loss" or "nll" not in names]:  # for classes the two are one number
        cells = [spread(metrics.get(f"{part}/{name}")) for part in parts]
        table.add_row(name, *cells)
    return table


def spread(number: Mapping[str, Any] | None) -> str:
    """`0.9812 ± 0.0031`."""
    if number is None or number["mean"] is None:
        return "-"
    if number["std"] is None:
        return f"{number['mean']:.4f}"
    return f"{number['mean']:.4f} ± {number['std']:.4f}"


def closing(console: Console, summary: Mapping[str, Any], run: Run) -> None:
    """The table at the end, how each seed ended, where everything is and what to try next."""
    good = [lane for lane in summary["lanes"] if lane["status"] != "diverged"]
    if good:
        console.print(metrics_table(summary["metrics"], len(good)))
    for lane in summary["lanes"]:
        if lane["status"] == "diverged":
            console.print(Text(f"seed {lane['seed']}: diverged, {lane['reason']}", "red"))
    chosen, monitor = summary["selection"]["epoch"], summary["selection"]["monitor"]
    epochs = ", ".join(f"{lane['selected_epoch']} of {lane['epochs']}" for lane in good)
    if good:
        how = f"best {monitor}" if chosen == "best" else "the last one"
        console.print(Text(f"epoch measured ({how}), by seed: {epochs}", "dim"), soft_wrap=True)
    seconds = summary["seconds"]
    timing = f"compiled in {seconds['compile']:.1f} s, trained in {seconds['train']:.1f} s"
    console.print(Text(timing, "dim"))
    console.print(Text(safe(f"run: {run.path}"), "bold"), soft_wrap=True)
    console.print(
        Text(safe(f"next: regexp evaluate {run.name}, or regexp list for more to try"), "dim"), soft_wrap=True
    )
