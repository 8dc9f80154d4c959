"""`regexp ablate`: every arm as a run of its own, all compared by seed; the arms are ablation.py's."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from regexp.errors import RunError, UsageError

if TYPE_CHECKING:
    from regexp.ablation import Arm
    from regexp.config import Loaded
    from regexp.runs import Run

Config = Annotated[Path, typer.Argument(help="The YAML file.")]
Seeds = Annotated[int | None, typer.Option(help="Seeds 0, 1, ... of every arm; by default the config's.", min=2)]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Change a value: optimizer.learning_rate=3e-3.")]
Retune = Annotated[Literal["learning_rate"] | None, typer.Option(help="Search it again for every arm.")]
Pairs = Annotated[bool, typer.Option("--pairs", help="Also every two methods alone, and how they interact.")]
RunsDir = Annotated[Path, typer.Option(help="Where the arms are written, in a folder of the ablation's name.")]
Name = Annotated[str | None, typer.Option(help="The ablation's name; by default the file's. Arms that are done stay.")]
Metric = Annotated[str | None, typer.Option(help="What is compared; by default test/accuracy, else test/rmse.")]
Delta = Annotated[float, typer.Option(help="A difference that does not matter, for the verdict equivalent.", min=0)]
Html = Annotated[Path | None, typer.Option(help="Write the report of all arms as one page that works offline.")]
Cost = Annotated[bool, typer.Option(help="Measure what each method costs a training step.")]
Device = Annotated[Literal["auto", "cpu", "gpu"], typer.Option(help="Where to train.")]


def ablate(
    config: Config,
    seeds: Seeds = None,
    settings: Settings = None,
    retune: Retune = None,
    pairs: Pairs = False,
    runs_dir: RunsDir = Path("runs"),
    name: Name = None,
    metric: Metric = None,
    delta: Delta = 0.0,
    html: Html = None,
    cost: Cost = True,
    device: Device = "auto",
) -> None:
    """Which of a config's regularizers help? Train all, all but each, none, none plus each; compare them by seed.

    Each arm is a run in RUNS_DIR/NAME; the command again trains those that are not done, and report reads them.
    """
    from regexp.ablation import arms
    from regexp.config import load

    loaded = load(config, settings or [])
    experiment = loaded.experiment
    if seeds is not None:
        experiment = replace(experiment, training=replace(experiment.training, seeds=tuple(range(seeds))))
    wanted = arms(experiment, pairs)
    root = runs_dir / (name or f"{config.stem}-ablation")
    typer.echo(f"{len(wanted)} arms x {len(experiment.training.seeds)} seeds, in {root}")
    with loaded.placed():
        for number, arm in enumerate(wanted, 1):
            _train(arm, root, f"[{number}/{len(wanted)}] {arm.name}", retune is not None, device)
    methods = [method.name for method in experiment.regularizers]
    costs = _costs(experiment, device) if cost else {}
    _show(wanted, methods, root, metric, delta, pairs, retune is not None, html, costs)


def _train(arm: Arm, root: Path, label: str, retune: bool, device: str) -> None:
    """Train an arm that is not done; the line says how it came out."""
    from regexp.cli.progress import Display
    from regexp.cli.train import _signals
    from regexp.runner import train

    loaded, run, resume = _folder(arm, root, retune, device)
    if loaded is None:
        typer.echo(f"{label}: done before")
        return
    with _signals(Display()) as interrupted:
        summary: dict[str, Any] = {}
        for event in train(loaded, run, resume, device, sys.argv[1:], interrupted):  # type: ignore[arg-type]
            summary = getattr(event, "summary", summary)
    shown = next((f"{n} {summary['metrics'][n]['mean']:.4f}" for n in ("test/accuracy", "test/rmse")
                  if summary["metrics"].get(n, {}).get("mean") is not None), summary["status"])  # fmt: skip
    seconds = summary["seconds"]
    typer.echo(f"{label}: {shown}  ({seconds['compile']:.1f} s compiling, {seconds['train']:.1f} s training)")


def _folder(arm: Arm, root: Path, retune: bool, device: str) -> tuple[Loaded | None, Run, bool]:
    """(config, run, whether to resume); no config where the arm is done. Raises UsageError where it was another's."""
    from regexp.config import load, loads, to_yaml
    from regexp.runs import Run

    text = to_yaml(arm.experiment)
    if (root / arm.name / "config.yaml").exists():
        run = Run.open(root, arm.name)
        saved = load(run.path / "config.yaml")
        if not _same(saved.experiment, arm.experiment, retune):
            raise UsageError(f"{run.path} was trained with another config; choose another --name")
        status = _status(run)
        if status in ("done", "partly diverged", "diverged"):
            run.close()
            return None, run, False
        return saved, run, True
    if retune:
        text = to_yaml(_retuned(arm.experiment, device))
    run = Run.create(root, arm.name)
    run.write_config(text)
    return loads(text, file=str(run.path / "config.yaml")), run, False


def _costs(experiment: Any, device: str) -> dict[str, float]:
    from regexp.timing import step_costs
    from regexp.training.device import set_up

    set_up(device)  # type: ignore[arg-type]
    return step_costs(experiment, experiment.dataset.load())


def _same(saved: Any, wanted: Any, retune: bool) -> bool:
    """Equal, but for the learning rate where that is searched."""
    if retune:
        rate = saved.optimizer.learning_rate
        wanted = replace(wanted, optimizer=replace(wanted.optimizer, learning_rate=rate))
    return bool(saved == wanted)


def _status(run: Run) -> str:
    try:
        return str(run.read_json("manifest.json").get("status"))
    except RunError:
        return "none"


def _retuned(experiment: Any, device: str) -> Any:
    from regexp.retune import retuned
    from regexp.training.device import set_up

    set_up(device)  # type: ignore[arg-type]
    return retuned(experiment, experiment.dataset.load())


def _show(
    arms: list[Arm], methods: list[str], root: Path, metric: str | None, delta: float, pairs: bool, retuned: bool,
    html: Path | None, costs: dict[str, float],
) -> None:  # fmt: skip
    from rich.console import Console

    from regexp.metrics import smaller_is_better
    from regexp.report import formats
    from regexp.report.ablation import table
    from regexp.report.collect import collect
    from regexp.report.compare import PREFERRED, build
    from regexp.report.page import page
    from regexp.runs.files import write_atomic

    records, skipped = collect(root, [arm.name for arm in arms])
    there = {name for record in records for name in record.metrics}
    chosen = metric or next((name for name in PREFERRED if name in there), None)
    if chosen not in there:
        raise UsageError(f"no arm has the metric {chosen!r}; there are {', '.join(sorted(there)) or 'none'}")
    values = {record.name: dict(record.metrics.get(chosen, {})) for record in records}
    by_arm = {arm.methods: values.get(arm.name, {}) for arm in arms}
    smaller = smaller_is_better(chosen)
    made = table(arms, methods, by_arm, chosen, smaller, delta, pairs, retuned, costs)
    formats.terminal([made], Console())
    if html is not None:
        report = build(records, skipped, chosen, "none" if "none" in values else None, (), delta)
        write_atomic(html, page(report).encode())
        typer.echo(f"wrote {html}", err=True)
