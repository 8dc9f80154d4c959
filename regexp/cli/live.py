"""The display on a terminal: what is going on, a bar, the newest numbers; it wraps where the terminal is narrow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from regexp.cli.progress import STOPPING, Lines, duration, epoch_line
from regexp.cli.screen import Screen
from regexp.core.escaping import safe

if TYPE_CHECKING:
    from regexp.experiment import Experiment
    from regexp.runs import Run


class LiveDisplay(Screen, Lines):
    """Three phases: loading data, compiling, training."""

    def __init__(self, console: Console, run: Run, experiment: Experiment):
        super().__init__(console, run, experiment)
        self.phase, self.began = "loading data", time.monotonic()
        self.numbers = ""

    def prepared(self, event: Any) -> None:
        self._enter("compiling")
        super().prepared(event)

    def compiled(self, event: Any) -> None:
        self._enter("training")
        super().compiled(event)

    def advanced(self, event: Any) -> None:
        if self.phase == "compiling":  # a refit that was resumed
            self._enter("training")
        self.count(event.epoch)
        self.best.see(event.rows)
        if self.done >= self.epochs * self.programs:
            self._enter("evaluating")
        if event.rows:
            self.numbers = safe(f"{epoch_line(event.rows)}  {self.best}")

    def refit(self, event: Any) -> None:
        self._enter("compiling")
        super().refit(event)

    def finished(self, event: Any) -> None:
        self.live.stop()
        super().finished(event)

    def _enter(self, phase: str) -> None:
        self.phase, self.began = phase, time.monotonic()

    def render(self) -> Group:
        """The display now."""
        lines: list[Any] = [self._bar() if self.phase == "training" else self._waiting()]
        if self.numbers:
            lines.append(Text(self.numbers, "cyan"))
        if self.signalled:
            lines.append(Text(STOPPING, "yellow"))
        return Group(*lines)

    def _waiting(self) -> Text:
        return Text(f"{self.phase} ... {time.monotonic() - self.began:.0f} s", "bold")

    def _bar(self) -> Table:
        total, seconds = self.epochs * self.programs, self.seconds_left()
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True, justify="right")
        epoch = f"epoch {int(self.done) % self.epochs if self.done < total else self.epochs}/{self.epochs}"
        left = "" if seconds is None else f"{duration(seconds)} left"
        grid.add_row(Text(epoch, "bold"), ProgressBar(total=total, completed=self.done), Text(left))
        return grid
