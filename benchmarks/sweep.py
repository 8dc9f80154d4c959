"""`python -m benchmarks.sweep [SEARCH ...] [--trials N] [--repeats 3] [--scaling]`: a whole search against peers.

Each measurement is a fresh process from its start to its end: imports, compiling and files included. Turns are
interleaved; a ratio is the median over the turns. Needs `pip install '.[bench]'`, and Fashion-MNIST under $REGEXP_DATA.
The peer `cold` is this project with an empty cache of compiled programs, which is the first search of its structure.
--scaling: this project alone, from 1 trial to 1024, as cost per trial.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.searches import SEARCHES, Search

PEERS = ("optuna_torch", "optuna_keras", "sklearn_search", "cold")


def command(peer: str, search: Search, folder: Path) -> list[str]:
    """What one measurement runs."""
    if peer not in ("ours", "cold"):
        return [sys.executable, "-m", f"benchmarks.peers.{peer}", search.name, str(search.trials)]
    config = folder / f"{search.name}.yaml"
    config.write_text(search.config())
    where = ["--runs-dir", str(folder / "runs"), "--quiet", "--device", "cpu"]
    return [sys.executable, "-m", "regexp", "sweep", str(config), *where]


def seconds(peer: str, search: Search) -> float:
    """One measurement."""
    with tempfile.TemporaryDirectory() as folder:
        full = command(peer, search, Path(folder))
        own = {"XDG_CACHE_HOME": folder} if peer == "cold" else {}
        began = time.perf_counter()
        done = subprocess.run(full, capture_output=True, text=True, check=False, env=os.environ | own)
        took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return took


def report(search: Search, peers: list[str], repeats: int) -> None:
    """Measure one search and print its lines."""
    names = ["ours", *peers]
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            times[name].append(seconds(name, search))
            print(f"{search.name:8} {name:15} {times[name][-1]:8.1f} s", file=sys.stderr, flush=True)
    for name in names:
        own = times[name]
        line = f"{search.name:8} {name:15} {median(own):8.1f} s  [{min(own):.1f} .. {max(own):.1f}]"
        line += f"  {1000 * median(own) / search.trials:7.1f} ms a trial"
        if name != "ours":
            line += f"  {ratio(times, name):6.2f}x ours"
        print(line, flush=True)
    for name, aim in search.targets:
        if name in times:
            got = ratio(times, name)
            print(f"{search.name:8} at least {aim} x {name}: {got:.2f} {'reached' if got >= aim else 'MISSED'}")


def ratio(times: dict[str, list[float]], name: str) -> float:
    """Median over the turns of peer / ours: above 1, ours is faster."""
    return median(theirs / mine for theirs, mine in zip(times[name], times["ours"], strict=True))


def scaling(search: Search) -> None:
    """Cost of a trial against the number of trials."""
    for trials in (1, 4, 16, 64, 256, 1024):
        took = seconds("ours", search.sized(trials))
        print(f"{search.name:8} {trials:5} trials {took:8.1f} s {1000 * took / trials:9.1f} ms a trial", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("searches", nargs="*", help=f"of {', '.join(SEARCHES)}; digits where left out")
    parser.add_argument("--trials", type=int, help="instead of each search's own number")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS)
    parser.add_argument("--scaling", action="store_true")
    arguments = parser.parse_args()
    if unknown := set(arguments.searches) - set(SEARCHES):
        parser.error(f"unknown search {', '.join(sorted(unknown))}; there are {', '.join(SEARCHES)}")
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", "optuna"))
    print(f"Python {platform.python_version()}, {packages}, {platform.processor() or platform.machine()}")
    for name in arguments.searches or ["digits"]:
        search = SEARCHES[name] if arguments.trials is None else SEARCHES[name].sized(arguments.trials)
        if arguments.scaling:
            scaling(search)
        else:
            report(search, arguments.peers, arguments.repeats)


if __name__ == "__main__":
    main()
