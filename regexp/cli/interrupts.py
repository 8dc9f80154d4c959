"""What Ctrl-C does at each moment of a process; imports nothing slow, so that it holds from the first moment on.

During imports and on the way out there is nothing to save: the process ends at once. While a command runs, Ctrl-C
raises KeyboardInterrupt; while it trains, `train._signals` saves first. Where SIGINT is ignored, as under nohup, it
stays ignored.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from types import FrameType

CODE = 128 + signal.SIGINT


def end_at_once() -> None:
    """Make SIGINT end the process with exit code 130, without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def ignore_last() -> None:
    """Ignore SIGINT after all other exit functions: the interpreter drops its handlers while it takes itself down.

    Exit functions run in reverse order, so this is to be called before any other is registered.
    """
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def raise_again() -> None:
    """Make SIGINT raise KeyboardInterrupt again after `end_at_once`."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = _end_where_it_cannot_be_raised


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(CODE)


def _end_where_it_cannot_be_raised(unraisable: sys.UnraisableHookArgs) -> None:
    """In a finalizer or a callback of the import system Python prints KeyboardInterrupt and goes on."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        os._exit(CODE)
    sys.__unraisablehook__(unraisable)
