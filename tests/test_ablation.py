"""`regexp ablate`: the arms, what they share, and what is said about them."""

from __future__ import annotations

import json

import jax
import pytest

from regexp.ablation import arms, contributions, neutral
from regexp.config import loads
from regexp.errors import UsageError
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.parameters.l2 import L2
from regexp.report.ablation import contrast, table
from tests.cli.command import regexp
from tests.lab import experiment

THREE = (L2(strength=0.1), Dropout(rate=0.4), BatchNorm())
CONFIG = """\
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [8]}
regularizers: {l2: {strength: 0.1}, dropout: {rate: 0.3}}
training: {epochs: 3, batch_size: 16, seeds: [0, 1]}
"""


def test_the_arms():
    found = {arm.name: arm.methods for arm in arms(experiment(*THREE))}
    assert found["all"] == {"l2", "dropout", "batch_norm"}
    assert found["without-dropout"] == {"l2", "batch_norm"}
    assert found["only-l2"] == {"l2"}
    assert found["none"] == frozenset()
    assert len(found) == 2 + 3 + 3
    assert len(arms(experiment(*THREE), pairs=True)) == 8  # of three methods every two is all but one


def test_of_one_method_all_is_only_and_none_is_without():
    assert [arm.name for arm in arms(experiment(L2()))] == ["all", "without-l2"]


def test_nothing_to_ablate():
    with pytest.raises(UsageError, match="names no regularizers"):
        arms(experiment())


def test_arms_share_a_structure_where_numbers_switch_a_method_off():
    structures = {jax.tree.structure(arm.experiment) for arm in arms(experiment(L2(), Dropout()))}
    assert len(structures) == 1
    with_norm = {jax.tree.structure(arm.experiment) for arm in arms(experiment(*THREE))}
    assert len(with_norm) == 2  # with batch norm and without


@pytest.mark.parametrize("method", [BatchNorm(), Dropout(input_rate=0.1), L2(layers={"output": 0.5})])
def test_what_numbers_cannot_switch_off_is_left_out(method):
    assert neutral(method) is None


def test_contrasts_by_hand():
    a, b = frozenset("a"), frozenset("b")
    values = {
        frozenset("ab"): {0: 5.0, 1: 6.0},
        a: {0: 3.0, 1: 3.0},
        b: {0: 2.0, 1: 2.5},
        frozenset(): {0: 1.0, 1: 1.5},
    }
    found = {(family, what): weights for family, what, weights in contributions(["a", "b"], True)}
    plus, minus = contrast(found["leave one out", "a"], values)
    assert {s: plus[s] - minus[s] for s in plus} == {0: 3.0, 1: 3.5}
    plus, minus = contrast(found["alone", "b"], values)
    assert {s: plus[s] - minus[s] for s in plus} == {0: 1.0, 1: 1.0}
    plus, minus = contrast(found["interaction", "a x b"], values)
    assert {s: plus[s] - minus[s] for s in plus} == {0: 1.0, 1: 2.0}


def test_a_method_that_always_helps_is_told_to_help_and_where_smaller_is_better_to_hurt():
    made = arms(experiment(L2()))
    values = {made[0].methods: {s: 0.9 + s / 1000 for s in range(10)}, made[1].methods: dict.fromkeys(range(10), 0.8)}
    for smaller, word in ((False, "helps"), (True, "hurts")):
        rows = table(made, ["l2"], values, "test/accuracy", smaller, 0.0, False, False, {"l2": 1.25}).rows
        assert [row[6] for row in rows] == [word, word]
        assert [row[7] for row in rows] == ["1.25x", "-"]


@pytest.fixture(scope="module")
def ablated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    (folder / "wine.yaml").write_text(CONFIG)
    done = regexp("ablate", folder / "wine.yaml", "--runs-dir", folder / "runs", "--html", folder / "page.html")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_every_arm_is_a_run_and_all_share_one_program(ablated):
    folder, text = ablated
    root = folder / "runs" / "wine-ablation"
    assert {path.name for path in root.iterdir()} == {"all", "without-l2", "without-dropout", "none"}
    summaries = {path.name: json.loads((path / "summary.json").read_text()) for path in root.iterdir()}
    assert {s["status"] for s in summaries.values()} == {"done"}
    assert sorted(s["compilations"] > 0 for s in summaries.values()) == [False, False, False, True]
    for words in ("leave one out", "alone", "arms were not retuned", "step time", "undecided"):
        assert words in text
    assert "<html" in (folder / "page.html").read_text()


def test_again_it_trains_nothing_and_another_config_is_refused(ablated):
    folder, _ = ablated
    again = regexp("ablate", folder / "wine.yaml", "--runs-dir", folder / "runs", "--no-cost")
    assert again.stdout.count("done before") == 4
    assert "+" in again.stdout
    other = regexp("ablate", folder / "wine.yaml", "--set", "training.epochs=4", "--runs-dir", folder / "runs")
    assert other.returncode == 2
    assert "trained with another config" in other.stderr


def test_report_reads_the_arms(ablated):
    folder, _ = ablated
    done = regexp("report", "--runs-dir", folder / "runs" / "wine-ablation", "--baseline", "none")
    assert done.returncode == 0, done.stderr
    assert "without-dropout" in done.stdout


def test_retuning_finds_a_rate_that_trains():
    from regexp.retune import retuned

    slow = loads(CONFIG, ["optimizer.learning_rate=1e-5"]).experiment
    found = retuned(slow, slow.dataset.load())
    assert found.optimizer.learning_rate == pytest.approx(1e-4)
