"""Peers measured in turn, each in a process of its own that sleeps while another runs."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median

PEERS = {"ours": "ours", "torch": "torch_loop", "keras": "keras_fit", "products": "products"}


class Peer:
    """A process that trains when told to and answers with microseconds per step."""

    def __init__(self, name: str, case: str):
        command = [sys.executable, "-m", "benchmarks.interleave", PEERS[name], case]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.measure()  # warm-up: compiles, fills caches

    def measure(self) -> float:
        """Microseconds per step and lane of one measurement."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            assert self.process.stderr is not None
            raise RuntimeError(self.process.stderr.read()[-2000:])
        return float(answer)

    def close(self) -> None:
        """End the process."""
        self.process.communicate("", timeout=30)


def measure(case: str, names: list[str], repeats: int) -> dict[str, list[float]]:
    """Interleaved measurements of the peers, one row of turns after another."""
    peers = {name: Peer(name, case) for name in names}
    times = in_turn({name: peer.measure for name, peer in peers.items()}, repeats)
    for peer in peers.values():
        peer.close()
    return times


def in_turn(measures: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Rows of one measurement each; every other row backwards, so that a machine that slows down favours nobody."""
    times: dict[str, list[float]] = {name: [] for name in measures}
    for row in range(repeats):
        for name in list(measures)[:: 1 if row % 2 == 0 else -1]:
            times[name].append(measures[name]())
    return times


def ratios(times: Mapping[str, list[float]], name: str, base: str = "ours") -> list[float]:
    """name / base, one for each row."""
    return [one / other for one, other in zip(times[name], times[base], strict=True)]


def ratio(times: Mapping[str, list[float]], name: str) -> float:
    """Median over the turns of peer / ours: above 1, ours is faster."""
    return median(ratios(times, name))


def serve(peer: str, case_name: str) -> None:
    """The other end: train at each line of standard input."""
    from benchmarks.cases import CASES

    run = importlib.import_module(f"benchmarks.peers.{peer}").prepare(CASES[case_name])
    for _ in sys.stdin:
        began = time.perf_counter()
        steps = run()
        print((time.perf_counter() - began) / steps * 1e6, flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
