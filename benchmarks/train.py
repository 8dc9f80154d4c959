"""`python -m benchmarks.train [CASE ...] [--repeats 7]`: a training step against peers, interleaved, as ratios.

Needs `pip install '.[bench]'` and Fashion-MNIST as IDX files under $REGEXP_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version
from statistics import median

from benchmarks.cases import CASES, Case
from benchmarks.interleave import measure, ratio


def report(case: Case, repeats: int) -> None:
    """Measure one case and print its lines."""
    names = ["ours", "torch", "keras"] + ([] if case.filters else ["products"])
    times = measure(case.name, names, repeats)
    for name in names:
        line = f"{case.name:8} {name:9} {median(times[name]):9.1f} us/step and lane"
        line += f"  [{min(times[name]):.1f} .. {max(times[name]):.1f}]"
        if name != "ours":
            line += f"  {ratio(times, name):6.2f}x ours"
        print(line, flush=True)
    for name, aim in case.targets:
        got = ratio(times, name)
        if name == "products":
            print(f"{case.name:8} at most {aim} x products: {1 / got:.2f} {'reached' if 1 / got <= aim else 'MISSED'}")
        else:
            print(f"{case.name:8} at least {aim} x {name}: {got:.2f} {'reached' if got >= aim else 'MISSED'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all where left out")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"unknown case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", "torch", "keras"))
    print(f"Python {platform.python_version()}, {packages}, {platform.processor() or platform.machine()}")
    for name in arguments.cases or CASES:
        report(CASES[name], arguments.repeats)


if __name__ == "__main__":
    main()
