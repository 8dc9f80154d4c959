"""What a person sees while an ablation runs: a live display on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from regexp.cli.progress import LINE_SECONDS, STOPPING, Display, JsonLines, Lines, Words, duration, epoch_line
from regexp.cli.screen import Screen
from regexp.core.escaping import safe

if TYPE_CHECKING:
    from regexp.experiment import Experiment
    from regexp.runs import Run


@dataclass(frozen=True)
class Planned:
    """Before the first arm: how many arms and seeds of each there are, the folder, what was inferred of the data."""

    arms: int
    seeds: int
    folder: str
    inferred: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArmBegan:
    """An arm that is not done: its place among all arms, counted from 1, and its name."""

    number: int
    arm: str


@dataclass(frozen=True)
class Retuning:
    """The search for an arm's learning rate; share: of its training that is over."""

    arm: str
    share: float


@dataclass(frozen=True)
class ArmEnded:
    """An arm that was trained, was done before, or failed; outcome: in words."""

    number: int
    arm: str
    status: str
    outcome: str


@dataclass(frozen=True)
class Costing:
    """All arms are trained; what each method costs a step is being measured."""


@dataclass(frozen=True)
class Concluded:
    """The ablation as `regexp report --format json` has it."""

    ablations: list[dict[str, Any]]


def show(quiet: bool, as_json: bool, retune_share: float) -> Display:
    """Return the display that fits the options and the terminal; retune_share: of an arm's work its search takes."""
    if as_json:
        return JsonLines(None, Failures() if quiet else AblationLines(Console(stderr=True), retune_share))
    if quiet:
        return Failures()
    console = Console()
    kind = AblationLive if console.is_terminal and not console.is_dumb_terminal else AblationLines
    return kind(console, retune_share)


class Failures(Display):
    """Says which arms failed, and nothing else."""

    def armended(self, event: Any) -> None:
        if event.status == "failed":
            Console(stderr=True).print(Text(safe(f"{event.arm}: {event.outcome}")), soft_wrap=True)


class ArmEvents(Display):
    """Passes the events of an arm's training to the ablation's display, with its run where they are JSON."""

    def __init__(self, display: Display, run: Run, experiment: Experiment):
        self.display, self.run = display, run
        words = display.words if isinstance(display, JsonLines) else display
        if isinstance(words, AblationLines):
            words.train(run, experiment)

    def event(self, event: Any) -> None:
        if isinstance(self.display, JsonLines):  # its run is written into each event, and is of this one alone
            self.display.run = self.run
            self.display.event(event)
            self.display.run = None
        else:
            self.display.event(event)

    def stopping(self) -> None:
        self.display.stopping()

    def abort(self) -> None:
        self.display.abort()


class AblationLines(Words):
    """Plain text: a line for each arm, and every two seconds one on where it is."""

    def __init__(self, console: Console, retune_share: float = 0.0, clock: Callable[[], float] = time.monotonic):
        self.console, self.retune_share, self.clock = console, retune_share, clock
        self.arms, self.number, self.arm = 0, 0, ""
        self.ended = 0  # arms that are over
        self.share = 0.0  # of the arm's work that is over
        self.began: tuple[float, float] | None = None  # (time, work done in arms) after the first chunk
        self.training: Lines | None = None
        self.last = clock()

    def planned(self, event: Any) -> None:
        self.arms = event.arms
        for line in event.inferred:
            self.say(line, "dim", prose=True)
        seeds = f"{event.seeds} seed{'s' * (event.seeds > 1)}"
        self.say(f"{event.arms} arms x {seeds}, in {event.folder}", "bold")

    def armbegan(self, event: Any) -> None:
        self.number, self.arm, self.share, self.training = event.number, event.arm, 0.0, None

    def retuning(self, event: Any) -> None:
        self.advance(self.retune_share * event.share)
        self.report(f"searching its learning rate, {event.share:.0%}")

    def train(self, run: Run, experiment: Experiment) -> None:
        """Begin to count the epochs of the arm's run."""
        self.training = Lines(self.console, run, experiment)

    def prepared(self, event: Any) -> None:
        if self.training is not None:
            self.training.programs = event.programs

    def advanced(self, event: Any) -> None:
        training = self.training
        if training is None:
            return
        training.count(event.epoch)
        total = training.epochs * training.programs
        self.advance(self.retune_share + (1 - self.retune_share) * training.done / total)
        if event.rows:
            epoch = f"epoch {event.rows[-1]['epoch']}/{training.epochs}"
            self.report("  ".join(filter(None, (epoch, epoch_line(event.rows)))))

    def refit(self, event: Any) -> None:
        self.training = None  # it has epochs of its own, after all others
        self.report("refitting on training + validation data")

    def armended(self, event: Any) -> None:
        self.ended = event.number
        if event.status != "done before":
            self.advance(1.0)
        failed = event.status == "failed"
        line = Text(safe(f"[{event.number}/{self.arms}] {event.arm}: {event.outcome}"), "red" if failed else "")
        console = Console(stderr=True) if failed and not self.console.is_terminal else self.console
        console.print(line, soft_wrap=not console.is_terminal)

    def costing(self, event: Any) -> None:
        self.arm = ""
        self.report("measuring what each method costs a step")

    def advance(self, share: float) -> None:
        """Count what is over of the arm's work; a refit does not turn it back."""
        self.share = max(self.share, min(share, 1.0))
        self.began = self.began or (self.clock(), self.work)

    @property
    def work(self) -> float:
        """What is over, in arms."""
        return self.number - 1 + self.share

    def seconds_left(self) -> float | None:
        """Seconds to the end of the last arm at the speed so far; arms that stop early or are done take less."""
        began, work = self.began or (0.0, self.work)
        remaining = self.arms - self.work
        if self.work <= work or remaining <= 0:
            return None
        return (self.clock() - began) / (self.work - work) * remaining

    def left(self) -> str:
        """Return `3:05 left`, or nothing."""
        seconds = self.seconds_left()
        return "" if seconds is None else f"{duration(seconds)} left"

    def report(self, state: str) -> None:
        """Say where the arm is, at most every two seconds."""
        if self.clock() - self.last >= LINE_SECONDS:
            self.last = self.clock()
            label = f"[{self.number}/{self.arms}] {self.arm}".rstrip()
            self.say("  ".join(filter(None, (label, state, self.left()))), "dim")


class AblationLive(Screen, AblationLines):
    """Two lines redrawn in their place: arms done, a bar and the time left; below, what the current arm does."""

    state = "loading data, compiling ..."

    def armbegan(self, event: Any) -> None:
        super().armbegan(event)
        self.state = "loading data, compiling ..."

    def report(self, state: str) -> None:
        self.state = safe(state)

    def render(self) -> Group:
        """The display now."""
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True, justify="right")
        done = f"{self.ended}/{self.arms} arms done"
        grid.add_row(Text(done, "bold"), ProgressBar(total=max(self.arms, 1), completed=max(self.work, 0.0)),
                     Text(self.left()))  # fmt: skip
        lines: list[Any] = [grid, Text(f"{safe(self.arm)}: {self.state}" if self.arm else self.state, "cyan")]
        if self.signalled:
            lines.append(Text(STOPPING, "yellow"))
        return Group(*lines)
