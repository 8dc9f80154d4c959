"""`regexp` and `python -m regexp`."""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130


def _quit(number: int, frame: FrameType | None) -> None:
    """Ctrl-C while modules are imported: there is nothing to save, and a KeyboardInterrupt would show a traceback."""
    os._exit(INTERRUPTED)


def main() -> None:
    """Run a command."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # under nohup the signal is ignored, and stays so
        signal.signal(signal.SIGINT, _quit)
    from regexp.cli.app import main as run

    signal.signal(signal.SIGINT, handler)
    run()


if __name__ == "__main__":
    main()
