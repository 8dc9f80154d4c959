"""The displays, fed with events that no engine made."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from regexp.cli import progress
from regexp.cli.live import LiveDisplay
from regexp.cli.progress import Best, JsonLines, Lines, duration
from regexp.cli.results import closing, conventions, next_commands
from regexp.config import loads
from regexp.runs import Run
from regexp.runs.summary import summarize
from regexp.study.train import Advanced, Compiled, Finished, Prepared

TEXT = """\
dataset: {name: digits}
regularizers: {dropout: {rate: 0.5}, label_smoothing: {epsilon: 0.1}, early_stopping: {patience: 3}}
training: {epochs: 4, seeds: [0, 1]}
"""
EXPERIMENT = loads(TEXT).experiment
RUN = Run(Path("runs/a"))
PREPARED = Prepared(2, 1, 100, 20, 30, 1234, 4, 0, ("the newest checkpoint is damaged",), 2)


def row(epoch: int, seed: int, accuracy: float | None) -> dict:
    return {"epoch": epoch, "seed": seed, "loss/data": 0.5, "loss/l2": 0.25, "loss/total": 0.75,
            "validation/accuracy": accuracy, "validation/loss": None if accuracy is None else 1 - accuracy}  # fmt: skip


def summary(statuses=("done", "done")) -> dict:
    ends = {"done": ("stopped early", "epochs over"), "diverged": ("the loss is not finite at step 5",) * 2}
    lanes = [
        {"seed": seed, "status": status, "epochs": 3 + seed, "selected_epoch": 2, "reason": ends[status][seed]}
        for seed, status in enumerate(statuses)
    ]
    metrics = [{f"{part}/{name}": 0.5 + seed / 10 for part in ("test", "validation", "train")
                for name in ("accuracy", "balanced_accuracy", "nll", "loss")} for seed in (0, 1)]  # fmt: skip
    good = [status == "done" for status in statuses]
    return summarize([0, 1], good, lanes, metrics, metrics, {"epoch": "best", "monitor": "validation/loss"},
                     {"compile": 1.5, "train": 2.5}, 3)  # fmt: skip


def events() -> list:
    rows = [[row(epoch, seed, 0.1 * epoch + 0.1 * seed) for seed in (0, 1)] for epoch in (1, 2, 3, 4)]
    return [PREPARED, Compiled(1.5, 3), *(Advanced(i + 1.0, r) for i, r in enumerate(rows)), Finished(summary())]


def console(**options) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(**{"file": out, "width": 100, "_environ": {}} | options), out


def shown(display_class, run=RUN, **options) -> str:
    target, out = console(**options)
    with display_class(target, run, EXPERIMENT) as display:
        for event in events():
            display.event(event)
    return out.getvalue()


def test_lines_tell_everything_once(monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    text = shown(Lines)
    assert "warning: the newest checkpoint is damaged" in text
    assert "2 trials (1 setting x 2 seeds) -> 1 program; 100 train, 20 validation, 30 test" in text
    assert "conventions: dropout mode inverted; label_smoothing form others; adam style optax" in text
    assert "epoch 2/4  loss 0.5000  l2 0.2500  val/accuracy 0.2500  best val/loss 0.7500 at epoch 2  1 s left" in text
    assert "compiled in 1.5 s, trained in 2.5 s" in text
    assert "seed: 2 of 3, stopped early; 2 of 4" in text
    assert "next: regexp evaluate a\n" in text
    assert "--set regularizers.label_smoothing=false --name a-without-label_smoothing\n" in text
    assert "\x1b" not in text


def test_lines_are_seconds_apart():
    text = shown(Lines)
    assert len(re.findall(r"^epoch \d", text, re.M)) == 1


@pytest.mark.parametrize("width", [20, 40, 76, 200])
def test_the_live_display_fits_any_width(width):
    out = shown(LiveDisplay, width=width, force_terminal=True)
    assert "\x1b[?25l" in out  # the cursor goes
    assert out.rindex("\x1b[?25h") > out.rindex("\x1b[?25l")  # and comes back


def test_the_table_fits_forty_columns():
    target, out = console(width=40)
    closing(target, summary(), RUN, EXPERIMENT)
    table = [line for line in out.getvalue().splitlines() if line[:1] in "┃│"]
    assert all(len(line) <= 40 for line in table)
    assert "…" not in out.getvalue()
    assert out.getvalue().count("0.5500 ± 0.0707") == 9


def test_an_ascii_terminal_costs_no_run():
    out = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    closing(Console(file=out, width=100), summary(), RUN, EXPERIMENT)
    out.seek(0)
    assert "0.5500 +- 0.0707" in out.read()


def test_no_colour_where_none_is_wanted():
    out = shown(LiveDisplay, force_terminal=True, no_color=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", out)


def test_a_live_display_phase_by_phase():
    target, _ = console(force_terminal=True, width=60)
    display = LiveDisplay(target, RUN, EXPERIMENT)

    def now() -> str:
        with target.capture() as captured:
            target.print(display.render())
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", captured.get())

    assert "loading data" in now()
    display.event(PREPARED)
    assert "compiling" in now()
    display.event(Compiled(1.0, 1))
    assert "epoch 0/4" in now()
    display.event(Advanced(2.5, [row(2, 0, 0.5), row(2, 1, None)]))
    assert "epoch 2/4" in now()
    assert "val/accuracy 0.5000" in now()
    display.stopping()
    assert "Ctrl-C again" in now()
    display.event(Advanced(4.0, []))
    assert "evaluating" in now()


def test_programs_one_after_another_are_one_bar():
    display = Lines(console()[0], RUN, EXPERIMENT)
    display.event(replace(PREPARED, programs=2))
    display.event(Compiled(1.0, 2))
    for epoch, done in ((2.0, 2), (4.0, 4), (1.0, 5), (4.0, 8)):
        display.event(Advanced(epoch, []))
        assert display.done == done


def test_json_is_an_object_per_event_and_words_go_elsewhere(capsys):
    target, out = console()
    display = JsonLines(RUN, Lines(target, RUN, EXPERIMENT))
    display.warn("careful")
    for event in [*events(), Advanced(1.0, [row(1, 0, float("nan"))])]:
        display.event(event)
    lines = [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().out.splitlines()]
    names = [line["event"] for line in lines]
    assert names == ["warning", "prepared", "compiled", *["advanced"] * 4, "finished", "advanced"]
    assert all(line["run"] == "runs/a" for line in lines[1:])
    assert lines[-1]["rows"][0]["validation/accuracy"] is None
    assert "warning: careful" in out.getvalue()


def test_diverged_seeds_are_named_and_never_counted():
    target, out = console()
    closing(target, summary(("done", "diverged")), RUN, EXPERIMENT)
    assert "seed 1: diverged, the loss is not finite at step 5; in no mean" in out.getvalue()
    assert "0.5000" in out.getvalue()
    assert "0.5500" not in out.getvalue()
    target, out = console()
    closing(target, summary(("diverged", "diverged")), RUN, EXPERIMENT)
    assert (
        "next: regexp train runs/a/config.yaml --set optimizer.learning_rate=0.0001 --name a-slower" in out.getvalue()
    )


def test_hostile_names_are_inert():
    run = Run(Path("r[red]uns/\x1b]0;x\x07[bold]"))
    text = shown(Lines, run)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "r[red]uns/?]0;x?[bold]" in text


def test_next_commands_are_quoted_and_find_the_run():
    commands = list(next_commands(Run(Path("my runs/a b")), EXPERIMENT, trained=True))
    assert commands[0] == "regexp evaluate 'a b' --runs-dir 'my runs'"
    plain = loads("training: {epochs: 1}").experiment
    assert "--set regularizers.l2=true" in list(next_commands(RUN, plain, trained=True))[1]


def test_where_no_choice_has_a_name_there_is_no_convention():
    assert conventions(loads("optimizer: sgd").experiment) == ""


def test_best_is_the_largest_accuracy_or_the_smallest_error():
    best = Best("validation/accuracy")
    best.see([row(1, 0, 0.5), row(2, 0, 0.75), row(3, 0, 0.625)])
    assert str(best) == "best val/accuracy 0.7500 at epoch 2"
    best = Best("validation/rmse")
    best.see([{"epoch": e, "validation/rmse": v} for e, v in ((1, 3.0), (2, 2.0), (3, 2.5))])
    assert str(best) == "best val/rmse 2.0000 at epoch 2"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (41.2, "42 s"), (60, "1:00"), (3725, "1:02:05")])
def test_durations(seconds, text):
    assert duration(seconds) == text
