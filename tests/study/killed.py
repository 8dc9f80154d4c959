"""`python -m tests.study.killed DEATHS ARGUMENTS...`: the command line, in which processes die by SIGKILL.

DEATHS are moments of the driver: `12` is its own death, `7w,12` a worker's before it; 0 counts only. A moment
is just before or after something is written to the store or to runs/, a chunk of training, or a worker's answer. At the
end the number of moments is printed; at a worker's death that it died.
"""

from __future__ import annotations

import os
import signal
import sys

from regexp.runs import files
from regexp.study.sweep import records, trainer
from regexp.study.sweep.executors import processes

moments, deaths, pools = 0, sys.argv[1].split(","), []


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
    if f"{moments}w" in deaths and pools:
        workers = list(pools[0].processes.values())
        os.kill(workers[moments % len(workers)].process.pid, signal.SIGKILL)
        print("a worker died", flush=True)
    if str(moments) in deaths:
        os.kill(os.getpid(), signal.SIGKILL)


class Pool(processes.Processes):
    """Can be found."""

    def set_up(self) -> None:
        super().set_up()
        pools.append(self)


def main() -> None:
    records.Store._write = counted(records.Store._write)
    records.Store.create = staticmethod(counted(records.Store.create))
    files.write_atomic = counted(files.write_atomic)
    trainer.Group.advance = counted(trainer.Group.advance)
    processes._Process.receive = counted(processes._Process.receive)
    processes.Processes = Pool
    sys.argv = ["regexp", *sys.argv[2:]]
    from regexp.cli.app import main as command

    try:
        command()
    finally:
        print(f"moments={moments}", flush=True)


if __name__ == "__main__":
    main()
