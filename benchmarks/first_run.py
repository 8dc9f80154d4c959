"""python -m benchmarks.first_run [--repeats 5]

Time `regexp train configs/quickstart.yaml` from its start to its end, imports, compiling and files included: with an
empty cache of compiled programs (cold) and with a full one (warm), beside scripts that do the same with PyTorch and
Keras. Each measurement is a process of its own; turns are interleaved. Needs `pip install '.[bench]'`; a peer that is
not installed is named and left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median

CONFIG = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
PEERS = {"torch": "quickstart_torch", "keras": "quickstart_keras"}


def seconds(command: list[str], cache: str) -> float:
    """Run a command with this folder as its cache; return how long it took."""
    began = time.perf_counter()
    process = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"XDG_CACHE_HOME": cache}
    )
    elapsed = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(process.stderr[-2000:])
    return elapsed


def turn(peers: list[str]) -> dict[str, float]:
    """Measure everything once."""
    with tempfile.TemporaryDirectory() as folder:
        train = [sys.executable, "-m", "regexp", "train", str(CONFIG), "--runs-dir", folder, "--quiet"]
        times = {"cold": seconds(train, folder), "warm": seconds(train, folder)}
        for peer in peers:
            times[peer] = seconds([sys.executable, "-m", f"benchmarks.peers.{PEERS[peer]}"], folder)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    peers = [peer for peer in PEERS if find_spec(peer)]
    for peer in PEERS.keys() - set(peers):
        print(f"{peer} is not installed: pip install '.[bench]'", file=sys.stderr)
    turns = [turn(peers) for _ in range(options.repeats)]
    for name in turns[0]:
        times = [values[name] for values in turns]
        print(f"{name:6} {median(times):6.2f} s  [{min(times):.2f} .. {max(times):.2f}]")


if __name__ == "__main__":
    main()
