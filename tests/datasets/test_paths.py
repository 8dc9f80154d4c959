"""Paths in a config: `~` is the home folder, and a variable is not expanded in silence."""

from __future__ import annotations

import numpy as np
import pytest

from regexp.config import loads, to_yaml
from regexp.core.errors import DataError
from regexp.datasets.loading import load_data


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "data.npz", inputs=np.eye(20), targets=np.arange(20) % 2)
    rows = "".join(f"{i * 0.3},{'ab'[i % 2]}\n" for i in range(20))
    (tmp_path / "data.csv").write_text("x,y\n" + rows)
    (tmp_path / "test.csv").write_text("x,y\n" + rows)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "examples"),
    [
        ("{name: npz, path: ~/data.npz}", 20),
        ("{name: csv, path: ~/data.csv}", 20),
        ("{name: csv, path: ~/data.csv, test_path: ~/test.csv}", 40),
    ],
)
def test_the_home_folder_is_found_and_the_config_keeps_what_was_written(text, examples, home):
    experiment = loads(f"dataset: {text}").experiment
    assert len(load_data(experiment.dataset).inputs) == examples
    assert "~/data." in to_yaml(experiment)


@pytest.mark.parametrize("path", ["$HOME/data.csv", "${HOME}/data.csv"])
def test_a_variable_is_refused_with_what_to_do(path, home):
    dataset = loads(f'dataset: {{name: csv, path: "{path}"}}').experiment.dataset
    with pytest.raises(DataError, match="does not expand variables") as error:
        load_data(dataset)
    assert error.value.key == "dataset.path"


def test_a_file_with_a_dollar_sign_in_its_name_is_read(home):
    (home / "us$.csv").write_text((home / "data.csv").read_text())
    assert len(load_data(loads("dataset: {name: csv, path: ~/us$.csv}").experiment.dataset).inputs) == 20
