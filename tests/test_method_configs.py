"""configs/methods: one for each method; each runs, and its header tells what comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from regexp.config import load
from regexp.regularizers.base import CATALOGUE
from regexp.runs import Run
from regexp.study.train import train

FOLDER = Path(__file__).parents[1] / "configs" / "methods"
FILES = sorted(FOLDER.glob("*.yaml"))


def test_there_is_one_for_every_method():
    assert set(CATALOGUE) <= {file.stem for file in FILES}
    for name in CATALOGUE:
        methods = load(FOLDER / f"{name}.yaml").experiment.regularizers
        assert name in [method.name for method in methods]


@pytest.mark.slow  # all of them: two minutes on two cores
@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_it_runs_and_its_header_is_true(file, tmp_path):
    header = [line for line in file.read_text().splitlines() if line.startswith("#")]
    assert header[0] == f"# regexp train configs/methods/{file.name}"
    loaded = load(file)
    run = Run.create(tmp_path, "lab")
    run.write_config("")
    *_, finished = train(loaded, run, False, "auto", [])
    assert finished.summary["status"] == "done"
    told = re.search(r"Test accuracy (\d\.\d+) \+- ", " ".join(header))
    assert told, "the header tells no test accuracy"
    # another processor rounds otherwise, and a few hundred steps carry that far
    assert finished.summary["metrics"]["test/accuracy"]["mean"] == pytest.approx(float(told[1]), abs=0.02)
