"""`python -m tests.sweep.killed MOMENT ARGUMENTS...`: the command line, killed by SIGKILL at one of its moments.

A moment is just before or after something is written to the store or to runs/, or after a chunk of training. 0 counts
only: the number of moments is printed at the end.
"""

from __future__ import annotations

import os
import signal
import sys

from regexp.runs import files
from regexp.sweep import blocks, records

moments, fatal = 0, int(sys.argv[1])


def counted(function):
    def call(*arguments, **options):
        pass_moment()
        result = function(*arguments, **options)
        pass_moment()
        return result

    return call


def pass_moment() -> None:
    global moments
    moments += 1
    if moments == fatal:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    records.Store._write = counted(records.Store._write)
    records.Store.create = staticmethod(counted(records.Store.create))
    files.write_atomic = counted(files.write_atomic)
    blocks.Group.advance = counted(blocks.Group.advance)
    sys.argv = ["regexp", *sys.argv[2:]]
    from regexp.cli.app import main as command

    try:
        command()
    finally:
        print(f"moments={moments}", flush=True)


if __name__ == "__main__":
    main()
