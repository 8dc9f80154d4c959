"""What a person sees while a sweep runs: a live table on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from regexp.cli.progress import LINE_SECONDS, STOPPING, Display, JsonLines, Words, duration
from regexp.cli.screen import Screen

if TYPE_CHECKING:
    from regexp.runs import Run


def show(run: Run | None, quiet: bool, as_json: bool) -> Display:
    """The display that fits the options and the terminal."""
    if as_json:
        return JsonLines(run, Display() if quiet else SweepLines(Console(stderr=True), run))
    if quiet:
        return Display()
    console = Console()
    if console.is_terminal and not console.is_dumb_terminal and run is not None:
        return SweepLive(console, run)
    return SweepLines(console, run)


class SweepLines(Words):
    """Plain text: what each stage is about, a line every two seconds, the conclusion."""

    def __init__(self, console: Console, run: Run | None):
        self.console, self.run = console, run
        self.last = 0.0
        self.stage = ""

    def planned(self, event: Any) -> None:
        for note in event.notes:
            self.warn(note)
        for line in event.inferred:
            self.say(line, "dim", prose=True)
        *stages, confirm = event.trials
        trials = " + ".join(map(str, stages))
        programs = f"{event.programs} program{'s' * (event.programs > 1)}"
        workers = f" on {event.workers} workers" if event.workers > 1 else ""
        self.say(f"{trials} trials, {confirm} to confirm; {event.lanes} lanes, {event.block} at a time{workers} -> "
                 f"{programs}", "bold")  # fmt: skip
        seconds, most = duration(event.seconds), duration(event.most_seconds)
        unsure = "" if seconds == most else f", {most} if the other programs are not in the cache"
        self.say(f"{event.lane_steps:,} steps of a lane, {event.step_microseconds:.0f} us each as measured here: "
                 f"about {seconds} with compiling{unsure}")  # fmt: skip
        if event.finished:
            self.say(f"going on after {event.finished} finished trials")
        if self.run is not None:
            self.say(f"run: {self.run.path}", "dim")

    def narrowed(self, event: Any) -> None:
        for line in event.lines:
            self.say(f"  {line}")

    def began(self, event: Any) -> None:
        self.stage = "confirm" if event.confirming else f"stage {event.stage + 1}"
        seeds = "fresh seed" if event.confirming else "seed"
        self.say(f"{self.stage}: {event.trials} trials, {event.epochs} epochs, "
                 f"{event.seeds} {seeds}{'s' * (event.seeds > 1)} each", "bold")  # fmt: skip

    def progress(self, event: Any) -> None:
        if event.done == event.trials or time.monotonic() - self.last >= LINE_SECONDS:
            self.last = time.monotonic()
            self.say("  " + "  ".join(f"{name} {value}" for name, value in _columns(event).items()))

    def workerlost(self, event: Any) -> None:
        self.warn(f"{event.reason}; what it trained is trained again")

    def concluded(self, event: Any) -> None:
        for line, style in conclusion(event.summary, self.run):
            self.say(line, style)


class SweepLive(Screen, SweepLines):
    """A table of the stages, redrawn in its place."""

    def __init__(self, console: Console, run: Run):
        super().__init__(console, run)
        self.rows: dict[str, dict[str, str]] = {}

    def progress(self, event: Any) -> None:
        self.rows[self.stage] = _columns(event)

    def concluded(self, event: Any) -> None:
        self.live.stop()
        self.console.print(self.table())
        super().concluded(event)

    def render(self) -> Any:
        """The display now."""
        if self.signalled:
            return Text(STOPPING, "yellow")
        return self.table() if self.rows else Text("loading data, compiling ...", "bold")

    def table(self) -> Table:
        """A row for each stage so far."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        names = ["best", "running", "done", "failed", "of", "left"]
        for name in ("", *names):
            table.add_column(name, justify="right" if name else "left")
        for stage, columns in self.rows.items():
            table.add_row(stage, *(columns.get(name, "") for name in names))
        return table


def _columns(event: Any) -> dict[str, str]:
    best = {} if event.best is None else {"best": f"{event.best:.4f}"}
    counts = {"running": event.running, "done": event.done, "failed": event.failed, "of": event.trials}
    is_over = event.seconds_left is None or event.done >= event.trials
    left = {} if is_over else {"left": duration(event.seconds_left)}
    return best | {name: str(count) for name, count in counts.items()} | left


def conclusion(summary: Mapping[str, Any], run: Run | None) -> list[tuple[str, str]]:
    """(line, style): the winner, its score then and confirmed, against the base, what mattered, warnings, files."""
    lines: list[tuple[str, str]] = []
    if winner := summary["winner"]:
        lines.append(("winner", "bold"))
        setting = winner["setting"]
        out = tuple(f"{path}." for path, value in setting.items() if value is False)  # their values change nothing
        lines += [(f"  {path}: {_value(value)}", "") for path, value in setting.items() if not path.startswith(out)]
        first = winner["stage_score"]
        objective = summary["objective"]
        lines.append(
            (f"{objective} when chosen {_interval(first)}: selection bias, the best of many is optimistic", "")
        )
        if confirmed := winner["confirmed"]:
            lines.append((f"{objective} confirmed on fresh seeds {_interval(confirmed[objective])}", "bold"))
        for pair in winner["against_base"]:
            mine, theirs = (_interval(pair[who]) for who in ("winner_mean", "base_mean"))
            lines.append((f"{pair['metric']} {mine}; the file as it is {theirs}", "bold"))
            signs = pair["difference"]
            lines.append((f"  paired difference {_interval(signs, '+')}", "bold"))
    counts = summary["trials"]
    lines.append((", ".join(f"{n} {status}" for status, n in counts.items() if n), "dim"))
    if shares := summary.get("importance"):
        parts = ", ".join(f"{path} {share:.0%}" for path, share in shares.items())
        lines.append((f"importance (PED-ANOVA, stage 1): {parts}", ""))
    lines += [(f"warning: {message}", "yellow") for message in summary["warnings"]]
    programs = "compiled or from the cache (first state, training, measurement of each structure)"
    lines.append((f"{summary['compilations']} {programs}, {summary['seconds']:.1f} s", "dim"))
    if run is not None and summary["winner"]:
        where = [] if run.path.parent == Path("runs") else ["--runs-dir", str(run.path.parent)]
        words = ["regexp", "train", str(run.path / "winner.yaml"), "--name", f"{run.name}-winner", *where]
        lines.append((f"next: {shlex.join(words)}", "dim"))
    return lines


def _value(value: Any) -> str:
    return {True: "in", False: "out"}[value] if isinstance(value, bool) else str(value)


def _interval(found: Mapping[str, Any], sign: str = "") -> str:
    """`0.9712 [0.9654, 0.9770], 5 seeds`."""
    mean = f"{found['mean']:{sign}.4f}"
    if found["low"] is None:
        return f"{mean} (1 seed)"
    return f"{mean} [{found['low']:{sign}.4f}, {found['high']:{sign}.4f}] ({found['n']} seeds)"
