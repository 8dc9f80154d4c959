"""What only the loaded data tells is located in the config, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from regexp.config import Facts, loads
from regexp.core.errors import ConfigError, DataError
from tests.cli.command import inside

FACTS = Facts("classification", True, (8, 8, 1), train=100, validation=20)


LINEAR = """\
training: {{epochs: 2, batch_size: {batch}}}
optimizer: {{name: sgd, schedule: {{name: linear, length: {steps}, unit: steps}}}}
"""


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("training: {batch_size: 101}", (1, 12), "training.batch_size 101 is above the 100 training examples"),
        (
            LINEAR.format(batch=50, steps=5),
            (2, 24),
            "the schedule takes 5 steps, longer than the run of 4 steps",
        ),
        (
            "training: {epochs: 2}\noptimizer: {name: gd, schedule: {name: constant, warmup: 3, unit: steps}}",
            (2, 23),
            "the warmup takes 3 steps, longer than the run of 2 steps",
        ),
        (
            "regularizers: {random_crop: {padding: 8, fill: reflect}}",
            (1, 30),
            "fill: reflect needs a padding below the side of the image, 8",
        ),
        (
            "dataset: {name: npz, path: a.npz}\nregularizers: {color_jitter: {hue: 0, saturation: 0.1}}",
            (2, 39),
            "color_jitter.saturation needs colour, three channels; these images have 1 channel: set it to 0",
        ),
        (
            "dataset: {name: npz, path: a.npz}\nregularizers: {color_balance: }",
            (2, 16),
            "color_balance.range needs colour, three channels; these images have 1 channel: set it to 0",
        ),
    ],
)
def test_what_only_the_data_tells_is_located(text, place, message):
    loaded = loads(text)
    with pytest.raises(ConfigError) as caught:
        loaded.check_data(FACTS)
    (problem,) = caught.value.problems
    assert ((problem.line, problem.column), problem.message) == (place, message)


TABLE = "dataset: {name: csv, path: FOLDER/t.csv, %s}\n"


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        (TABLE % "target: weight", "target", "t.csv:2: no column 'weight'; there are x, y"),
        (TABLE % "extra: [z]", "extra", "t.csv:2: no column 'z'; there are x, y"),
        (TABLE % "limit: 1000", "limit", "dataset.limit 1000 is above the 68 training examples"),
        (TABLE % "test: 0.001", "test", "dataset.test 0.001 of 100 examples is less than one example"),
        (TABLE % "delimiter: ab", "delimiter", "dataset.delimiter must be one character"),
        (TABLE % "delimiter: ;", "delimiter", "t.csv: has a single column; is the delimiter ';' right?"),
        (TABLE % "test_path: none.csv", "test_path", "none.csv: cannot be read: No such file"),
        ("dataset: {name: csv, path: FOLDER}\n", "path", "cannot be read: Is a directory"),
        ("dataset: {name: npz, path: FOLDER/none.npz}\n", "path", "none.npz: cannot be read: No such file"),
        ("dataset: {name: npz, path: FOLDER/t.csv/t.npz}\n", "path", "t.npz: cannot be read: Not a directory"),
        (
            "dataset:\n  name: digits\n  preprocess: [{name: pca, components: 65}]\n",
            "preprocess",
            "pca: 65 components requested; the training split has 64",
        ),
        ("dataset: {name: npz, path: FOLDER/t.npz, inputs: x}\n", "inputs", "no array 'x', only inputs, targets"),
        ("dataset: {name: mnist, path: FOLDER}\n", "path", "no train-images-idx3-ubyte.gz there"),
        ("regularizers: {semi_supervised: {labels: 999}}\n", "labels", "needs 999 labels of class '0', which has"),
    ],
)
def test_a_value_that_the_data_refuses_is_located(text, key, message, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(100)))
    np.savez(tmp_path / "t.npz", inputs=np.ones((9, 2)), targets=np.arange(9) % 2)
    text = text.replace("FOLDER", str(tmp_path))
    (tmp_path / "c.yaml").write_text(text)
    before, _, _ = text.rpartition(f"{key}:")
    place = f"c.yaml:{before.count(chr(10)) + 1}:{len(before.rpartition(chr(10))[2]) + 1} "
    assert inside("train", tmp_path / "c.yaml", "--runs-dir", tmp_path / "runs") == 2
    told = capsys.readouterr().err
    assert place in told
    assert message in told
    assert list((tmp_path / "runs").iterdir()) == []


SEARCHED = """\
dataset: {name: %s}
regularizers: {l2: }
optimizer: adamw
training: {epochs: 1, batch_size: %d, seeds: [0, 1]}
sweep:
  stages: [{trials: 2, epochs: 1}]
  space: {optimizer.learning_rate: {log_uniform: [0.1, 0.2]}}
"""


@pytest.mark.parametrize(
    ("dataset", "batch", "message"),
    [
        ("wine, preprocess: [{name: pca, components: 99}]", 8, "1:23 pca: 99 components requested"),
        ("csv, path: FOLDER/none.csv", 8, "1:22 FOLDER/none.csv: cannot be read: No such file"),
        ("csv, path: FOLDER/t.csv", 69, "4:23 training.batch_size 69 is above the 68 training examples"),
    ],
    ids=["pca", "file", "batch"],
)
@pytest.mark.parametrize("command", ["check", "sweep", "ablate"])
def test_other_commands_locate_it_too(command, dataset, batch, message, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(100)))
    (tmp_path / "c.yaml").write_text((SEARCHED % (dataset, batch)).replace("FOLDER", str(tmp_path)))
    assert inside(command, tmp_path / "c.yaml", "--runs-dir", tmp_path / "runs") == 2
    assert f"c.yaml:{message}".replace("FOLDER", str(tmp_path)) in capsys.readouterr().err


@pytest.mark.parametrize("command", ["sweep", "ablate"])
def test_what_cannot_begin_leaves_no_folder(command, tmp_path):
    (tmp_path / "c.yaml").write_text(SEARCHED % ("csv, path: none.csv", 8))
    assert inside(command, tmp_path / "c.yaml", "--runs-dir", tmp_path / "runs") == 2
    assert list((tmp_path / "runs").glob("*")) == []


@pytest.mark.parametrize("command", [("train",), ("check", "--only", "symmetry"), ("sweep",), ("ablate", "--no-cost")])
def test_every_command_tells_once_what_is_odd(command, tmp_path, capsys):
    """About the config alone, about how its data was read."""
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i if i else 'none'},{i % 2}\n" for i in range(40)))
    (tmp_path / "c.yaml").write_text(SEARCHED % (f"csv, path: {tmp_path}/t.csv", 8))
    name, *options = command
    assert inside(name, tmp_path / "c.yaml", "--runs-dir", tmp_path / "runs", *options) == 0
    said = "".join(capsys.readouterr())
    assert said.count("c.yaml:2:16 l2 and optimizer.adamw both shrink the weights") == 1
    assert said.count("t.csv:2: column 'x' holds 'none', a text, beside 39 numbers") == 1


def test_what_no_value_is_to_blame_for_stays_an_error_of_the_data(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1\n")
    loaded = loads((TABLE % "target: y").replace("FOLDER", str(tmp_path)))
    with pytest.raises(DataError, match=r"t.csv:2: has 1 cells"), loaded.placed():
        loaded.experiment.dataset.load()


def test_what_fits_the_data_passes():
    assert loads(LINEAR.format(batch=100, steps=2)).check_data(FACTS) == ()


def test_colour_methods_pass_where_there_is_colour_or_nothing_to_do():
    text = (
        "dataset: {name: npz, path: a.npz}\n"
        "regularizers: {color_jitter: {saturation: %s, hue: %s}, color_balance: {range: %s}}"
    )
    colour = replace(FACTS, shape=(8, 8, 3))
    assert loads(text % (0.2, 0.1, 0.3)).check_data(colour) == ()
    assert loads(text % (0, 0.0, 0)).check_data(FACTS) == ()
    with pytest.raises(ConfigError, match="4 channels"):
        loads(text % (0, 0.1, 0)).check_data(replace(FACTS, shape=(8, 8, 4)))


def test_a_file_s_task_is_checked_once_it_is_known():
    loaded = loads(
        "dataset: {name: npz, path: a.npz}\nregularizers: {label_smoothing: {epsilon: 0.1}, random_crop: }\n"
    )
    with pytest.raises(ConfigError) as caught:
        loaded.check_data(Facts("regression", False, (4,), train=100, validation=20))
    assert [p.message for p in caught.value.problems] == [
        "label_smoothing needs classes; this dataset is a regression",
        "random_crop transforms images; this dataset is a table",
    ]


def test_a_share_for_the_test_is_void_where_a_split_is_published():
    loaded = loads("dataset: {name: mnist, test: 0.3}\n")
    (warning,) = loaded.check_data(Facts("classification", True, (28, 28, 1), 100, 20, published_test=True))
    assert "has no effect" in warning.message
