"""`regexp ablate`: the arms, what they share, and what is said about them."""

from __future__ import annotations

import json
from itertools import combinations

import jax
import pytest

from regexp.cli.ablate import _folder
from regexp.config import load, loads
from regexp.core.errors import UsageError
from regexp.engine.scores import score_names
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.parameters.l2 import L2
from regexp.report.ablation import contrast, judge_contrasts
from regexp.statistics.contrasts import contributions
from regexp.study.ablate import arms, neutral
from regexp.study.retune import is_at_edge, retuned
from tests.cli.command import inside, regexp
from tests.lab import experiment

pytestmark = pytest.mark.slow  # whole ablations

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
    found = {(family, *methods): weights for family, methods, weights in contributions(["a", "b"])}
    plus, minus = contrast(found["together", "a", "b"], values)
    assert {s: plus[s] - minus[s] for s in plus} == {0: 4.0, 1: 4.5}
    plus, minus = contrast(found["leave one out", "a"], values)
    assert {s: plus[s] - minus[s] for s in plus} == {0: 3.0, 1: 3.5}
    plus, minus = contrast(found["alone", "b"], values)
    assert {s: plus[s] - minus[s] for s in plus} == {0: 1.0, 1: 1.0}
    plus, minus = contrast(found["interaction", "a", "b"], values)
    assert {s: plus[s] - minus[s] for s in plus} == {0: 1.0, 1: 2.0}


def test_a_method_that_always_helps_is_told_to_help_and_where_smaller_is_better_to_hurt():
    values = {frozenset({"l2"}): {s: 0.9 + s / 1000 for s in range(10)}, frozenset(): dict.fromkeys(range(10), 0.8)}
    for smaller, word in ((False, "helps"), (True, "hurts")):
        found = judge_contrasts(["l2"], values, smaller)
        assert [(one.family, one.what, one.word) for one in found] == [
            ("leave one out", "l2", word),
            ("alone", "l2", word),
        ]
        assert found[0].verdict.comparison.difference == pytest.approx(0.1045)


def test_holm_counts_the_rows_of_a_family_and_interactions_have_words_of_their_own():
    names = ["a", "b", "c"]
    sizes = {frozenset(own): len(own) for k in range(4) for own in combinations(names, k)}
    values = {own: {s: 0.1 * size**2 + s / 10**6 * size for s in range(8)} for own, size in sizes.items()}
    found = judge_contrasts(names, values, False)
    assert {one.family: one.word for one in found} == {
        "together": "helps", "leave one out": "helps", "alone": "helps", "interaction": "more together"
    }  # fmt: skip
    least = 2 / 2**8
    assert {one.family: one.verdict.p for one in found} == pytest.approx(
        {"together": least, "leave one out": 3 * least, "alone": 3 * least, "interaction": 3 * least}
    )


def test_without_the_arms_of_every_two_there_are_no_interactions():
    names = ["a", "b", "c", "d"]
    own = [set(names), set(), *({n} for n in names), *(set(names) - {n} for n in names)]
    found = judge_contrasts(names, {frozenset(arm): dict.fromkeys(range(6), 0.5 + len(arm)) for arm in own}, False)
    assert [one.family for one in found] == ["together"] + 4 * ["leave one out"] + 4 * ["alone"]


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
    arms_there = {path.name for path in root.iterdir() if path.is_dir()}
    assert arms_there == {"all", "without-l2", "without-dropout", "none"}
    summaries = {name: json.loads((root / name / "summary.json").read_text()) for name in arms_there}
    manifest = json.loads((root / "manifest.json").read_text())
    assert (manifest["kind"], manifest["methods"], manifest["retune"]) == ("ablation", ["l2", "dropout"], None)
    assert manifest["arms"].keys() == arms_there
    assert set(manifest["step_time"]) == {"l2", "dropout"}
    assert {s["status"] for s in summaries.values()} == {"done"}
    assert sorted(s["compilations"] > 0 for s in summaries.values()) == [False, False, False, True]
    for words in (
        "leave one out",
        "alone",
        "arms were not retuned",
        "step time",
        "undecided",
        "All 2 methods together",
    ):
        assert words in text
    html = (folder / "page.html").read_text()
    for words in (
        "Ablation wine-ablation",
        "All 2 methods together",
        "contribution of each method",
        "step time of each",
    ):
        assert words in html


def test_again_it_trains_nothing_and_another_config_is_refused(ablated):
    folder, _ = ablated
    again = regexp("ablate", folder / "wine.yaml", "--runs-dir", folder / "runs", "--no-cost")
    assert again.stdout.count("done before") == 4
    costs = json.loads((folder / "runs" / "wine-ablation" / "manifest.json").read_text())["step_time"]
    assert f"{costs['l2']:.2f}x" in again.stdout  # as measured before
    tuned = regexp("ablate", folder / "wine.yaml", "--runs-dir", folder / "runs", "--retune", "learning_rate")
    assert tuned.returncode == 2
    assert "another --retune" in tuned.stderr
    other = regexp("ablate", folder / "wine.yaml", "--set", "training.epochs=4", "--runs-dir", folder / "runs")
    assert other.returncode == 2
    assert "trained with another config" in other.stderr


def test_a_metric_that_no_arm_will_have_is_refused_before_anything_is_trained(tmp_path, capsys):
    (tmp_path / "wine.yaml").write_text(CONFIG)
    where = (tmp_path / "wine.yaml", "--runs-dir", tmp_path / "runs")
    assert inside("ablate", *where, "--metric", "test/nope") == 2
    assert "--metric test/nope: the arms will have train/loss, train/accuracy" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("dataset", "evaluation"),
    [("{name: wine}", "{mc_samples: 2, attacks: {epsilons: [0.1, 1.0e-5], steps: 2}}"),
     ("{name: diabetes, validation: 0.0}", "{mc_samples: 2}")],
)  # fmt: skip
def test_the_metrics_that_the_arms_will_have_are_those_of_a_run(dataset, evaluation, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"dataset: {dataset}\nmodel: {{name: linear}}\nregularizers: {{dropout: {{input_rate: 0.1}}}}\n"
        f"training: {{epochs: 1}}\nevaluation: {evaluation}\n"
    )
    assert inside("train", config, "--runs-dir", tmp_path, "--name", "run", "--quiet") == 0
    experiment = load(config).experiment
    found = json.loads((tmp_path / "run" / "summary.json").read_text())["metrics"]
    assert set(score_names(experiment, experiment.dataset.load().task)) == set(found)


def test_report_reads_the_ablation(ablated):
    folder, text = ablated
    done = regexp("report", "--runs-dir", folder / "runs")
    assert done.returncode == 0, done.stderr
    title = "Ablation wine-ablation: what each method contributes to test/accuracy"
    assert done.stdout[done.stdout.index(title) :].strip() == text[text.index(title) :].strip()


def test_an_arm_that_was_killed_before_it_was_a_run_is_begun_again(tmp_path):
    (arm, *_) = arms(loads(CONFIG).experiment)
    (tmp_path / arm.name / "checkpoints").mkdir(parents=True)
    loaded, run, resume = _folder(arm, tmp_path, False, "cpu")
    run.close()
    assert (run.name, loaded.experiment, resume) == ("all", arm.experiment, False)


def test_retuning_finds_a_rate_that_trains():
    slow = loads(CONFIG, ["optimizer.learning_rate=1e-5"]).experiment
    found = retuned(slow, slow.dataset.load())
    assert found.optimizer.learning_rate == pytest.approx(1e-4)
    assert is_at_edge(found, slow)
    assert not is_at_edge(slow, slow)


def test_a_rate_at_the_edge_of_the_range_is_told(tmp_path, capsys):
    """At 1e-5 nothing trains in three epochs: the greatest of the rates tried is the best of every arm."""
    (tmp_path / "wine.yaml").write_text(CONFIG.replace("dropout: {rate: 0.3}", ""))
    tuned = ("--set", "optimizer.learning_rate=1e-5", "--retune", "learning_rate", "--no-cost")
    assert inside("ablate", tmp_path / "wine.yaml", "--runs-dir", tmp_path / "runs", *tuned) == 0
    said = "best value at the edge of the range searched, so a better one may lie beyond: all, without-l2"
    assert said in capsys.readouterr().out
    manifest = json.loads((tmp_path / "runs" / "wine-ablation" / "manifest.json").read_text())
    assert manifest["at_edge"] == ["all", "without-l2"]
