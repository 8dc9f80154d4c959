"""A sweep from plan to winner: one program, pairs, records, resume."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from regexp.config import load
from regexp.core.errors import Interrupted
from regexp.engine.lanes import compilations
from regexp.experiment import Trial
from regexp.runs import Run
from regexp.study.sweep import session as files
from regexp.study.sweep.events import Began, Concluded, Narrowed, Planned, Progress
from regexp.study.sweep.records import Store
from regexp.study.sweep.tasks import Ended
from regexp.study.sweep.trainer import block_size
from regexp.study.train import Session
from tests.study.lab import BASE, SWEEP, optuna_trials, records_of, run, store_of, sweeping


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """(the sweep, its folder, summary, events, compilations after each stage)."""
    folder = tmp_path_factory.mktemp("sweep")
    one = sweeping()
    events, counts = [], []
    with store_of(one, folder) as store:
        for event in one.events(store):
            if isinstance(event, Began | Concluded):
                counts.append(compilations())
            events.append(event)
    return one, folder, events[-1].summary, events, counts


def records(folder):
    return records_of(sweeping(), folder)


def notes(one, folder):
    with store_of(one, folder) as store:
        return store.notes()


def test_every_trial_that_was_announced_is_there(done):
    _, folder, summary, events, _ = done
    (plan,) = [e for e in events if isinstance(e, Planned)]
    assert plan.trials == [12, 6, 3]
    found = records(folder)
    assert [(r.stage, r.number) for r in found] == [(s, n) for s, count in enumerate(plan.trials) for n in range(count)]
    assert summary["trials"]["done"] == 21
    trials = optuna_trials(f"sqlite:///{folder / 'study.db'}", "study")
    assert {t.state.name for t in trials} == {"COMPLETE"}
    assert len(trials) == 21


def test_later_stages_compile_nothing(done):
    """Other ranges, lengths, numbers of trials and seeds; only the file's own structure, without methods, is new."""
    _, _, _, events, (first, second, confirming, end) = done
    assert first == second == confirming
    assert end - confirming == 3  # start, train and evaluate the file's own experiment
    assert next(e for e in events if isinstance(e, Planned)).programs == 2


def test_ranges_follow_the_best_and_the_change_is_kept(done):
    one, folder, _, events, _ = done
    (narrowed,) = [e for e in events if isinstance(e, Narrowed)]
    kept = notes(one, folder)["stage 2 ranges"]
    assert kept["changes"] == narrowed.lines
    ranges = kept["ranges"]
    for r in records(folder):
        if r.stage == 1:
            assert ranges["optimizer.learning_rate"][0] <= r.setting["optimizer.learning_rate"]
            assert r.setting["optimizer.learning_rate"] <= ranges["optimizer.learning_rate"][1]
    best = sorted((r for r in records(folder) if r.stage == 0), key=lambda r: (-r.value, r.number))
    carried = [r.setting for r in records(folder) if r.stage == 1][:1]
    assert carried == [best[0].setting]


def test_the_choice_sees_no_test_data(done):
    _, folder, _, _, _ = done
    for r in records(folder):
        parts = {name.partition("/")[0] for scores in r.scores for name in scores}
        assert parts == ({"validation"} if r.stage < 2 else {"train", "validation", "test"})


def test_the_winner_is_the_best_confirmed_on_seeds_that_no_stage_used(done):
    one, folder, summary, _, _ = done
    assert not set(one.fresh) & set(one.seeds)
    confirmed = [r for r in records(folder) if r.stage == 2 and r.number]
    best = max(confirmed, key=lambda r: (r.value, -r.number))
    assert summary["winner"]["setting"] == best.setting
    assert summary["winner"]["confirmed"]["validation/accuracy"]["mean"] == pytest.approx(best.value)
    (pair,) = summary["winner"]["against_base"]
    assert pair["metric"] == "test/accuracy"
    assert pair["difference"]["mean"] == pytest.approx(np.mean(np.subtract(pair["winner"], pair["base"])))


def test_a_trial_is_what_train_makes_of_the_same_setting(done):
    """The whole command's scores for one confirmed setting, lane by lane, to rounding."""
    one, folder, _, _, _ = done
    record = next(r for r in records(folder) if r.stage == 2 and r.number == 1)
    experiment = one.search.space.experiment(record.setting, 3, as_file=True)
    experiment = replace(experiment, training=replace(experiment.training, seeds=tuple(one.fresh)))
    session = Session(experiment, one.data, Run.create(folder, "alone"))
    summary = list(session.events())[-1].summary
    for name in ("validation/loss", "test/loss", "test/accuracy"):
        assert summary["metrics"][name]["values"] == pytest.approx([s[name] for s in record.scores], rel=2e-3)


def test_settings_are_paired(done):
    """Two settings that say the same give the same, wherever they stand in whichever block."""
    one, _, _, _, _ = done
    setting = {p.path: p.at(0.5) for p in one.space}
    other = setting | {"optimizer.learning_rate": 1e-3}
    trials = [Trial(experiment=one.space.experiment(s, 2), seed=0) for s in [setting, *[other] * 13, setting]]
    found = {}
    for event in one.blocks.train(trials):
        if isinstance(event, Ended):
            found |= event.outcomes
    assert found[0] == found[14]
    assert found[0] != found[1]


@pytest.mark.slow
def test_a_setting_that_diverges_is_kept_with_its_step_and_never_wins(tmp_path):
    text = BASE.replace("adam, learning_rate: 1.0e-2", "sgd, learning_rate: 1.0e-2") + SWEEP.replace(
        "[1.0e-4, 1.0e-1]", "[1.0e-3, 1.0e+30]"
    ).replace("{top: 2, seeds: 2}", "{top: 1, seeds: 2}")
    one = sweeping(text)
    summary, events = run(one, tmp_path)
    lost = [r for r in records_of(one, tmp_path) if r.status == "diverged"]
    assert len(lost) == summary["trials"]["diverged"] > 0
    assert all(r.step is not None and r.value is None and f"step {r.step}" in r.reason for r in lost)
    assert summary["winner"]["setting"]["optimizer.learning_rate"] < 1e10
    states = [t.state.name for t in optuna_trials(f"sqlite:///{tmp_path / 'study.db'}", "study")]
    assert states.count("FAIL") == len(lost)
    assert max(e.running for e in events if isinstance(e, Progress)) > 0
    assert max(e.failed for e in events if isinstance(e, Progress)) > 0


@pytest.mark.slow
def test_a_setting_that_cannot_be_trained_is_kept_with_the_reason(tmp_path, monkeypatch):
    """The warmup of the schedule is longer than some lengths of the training."""
    space = "    optimizer.schedule.warmup: {uniform: [0.0, 6.0]}\n"
    text = BASE.replace("1.0e-2}", "1.0e-2, schedule: {name: cosine}}") + SWEEP.replace(
        "  stages:", f"{space}  stages:"
    )
    one = sweeping(text)
    summary, _ = run(one, tmp_path)
    failed = [r for r in records_of(one, tmp_path) if r.status == "failed"]
    assert len(failed) == summary["trials"]["failed"] > 0
    assert all("longer than the run" in r.reason for r in failed)
    assert any(" failed: " in w and "longer than the run" in w for w in summary["warnings"])


@pytest.mark.slow
def test_halving_trains_the_best_longer(tmp_path):
    text = BASE + SWEEP.replace("{trials: 12, epochs: 2}", "{trials: 12, epochs: 4, halving: 2}")
    one = sweeping(text)
    summary, events = run(one, tmp_path)
    first = [r for r in records_of(one, tmp_path) if r.stage == 0]
    assert sorted((r.status, r.epochs) for r in first) == sorted(
        [("pruned", 1)] * 6 + [("pruned", 2)] * 3 + [("done", 4)] * 3
    )
    whole = run(sweeping(text.replace(", halving: 2", "")), _made(tmp_path / "whole"))[0]
    assert summary["trials"]["pruned"] == 9
    assert whole["trials"]["pruned"] == 0
    finished = {r.number: r.value for r in first if r.status == "done"}
    without = {r.number: r.value for r in records_of(sweeping(text.replace(", halving: 2", "")), tmp_path / "whole")
               if r.stage == 0}  # fmt: skip
    assert finished == {n: without[n] for n in finished}  # stopping and going on changes nothing
    lines = [line for event in events if isinstance(event, Narrowed) for line in event.lines]
    always = [line for line in lines if "dropout.rate" not in line]
    assert always
    assert all("(best 5 of 12" in line for line in always)  # 0.34 of 12, not the 3 that went on to the end
    assert summary["importance"].keys() == {p.path for p in one.space}


def _made(path):
    path.mkdir()
    return path


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_resumed_after_an_interrupt_the_table_is_the_same(done, tmp_path, stop_after):
    _, folder, summary, _, _ = done
    one = sweeping()
    calls = iter([0] * stop_after)
    one.blocks.executor.trainer.interrupted = lambda: next(calls, 2)
    with pytest.raises(Interrupted):
        run(one, tmp_path)
    before = records_of(one, tmp_path)
    again = sweeping()
    trained = []
    real = again._record
    again._record = lambda index, number, *rest: (trained.append((index, number)), real(index, number, *rest))[1]
    resumed, _ = run(again, tmp_path)
    assert not {(r.stage, r.number) for r in before} & set(trained)  # none is trained twice
    assert records_of(again, tmp_path) == records(folder)
    assert resumed["winner"] == summary["winner"]


@pytest.mark.slow
def test_an_adaptive_sampler_is_asked_in_batches(tmp_path):
    one = sweeping(BASE + SWEEP.replace("epochs: 2}", "epochs: 2, sampler: tpe}"))
    run(one, tmp_path)
    kept = notes(one, tmp_path)
    sizes = [len(kept[f"stage 1 settings {n}"]) for n in range(1, 7)]
    assert sizes == [2] * 6


def test_the_database_may_be_away_for_a_while(done, tmp_path, monkeypatch):
    from sqlalchemy.exc import OperationalError

    one = sweeping()
    calls = []

    def away(trials):
        calls.append(len(trials))
        if 1 < len(calls) < 6:
            raise OperationalError("insert", {}, Exception("server closed the connection"))
        real(trials)

    with store_of(one, tmp_path) as store:
        real = store.database.add
        monkeypatch.setattr(store.database, "add", away)
        list(one.events(store))
    assert len(calls) > 6
    assert records_of(one, tmp_path) == records(done[1])


def test_blocks_fit_the_stages():
    assert block_size([(16, 10)], 2, 2, 32) == 16
    assert block_size([(64, 3), (32, 12), (36, 40), (20, 40)], 2, 2, 32) == 8  # (2 + 8) a step: 24 + 48 + 200 + 120
    assert block_size([(3, 1)], 2, 2, 32) == 4
    assert block_size([(1000, 1)], 2, 2, 32) == 32
    assert block_size([(1000, 1)], 1, 2, 1) == 1
    assert block_size([(512, 1), (8, 100)], 1, 0, 1024) == 8


def test_the_store_refuses_what_is_not_there(tmp_path):
    from regexp.core.errors import RunError, UsageError

    one = sweeping()
    url = f"sqlite:///{tmp_path / 'other.db'}"
    Store.create(tmp_path, "study", url, one.space, False).close()
    with pytest.raises(UsageError, match="has a study study already"):
        Store.create(tmp_path, "study", url, one.space, False).close()
    with pytest.raises(UsageError, match="no study nothing"):
        Store.open(tmp_path, "nothing", url, one.space)
    with closing(Store.resume(tmp_path, "nothing", url, one.space, False)) as store:
        assert store.records() == []
    with pytest.raises(RunError, match="cannot be used") as caught:
        Store.open(tmp_path, "study", "sqlite:////no/such/folder/x.db", one.space)
    assert "Traceback" not in str(caught.value)


def test_the_winners_file_trains(done, tmp_path):
    one, _, summary, _, _ = done
    folder = Run.create(tmp_path, "winner")
    files._write_winner(one, summary, folder)
    written = load(folder.path / "winner.yaml").experiment
    assert written.training.seeds == tuple(one.fresh)
    assert written.training.epochs == 3
    assert written.optimizer.learning_rate == summary["winner"]["setting"]["optimizer.learning_rate"]
    names = [method.name for method in written.regularizers]
    assert ("dropout" in names) == summary["winner"]["setting"]["regularizers.dropout"]
    assert json.dumps(summary)


def test_without_confirmation_the_best_of_the_last_stage_wins_and_is_warned_of(tmp_path):
    one = sweeping(BASE + SWEEP.replace("confirm: {top: 2, seeds: 2}", "confirm: null"))
    summary, events = run(one, tmp_path)
    last = [r for r in records_of(one, tmp_path) if r.stage == 1]
    assert summary["winner"]["setting"] == max(last, key=lambda r: (r.value, -r.number)).setting
    assert summary["winner"]["confirmed"] is None
    assert "nothing was confirmed: the score has selection bias, the best of N is optimistic" in summary["warnings"]
    assert events[0].programs == 1


def test_structures_are_counted():
    """Three lengths of a batch times two models, and the file's own; a number of epochs is no structure."""
    more = """\
    training.batch_size: {int_uniform: [15, 17]}
    model.hidden: {choice: [[6], [4, 4]]}
    regularizers.early_stopping.patience: {int_uniform: [3, 9]}
  stages:
"""
    assert sweeping(BASE + SWEEP.replace("  stages:\n", more)).plan.programs() == 3 * 2 + 1
    assert sweeping(BASE + SWEEP.replace("regularizers.dropout:", "regularizers.batch_norm:")).plan.programs() == 3


def test_lanes_that_diverged_leave_at_a_rung(tmp_path):
    text = BASE.replace("adam, learning_rate: 1.0e-2", "sgd, learning_rate: 1.0e-2") + SWEEP.replace(
        "[1.0e-4, 1.0e-1]", "[1.0e+10, 1.0e+30]"
    ).replace("epochs: 2}", "epochs: 4, halving: 2}").replace("{top: 2, seeds: 2}", "null")
    one = sweeping(text)
    summary, _ = run(one, tmp_path)
    assert {(r.status, r.epochs) for r in records_of(one, tmp_path) if r.stage == 0} == {("diverged", 1)}
    assert summary["status"] == "failed"


def test_a_block_that_does_not_fit_is_halved(done, tmp_path, monkeypatch):
    """Memory for four lanes: the table is the one of the larger blocks."""
    import jax

    from regexp.engine.group import Group

    real = Group.compile

    def small(group):
        if len(group.trials) > 4:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory allocating 1 byte")
        real(group)

    one = sweeping()
    one.planned()
    one.blocks.measured = replace(one.blocks.measured, size=12)
    monkeypatch.setattr(Group, "compile", small)
    plan = Planned([12, 6, 3], 30, 2, 12, 100, 1.0, 1.0, 1.0)
    run(one, tmp_path, plan)
    assert one.blocks.executor.trainer.fitting == 3
    for mine, theirs in zip(records_of(one, tmp_path), records(done[1]), strict=True):
        assert (mine.setting, mine.status) == (theirs.setting, theirs.status)
        assert mine.value == pytest.approx(theirs.value, rel=1e-3)


def test_a_block_that_fails_is_kept_as_failed(tmp_path, monkeypatch):
    import jax

    from regexp.engine.group import Group

    one = sweeping()
    plan = one.planned()

    def broken(group, steps):
        raise jax.errors.JaxRuntimeError("INTERNAL: the device is gone\nand more")

    monkeypatch.setattr(Group, "advance", broken)
    assert run(one, tmp_path, plan)[0]["status"] == "failed"
    found = records_of(one, tmp_path)
    assert {(r.status, r.reason) for r in found} == {("failed", "INTERNAL: the device is gone")}
    assert [r.stage for r in found].count(1) == 6


def test_a_resumed_halving_keeps_as_many_as_were_announced(tmp_path):
    """Killed after the first rung's trials are recorded: the survivors are not halved again."""
    text = BASE + SWEEP.replace("{trials: 12, epochs: 2}", "{trials: 12, epochs: 4, halving: 2}")
    whole = sweeping(text)
    run(whole, _made(tmp_path / "whole"))
    one, stopped = sweeping(text), _made(tmp_path / "stopped")
    with store_of(one, stopped) as store, closing(one.events(store)) as events:
        first = next(e for e in events if isinstance(e, Progress) and e.ended)
        assert {r.status for r in first.ended} == {"pruned"}
        store.flush()
    again = sweeping(text)
    run(again, stopped)
    assert records_of(again, stopped) == records_of(whole, tmp_path / "whole")


def test_an_adaptive_stage_needs_lanes_for_a_batch():
    one = sweeping(BASE + SWEEP.replace("{trials: 12, epochs: 2}", "{trials: 20, epochs: 4, sampler: tpe, halving: 2}"))
    batch = [(3, 1), (1, 1), (1, 2)]
    assert one.plan.needs() == [*batch * 6, (2, 1), (1, 1), (1, 2), (12, 3), (6, 3)]
    assert one.planned().lanes == 20 + 6 * 2 + 3 * 2
