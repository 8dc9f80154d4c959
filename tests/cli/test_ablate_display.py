"""What `regexp ablate` shows while it trains: arms done, the arm in training, the time left."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from regexp.cli import ablate_display
from regexp.cli.ablate_display import (
    AblationLines,
    AblationLive,
    ArmBegan,
    ArmEnded,
    ArmEvents,
    Costing,
    Failures,
    Planned,
    Retuning,
)
from regexp.cli.progress import Display, JsonLines
from regexp.config import loads
from regexp.datasets.loading import load_data
from regexp.runs import Run
from regexp.study.retune import FACTORS, retuned, share_of_work
from regexp.study.train import Advanced, Prepared
from tests.cli.command import CONFIG, ROOT, inside

EXPERIMENT = loads("training: {epochs: 10, seeds: [0, 1]}").experiment
ROWS = [{"epoch": 5, "seed": 0, "loss/data": 0.5, "loss/total": 0.5, "validation/accuracy": 0.75}]
PREPARED = Prepared(2, 1, 100, 20, 30, 1234, 10, 0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def made(kind: type[AblationLines], width: int = 80, retune_share: float = 0.0) -> tuple[AblationLines, Clock]:
    clock = Clock()
    console = Console(
        file=io.StringIO(), width=width, force_terminal=kind is AblationLive, color_system=None, _environ={}
    )
    display = kind(console, retune_share, clock)
    display.event(Planned(4, 2, "runs/x"))
    return display, clock


def train(display: AblationLines, tmp_path, number: int, name: str, epochs: float) -> None:
    display.event(ArmBegan(number, name))
    training = ArmEvents(display, Run(tmp_path / name), EXPERIMENT)
    training.event(PREPARED)
    training.event(Advanced(epochs, ROWS))


def rendered(display: AblationLive) -> str:
    with display.console.capture() as capture:
        display.console.print(display.render())
    return capture.get()


@pytest.mark.parametrize("kind", [AblationLines, AblationLive])
def test_the_time_left_is_that_of_all_arms(kind, tmp_path):
    """After the first tenth of an arm it counts: from there an arm takes 10 s here."""
    display, clock = made(kind)
    train(display, tmp_path, 1, "all", 1.0)
    assert display.seconds_left() is None
    clock.now += 9
    display.event(ArmEnded(1, "all", "done", "accuracy 0.9"))
    assert display.seconds_left() == pytest.approx(30)
    clock.now += 5
    train(display, tmp_path, 2, "none", 5.0)
    assert display.seconds_left() == pytest.approx(25)
    display.event(ArmEnded(4, "last", "done", "accuracy 0.9"))
    display.number = 4
    assert display.seconds_left() is None


def test_the_search_for_a_learning_rate_is_part_of_an_arm():
    display, clock = made(AblationLines, retune_share=0.8)
    display.event(ArmBegan(1, "all"))
    display.event(Retuning("all", 0.25))
    clock.now += 10
    display.event(Retuning("all", 0.75))
    assert display.share == pytest.approx(0.6)
    assert display.seconds_left() == pytest.approx(10 / 0.4 * 3.4)
    assert share_of_work(EXPERIMENT) == pytest.approx(len(FACTORS) * 2 / (len(FACTORS) * 2 + 2))


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_live_display_fits_any_width_and_says_where_it_is(width, tmp_path):
    display, clock = made(AblationLive, width)
    train(display, tmp_path, 1, "all", 1.0)
    clock.now += 9
    display.event(ArmEnded(1, "all", "done", "accuracy 0.9"))
    train(display, tmp_path, 2, "without-l2", 5.0)
    shown = rendered(display)
    assert max(map(len, shown.splitlines())) <= width
    if width >= 40:
        assert "1/4 arms done" in shown
        assert "left" in shown
        assert "without-l2: epoch 5/10" in re.sub(r"\s+", " ", shown)
    display.event(ArmEnded(4, "none", "done", "accuracy 0.9"))
    display.event(Costing())
    if width >= 80:
        assert "4/4 arms done" in rendered(display)
        assert "measuring what each method costs" in rendered(display)


def test_plain_lines_come_for_each_arm_and_at_most_every_two_seconds(tmp_path):
    display, clock = made(AblationLines)
    train(display, tmp_path, 1, "all", 1.0)
    clock.now += 3
    display.event(Advanced(5.0, ROWS))
    display.event(Advanced(6.0, ROWS))
    display.event(ArmEnded(1, "all", "done", "accuracy 0.9"))
    lines = display.console.file.getvalue().splitlines()
    assert lines[0] == "4 arms x 2 seeds, in runs/x"
    assert lines[1].startswith("[1/4] all  epoch 5/10  loss 0.5000  val/accuracy 0.7500")
    assert lines[1].endswith("left")
    assert lines[2:] == ["[1/4] all: accuracy 0.9"]


def test_an_arm_that_was_done_before_is_not_counted_as_work():
    display, clock = made(AblationLines)
    for number in (1, 2):
        clock.now += 1
        display.event(ArmEnded(number, "x", "done before", "done before"))
    assert display.began is None


def test_a_failed_arm_is_told_on_standard_error_even_by_the_quiet_display(capsys):
    for display in (made(AblationLines)[0], Failures(), JsonLines(None, Failures())):
        display.event(ArmEnded(2, "none", "failed", "failed: out of memory"))
        assert "none: failed: out of memory" in capsys.readouterr().err


def test_a_user_chooses_json_or_silence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wine.yaml").write_text(CONFIG)
    assert inside("ablate", "wine.yaml", "--quiet", "--no-cost", "--html", "page.html") == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "page.html").exists()
    assert inside("ablate", "wine.yaml", "--json", "--quiet", "--no-cost", "--name", "again") == 0
    out, errors = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert errors == ""
    assert [e["event"] for e in events if e["event"] in ("planned", "armbegan", "armended", "concluded")] == [
        "planned", "armbegan", "armended", "armbegan", "armended", "concluded"
    ]  # fmt: skip
    assert {e["run"] for e in events if e["event"] == "advanced"} == {"runs/again/all", "runs/again/without-dropout"}
    assert not any("run" in e for e in events if e["event"].startswith("arm"))
    (ablation,) = events[-1]["ablations"]
    assert [row["family"] for row in ablation["contributions"]] == ["leave one out", "alone"]


def test_the_search_reports_its_progress_and_finds_the_same_rate():
    experiment = loads(CONFIG).experiment
    data, shares = load_data(experiment.dataset), []
    rate = retuned(experiment, data, shares.append).optimizer.learning_rate
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert rate == retuned(experiment, data).optimizer.learning_rate


def test_show_takes_the_display_of_the_terminal(monkeypatch):
    for terminal, kind in ((True, AblationLive), (False, AblationLines)):
        monkeypatch.setattr(
            ablate_display, "Console", lambda terminal=terminal: Console(force_terminal=terminal, _environ={})
        )
        assert type(ablate_display.show(False, False, 0.0)) is kind
    assert isinstance(ablate_display.show(True, False, 0.0), Display)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--retune", "learning_rate"]])
def test_an_interrupted_ablation_says_the_command_that_continues_it(options, tmp_path):
    """Interrupted while it trains or searches; the printed command ends with every arm done."""
    import shlex

    config, runs = tmp_path / "my wine.yaml", tmp_path / "my runs"
    config.write_text(CONFIG.replace("epochs: 8", "epochs: 3000"))
    arguments = ["ablate", str(config), "--runs-dir", str(runs), "--name", "a b", "--no-cost", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "regexp", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    folder = runs / "a b"
    while process.poll() is None and not (folder / ("manifest.json" if options else "all/metrics.jsonl")).exists():
        time.sleep(0.02)
    time.sleep(1.5 if options else 0.1)  # in the search, where nothing is written yet
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors
    command = shlex.split(errors.strip().splitlines()[-1].partition("continue with: ")[2])
    assert command == ["regexp", *arguments]
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "all" / "manifest.json").read_text())["status"] == "done"
