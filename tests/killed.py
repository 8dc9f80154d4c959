"""`python -m tests.killed N ARGUMENTS...`: the command line, killed by SIGKILL at its N-th file operation in runs/.

N = 0 counts only: the number of operations is printed at the end. Chunks are short, so that there are many.
"""

from __future__ import annotations

import os
import signal
import sys
from types import SimpleNamespace

from regexp.runs import files
from regexp.study import train as runner

runner.CHUNK_SECONDS = 0.002


class CountingOs:
    """The functions of `os` that runs/ uses; the N-th call never returns, and a write does half its work first."""

    def __init__(self, fatal: int):
        self.calls, self.fatal = 0, fatal

    def __getattr__(self, name):
        real = getattr(os, name)
        return self._counted(name, real) if name in OPERATIONS else real

    def _counted(self, name, real):
        def call(*arguments, **options):
            self.calls += 1
            if self.calls == self.fatal:
                if name == "write":
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call


OPERATIONS = {"open", "write", "fsync", "close", "replace", "unlink", "ftruncate"}


def main() -> None:
    counting = CountingOs(int(sys.argv[1]))
    files.os = counting
    sys.argv = ["regexp", *sys.argv[2:]]
    from regexp.cli.app import main as command

    try:
        command()
    finally:
        print(SimpleNamespace(operations=counting.calls), flush=True)


if __name__ == "__main__":
    main()
