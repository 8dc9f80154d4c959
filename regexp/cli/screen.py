"""A display that is redrawn in its place on a terminal: how it begins, ends and takes a signal."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

from rich.live import Live

from regexp.cli.progress import Words

SHOW_CURSOR = b"\x1b[?25h\r\n"


class Screen(Words, ABC):
    """`render` draws it anew eight times a second; it is gone when all is over, and the lines above it stay."""

    live: Live
    signalled = False

    @abstractmethod
    def render(self) -> Any:
        """The display now."""

    def __enter__(self) -> Self:
        self.live = Live(console=self.console, get_renderable=self.render, refresh_per_second=8, transient=True)
        self.live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.stop()

    def stopping(self) -> None:
        self.signalled = True  # the next refresh shows it

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            os.write(1, SHOW_CURSOR)
