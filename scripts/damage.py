"""python -m scripts.damage [--changes 20] [--seed 0]

Train a small run, change one byte of each of its files in turn, and ask `evaluate` and `report` for its numbers. Prints
for each file how often a command said so, how often it gave the unchanged answer, and how often the answer was another
one without a word; exits with 1 where that ever happens. docs/reliability.md records the counts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from unittest.mock import patch

from regexp.cli.app import main as command

CONFIG = """\
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [8]}
regularizers: {dropout: {rate: 0.1}}
training: {epochs: 8, batch_size: 16, seeds: [0, 1]}
"""
FILES = (
    "config.yaml", "manifest.json", "metrics.jsonl", "summary.json", "predictions.npz", "checkpoints/best",
    "checkpoints/last",
)  # fmt: skip
COMMANDS = {"evaluate": ("evaluate", "run", "--json"), "report": ("report", "--format", "json")}


def answer(runs: Path, arguments: tuple[str, ...]) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command."""
    output, errors = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["regexp", *arguments, "--runs-dir", str(runs)]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        try:
            command()
        except SystemExit as stop:
            return int(stop.code or 0), output.getvalue(), errors.getvalue()
    return 0, output.getvalue(), errors.getvalue()


def outcome(file: str, before: tuple[int, str, str], after: tuple[int, str, str]) -> str:
    """`said`, `unchanged` or `silent`; a report says in its answer which folders it skipped, and why."""
    if after[0] != before[0] or after[2] != before[2] or (Path(file).name in after[1] and after[1] != before[1]):
        return "said"
    return "unchanged" if after[1] == before[1] else "silent"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=20, help="of each file")
    parser.add_argument("--seed", type=int, default=0, help="of the places and bytes")
    options = parser.parse_args()
    generator, counts = random.Random(options.seed), Counter[tuple[str, str, str]]()
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder, "runs")
        Path(folder, "run.yaml").write_text(CONFIG)
        answer(runs, ("train", str(Path(folder, "run.yaml")), "--name", "run", "--quiet"))
        shutil.copytree(runs, Path(folder, "whole"))
        before = {name: answer(runs, arguments) for name, arguments in COMMANDS.items()}
        for file in FILES:
            for _ in range(options.changes):
                raw = bytearray((Path(folder, "whole", "run") / file).read_bytes())
                raw[generator.randrange(len(raw))] ^= 1 << generator.randrange(8)
                (runs / "run" / file).write_bytes(raw)
                for name, arguments in COMMANDS.items():
                    kind = outcome(file, before[name], answer(runs, arguments))
                    counts[file, name, kind] += 1
            shutil.copy(Path(folder, "whole", "run") / file, runs / "run" / file)
    print(f"{'file':<18}{'command':<10}{'said':>6}{'unchanged':>11}{'silent':>8}")
    for file in FILES:
        for name in COMMANDS:
            said, unchanged, silent = (counts[file, name, kind] for kind in ("said", "unchanged", "silent"))
            print(f"{file:<18}{name:<10}{said:>6}{unchanged:>11}{silent:>8}")
    sys.exit(any(kind == "silent" for _, _, kind in counts))


if __name__ == "__main__":
    main()
