"""The hash of a resolved config: every setting that can change a number counts, and nothing else."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regexp.config import loads, to_yaml
from regexp.config.document import read
from regexp.datasets.base import CATALOGUE as DATASETS
from regexp.datasets.base import Data
from regexp.core.errors import RunError
from regexp.runs.provenance import IMMATERIAL, canonical, changed_data, compare, config_hash, data_hash, has_config
from tests.lab import images, table

CONFIG = """\
dataset: {name: csv, path: a/t.csv, test_path: a/test.csv, preprocess: [standardize], limit: {n: 50, by: class}}
model: {name: mlp, hidden: [8, 4]}
regularizers:
  dropout: {rate: 0.25, layers: {hidden_0: 0.5}}
  l2: {strength: 0.01}
optimizer: {name: adam, learning_rate: 0.01, schedule: {name: cosine}}
training: {epochs: 8, batch_size: 16, seeds: [0, 1]}
"""
SWEEP = """\
sweep:
  objective: validation/accuracy
  space: {optimizer.learning_rate: {log_uniform: [0.001, 0.1]}}
  stages: [{trials: 4, epochs: 3}]
"""
TEXT = canonical(loads(CONFIG + SWEEP))
TREE = read(TEXT, "c").root.plain()


def leaves(tree: dict, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every setting."""
    for key, value in tree.items():
        yield from leaves(value, (*before, key)) if isinstance(value, dict) and value else [(*before, key)]


@pytest.mark.parametrize("path", list(leaves(TREE)), ids=".".join)
def test_every_setting_counts_but_paths_and_how_a_run_behaves(path):
    other = copy.deepcopy(TREE)
    section = other
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = "another value"
    material = not f"{'.'.join(path)}.".startswith(tuple(f"{name}." for name in IMMATERIAL))
    assert (config_hash(json.dumps(other)) != config_hash(json.dumps(TREE))) == material


def test_what_does_not_count_is_where_files_are_and_the_section_run():
    """Each data set's fields that name a file or folder, and no other field."""
    fields = {f.name for name in DATASETS for f in dataclasses.fields(DATASETS[name])}
    places = {f"dataset.{name}" for name in fields if "path" in name or "folder" in name or "file" in name}
    assert places | {"run"} == set(IMMATERIAL)


def test_the_order_of_the_methods_counts():
    """Methods act in the order of the config."""
    other = CONFIG.replace("  l2: {strength: 0.01}\n", "").replace("  dropout:", "  l2: {strength: 0.01}\n  dropout:")
    assert config_hash(canonical(loads(other))) != config_hash(canonical(loads(CONFIG)))


@pytest.mark.parametrize("text", [f"# a comment\n{TEXT}", TEXT.replace("\n", "\n\n"), json.dumps(TREE)])
def test_layout_and_comments_do_not_count(text):
    assert config_hash(text) == config_hash(TEXT)


def test_the_lines_that_differ_are_shown():
    old, new = (
        canonical(loads(CONFIG)),
        canonical(loads(CONFIG.replace("[8, 4]", "[8, 5]").replace("a/t.csv", "b.csv"))),
    )
    with pytest.raises(RunError) as caught:
        compare(old, new, Path("runs/c/config.yaml"), "c")
    lines = str(caught.value).splitlines()
    assert "runs/c/config.yaml is not the config that c was trained with" in lines[0]
    assert {"-  hidden: [8, 4]", "+  hidden: [8, 5]", '-  path: "a/t.csv"', '+  path: "b.csv"'} <= set(lines)
    assert not any("batch_size" in line for line in lines)
    assert "restore these lines, or train the edited config as a new run" in lines[-1]


def test_other_paths_are_told_and_not_refused():
    old = canonical(loads(CONFIG))
    assert compare(old, old, Path("c"), "c") is None
    notice = compare(old, canonical(loads(CONFIG.replace("a/t.csv", "b.csv"))), Path("c"), "c")
    assert '+  path: "b.csv"' in notice


def test_a_config_recorded_before_a_key_existed_is_the_same_config():
    current = canonical(loads(CONFIG))
    older = "".join(line for line in current.splitlines(keepends=True) if "train_limit" not in line)
    assert older != current
    assert compare(older, current, Path("c"), "c") is None


@pytest.mark.parametrize("edit", [lambda t: t, lambda t: t.replace("0.01", "1.0e-2"), lambda t: t.replace("a/t", "b")])
def test_a_folder_has_the_config_of_its_manifest(edit, tmp_path):
    text = to_yaml(loads(CONFIG).experiment)
    (tmp_path / "config.yaml").write_text(edit(text))
    assert has_config(tmp_path, config_hash(text))


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"just text", b"[1, 2]", b"a: [", None])
def test_a_damaged_config_is_not_that_of_the_manifest(damage, tmp_path):
    if damage is not None:
        (tmp_path / "config.yaml").write_bytes(damage)
    assert not has_config(tmp_path, config_hash(TEXT))


@pytest.mark.parametrize("part", ["inputs", "targets", "test", "extra", "order", "appended"])
def test_every_part_of_the_data_counts(part):
    data = replace(images(n=30), test=None, extra=None, source="t.csv")
    inputs, targets = data.inputs.copy(), data.targets.copy()
    inputs[3, 0, 0, 0] += 0.01
    targets[3] = (targets[3] + 1) % 3
    order = np.r_[1, 0, 2:30]
    changed: dict[str, Data] = {
        "inputs": replace(data, inputs=inputs),
        "targets": replace(data, targets=targets),
        "test": replace(data, test=np.arange(3, dtype=np.int32)),
        "extra": replace(data, extra=np.ones((30, 1), np.float32)),
        "order": replace(data, inputs=data.inputs[order], targets=data.targets[order]),
        "appended": images(n=31),
    }
    recorded = data_hash(data)
    assert changed_data("c", recorded, replace(data, inputs=data.inputs.copy())) is None
    sentence = changed_data("c", recorded, replace(changed[part], source="t.csv"))
    assert sentence.startswith("t.csv has changed since c was trained on it")
    assert recorded[:12] in sentence
    assert sentence.endswith("restore the file, or train a new run")
    assert data_hash(table(20)) != data_hash(table(20, seed=1))
