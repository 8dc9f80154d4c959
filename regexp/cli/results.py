"""What a run says of itself: its conventions before, its table, lanes, times and the next commands after."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from regexp.core.escaping import safe

if TYPE_CHECKING:
    from regexp.experiment import Experiment
    from regexp.runs import Run

MC = ("accuracy", "nll", "ece", "entropy", "mutual_information", "rmse", "spread")
WIDE = 76  # columns that the table of three splits takes; below, one table for each


def conventions(experiment: Experiment) -> str:
    """`dropout mode inverted; adam style optax`: the named choices in force, where books and libraries differ."""
    parts: list[Any] = [experiment.model.initializer, *experiment.regularizers, experiment.optimizer]
    return "; ".join(
        f"{part.name} {field.name} {value}"
        for part in parts
        for field in dataclasses.fields(part)
        if isinstance(value := getattr(part, field.name), str) and field.name not in ("monitor", "unit")
    )


def metrics_table(metrics: Mapping[str, Any], seeds: int, console: Console) -> Group:
    """Mean and standard deviation over seeds: a row per metric, a column per split; one below another if narrow."""
    parts = [p for p in ("test", "validation", "train") if any(name.startswith(f"{p}/") for name in metrics)]
    title = f"mean {_plus_minus(console)} standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    groups = [parts] if console.width >= WIDE else [[part] for part in parts]
    return Group(Text(title, "italic"), *(_table(metrics, group, console) for group in groups))


def _table(metrics: Mapping[str, Any], parts: Sequence[str], console: Console) -> Table:
    table = Table()
    table.add_column("metric", no_wrap=True)
    for part in parts:
        table.add_column(part, justify="right", no_wrap=True)
    names = list(dict.fromkeys(name.partition("/")[2] for name in metrics if name.partition("/")[0] in parts))
    for name in [n for n in names if n != "loss" or "nll" not in names]:  # for classes the two are one number
        table.add_row(name, *(spread(metrics.get(f"{part}/{name}"), _plus_minus(console)) for part in parts))
    return table


def _plus_minus(console: Console) -> str:
    return "±" if console.encoding.startswith("utf") else "+-"


def spread(number: Mapping[str, Any] | None, sign: str = "±") -> str:
    """`0.9812 ± 0.0031`."""
    if number is None or number["mean"] is None:
        return "-"
    digits = 4 if abs(number["mean"]) < 100 else 1
    if number["std"] is None:
        return f"{number['mean']:.{digits}f}"
    return f"{number['mean']:.{digits}f} {sign} {number['std']:.{digits}f}"


def closing(console: Console, summary: Mapping[str, Any], run: Run, experiment: Experiment) -> None:
    """The table at the end, how each seed ended, where everything is and what to try next."""
    good = [lane for lane in summary["lanes"] if lane["status"] != "diverged"]
    if good:
        seeds = len(summary["seeds"]) - len({x["seed"] for x in summary["lanes"] if x["status"] == "diverged"})
        console.print(metrics_table(summary["metrics"], seeds, console))
        for sentence in _beside(summary, _plus_minus(console)):
            _say(console, sentence, "")
    for lane in summary["lanes"]:
        if lane["status"] == "diverged":
            _say(console, f"seed {lane['seed']}: diverged, {lane['reason']}; in no mean", "red")
    if good:
        _say(console, _epochs(good, summary["selection"]), "dim")
    for warning in summary["warnings"]:
        _say(console, f"warning: {warning}", "yellow")
    seconds = summary["seconds"]
    _say(console, f"compiled in {seconds['compile']:.1f} s, trained in {seconds['train']:.1f} s", "dim")
    _say(console, f"run: {run.path}", "bold")
    for command in next_commands(run, experiment, bool(good)):
        _say(console, f"next: {command}", "dim")


def _beside(summary: Mapping[str, Any], sign: str) -> Iterator[str]:
    """What a method adds to the table: an ensemble's members, the gap between running statistics, the refit."""
    metrics = summary["metrics"]
    metric = _headline(metrics)
    part, name = metric.split("/")
    if ensemble := summary.get("ensemble"):
        parts = [
            f"{kind.replace('_', ' ')} {spread(ensemble[kind][metric], sign)}" for kind in ("members", "best_member")
        ]
        if name in ensemble.get("out_of_bag", {}):
            parts.append(f"out of bag {spread(ensemble['out_of_bag'][name], sign)}")
        yield f"ensemble: {part} {name} {spread(metrics[metric], sign)}; {'; '.join(parts)}"
    for kind in sorted({n.partition("/")[0] for n in metrics}, key=lambda kind: (kind != "mc", kind)):
        if kind == "mc":
            parts = [f"{n.partition('/')[2].replace('_', ' ')} {spread(v, sign)}" for n, v in metrics.items()
                     if n.startswith("mc/") and n.partition("/")[2] in MC]  # fmt: skip
            yield f"Monte Carlo: test {', '.join(parts)}"
        elif kind.startswith(("fgsm-", "pgd-")):
            attack, _, size = kind.partition("-")
            yield f"under {attack.upper()}, epsilon {size}: test {name} {spread(metrics[f'{kind}/{name}'], sign)}"
    if statistics := summary.get("running_statistics"):
        gaps = statistics["population_minus_ema"]  # of a refit without the validation split, which it trains on
        shown = _headline(gaps)
        if (gap := gaps[shown]["mean"]) is not None:
            words = shown.replace("/", " ")
            yield f"batch statistics: {statistics['used']} used; {words} with population minus ema {gap:+.4f}"
    if refit := summary.get("refit"):
        lengths = ", ".join(map(str, refit["values"]))
        yield f"refit on training + validation data for {lengths} {refit['unit']}; validation is from before"


def _headline(metrics: Mapping[str, Any]) -> str:
    """Accuracy or RMSE of the test split, else of the validation split, else of the training split."""
    names = [f"{part}/{name}" for part in ("test", "validation", "train") for name in ("accuracy", "rmse")]
    return next(name for name in names if name in metrics)


def _epochs(lanes: Sequence[Mapping[str, Any]], selection: Mapping[str, str]) -> str:
    how = f"best {selection['monitor']}" if selection["epoch"] == "best" else "the last"
    stopped = {True: ", stopped early", False: ""}
    each = [f"{x['selected_epoch']} of {x['epochs']}{stopped[x['reason'] == 'stopped early']}" for x in lanes]
    alike = f"{each[0]}, every seed" if len(set(each)) == 1 < len(each) else "; ".join(each)
    return f"epoch measured ({how}), by seed: {alike}"


def next_commands(run: Run, experiment: Experiment, trained: bool) -> Iterator[str]:
    """Commands that work as they stand: measure this run again, train it with one method switched.

    After a run whose seeds all diverged (not `trained`): the same with a tenth of the learning rate.
    """
    folder, config = run.path.parent, str(run.path / "config.yaml")
    where = [] if folder == Path("runs") else ["--runs-dir", str(folder)]
    if trained:
        yield shlex.join(["regexp", "evaluate", run.name, *where])
        setting, suffix = _switch(experiment)
    else:
        setting, suffix = f"optimizer.learning_rate={experiment.optimizer.learning_rate / 10:g}", "slower"
    yield shlex.join(["regexp", "train", config, "--set", setting, "--name", f"{run.name}-{suffix}", *where])


def _switch(experiment: Experiment) -> tuple[str, str]:
    """(setting, suffix of the name) that switches the last regularizer off, or l2 on where there is none."""
    methods = [method.name for method in experiment.regularizers if method.acts_on() != "loop"]
    return (
        (f"regularizers.{methods[-1]}=false", f"without-{methods[-1]}")
        if methods
        else ("regularizers.l2=true", "with-l2")
    )


def _say(console: Console, message: str, style: str) -> None:
    console.print(Text(safe(message), style), soft_wrap=True)
