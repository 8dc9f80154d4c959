"""python -m scripts.headers [--write] CONFIG...

Train configs and compare the numbers in their headers with what comes out; --write puts the new numbers in place.
A header names the comparison as `--set KEY=VALUE`, by default without the method that the file is called after, and its
numbers as `Test accuracy A +- S, without A +- S` and `NLL N, without N; ECE E, without E`.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regexp.config import load, to_yaml
from regexp.runs import Run
from regexp.study.train import Finished, train

NUMBER = r"\d+(?:\.\d+)?"
PAIRS = {  # what stands before a mean and its standard deviation
    "test/accuracy": rf"(Test accuracy )({NUMBER}) \+- ({NUMBER})(?:(, without )({NUMBER}) \+- ({NUMBER}))?"
}
MEANS = {  # what stands before a mean alone
    "test/nll": rf"(NLL )({NUMBER})(?:(, without )({NUMBER}))?",
    "test/ece": rf"(; ECE )({NUMBER})(?:(, without )({NUMBER}))?",
    "fgsm-0.1/accuracy": rf"(under FGSM of 0.1 accuracy )({NUMBER})(?:(, without )({NUMBER}))?",
}


def metrics(config: Path, *settings: str) -> dict[str, Any]:
    """The summary's metrics of a config with some values changed."""
    loaded = load(config, settings)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder), "run")
        run.write_config(to_yaml(loaded.experiment))
        *_, finished = train(loaded, run, False, "auto", [])
    assert isinstance(finished, Finished)
    return finished.summary["metrics"]


def renewed(header: str, with_method: dict[str, Any], without: dict[str, Any]) -> str:
    """The header with its numbers measured anew."""
    for name, pattern in PAIRS.items():
        header = re.sub(pattern, lambda m, n=name: "".join(_pairs(m, (with_method, without), n)), header)
    for name, pattern in MEANS.items():
        header = re.sub(pattern, lambda m, n=name: "".join(_means(m, (with_method, without), n)), header)
    return header


def _pairs(match: re.Match[str], tables: tuple[dict[str, Any], ...], name: str) -> Iterator[str]:
    for words, table in zip((match[1], match[4]), tables, strict=True):
        if words:
            yield f"{words}{table[name]['mean']:.3f} +- {table[name]['std']:.3f}"


def _means(match: re.Match[str], tables: tuple[dict[str, Any], ...], name: str) -> Iterator[str]:
    for words, table in zip((match[1], match[3]), tables, strict=True):
        if words:
            yield f"{words}{table[name]['mean']:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    for config in options.configs:
        lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
        size = next(i for i, line in enumerate(lines) if not line.startswith("#"))
        header = "".join(lines[:size])
        named = re.search(r"--set (\S+?=\S+?)[\s.);]", header)
        setting = named[1] if named else f"regularizers.{config.stem}=false"
        new = renewed(header, metrics(config), metrics(config, setting) if ", without" in header else {})
        print(f"{config}: {'as it says' if new == header else 'changed'}", flush=True)
        if new != header:
            print(new, flush=True)
        if options.write:
            config.write_text(new + "".join(lines[size:]), encoding="utf-8")


if __name__ == "__main__":
    main()
