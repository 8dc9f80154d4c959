"""`regexp ablate`: every arm as a run of its own, all compared by seed; the arms are ablation.py's."""

from __future__ import annotations

import json as json_module
import shlex
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from regexp.core.errors import ConfigError, DataError, DeviceError, Interrupted, RunError, UsageError
from regexp.core.escaping import safe

if TYPE_CHECKING:
    from regexp.cli.progress import Display
    from regexp.config import Loaded
    from regexp.datasets.base import Data
    from regexp.experiment import Experiment
    from regexp.runs import Run
    from regexp.study.ablate import Arm

Config = Annotated[Path, typer.Argument(help="The YAML file.")]
Seeds = Annotated[int | None, typer.Option(help="Seeds 0, 1, ... of every arm; by default the config's.", min=2)]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Change a value: optimizer.learning_rate=3e-3.")]
Retune = Annotated[Literal["learning_rate"] | None, typer.Option(help="Search it again for every arm.")]
Pairs = Annotated[bool, typer.Option("--pairs", help="Also every two methods alone, and how they interact.")]
RunsDir = Annotated[Path, typer.Option(help="Where the arms are written, in a folder of the ablation's name.")]
Name = Annotated[str | None, typer.Option(help="The ablation's name; by default the file's. Arms that are done stay.")]
Metric = Annotated[
    str | None,
    typer.Option(help="Metric to compare. Default: test/accuracy or test/rmse, else validation's, else train's."),
]
Delta = Annotated[float, typer.Option(help="A difference that does not matter, for the verdict equivalent.", min=0)]
Html = Annotated[Path | None, typer.Option(help="Write the report of all arms as one page that works offline.")]
Cost = Annotated[bool, typer.Option(help="Measure what each method costs a training step.")]
Device = Annotated[Literal["auto", "cpu", "gpu"], typer.Option(help="Where to train.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per event on standard output.")]


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
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Which of a config's regularizers help? Train all, all but each, none, none plus each; compare them by seed.

    Each arm is a run in RUNS_DIR/NAME; the command again trains those that are not done, and report reads them.
    """
    from regexp.cli.ablate_display import Costing, Planned, show
    from regexp.config import load
    from regexp.datasets.loading import load_data
    from regexp.study.ablate import arms
    from regexp.study.retune import check_retune, share_of_work

    loaded = load(config, settings or [])
    experiment = loaded.experiment
    if seeds is not None:
        experiment = replace(experiment, training=replace(experiment.training, seeds=tuple(range(seeds))))
    wanted = arms(experiment, pairs)
    display = show(quiet, json, 0.0 if retune is None else share_of_work(experiment))
    with loaded.placed():
        data = load_data(experiment.dataset)
        _check_metric(metric, experiment, data.task)
        _warn(loaded, data, display, quiet)
        if retune is not None:
            check_retune(experiment)
    record = _Record(runs_dir, name or f"{config.stem}-ablation", [m.name for m in experiment.regularizers], retune)
    _check_arms(wanted, record.path, data)
    record.announce(wanted)
    with display:
        display.event(Planned(len(wanted), len(experiment.training.seeds), str(record.path), data.inferred))
        with loaded.placed():
            failed = _train_all(wanted, record.path, metric, retune is not None, device, display)
        record.note(failed=failed)
        if cost and not record.has_costs:
            display.event(Costing())
            record.note(step_time=_costs(experiment, device))
    if retune is not None:
        trained = [arm for arm in wanted if arm.name not in failed]
        record.note(at_edge=[arm.name for arm in trained if _is_at_edge(arm, record.path)])
    nothing = next(arm.name for arm in wanted if not arm.methods)
    _show(record.path, nothing, metric, delta, html, quiet, json)
    if failed:
        raise typer.Exit(1)


def _train_all(
    arms: list[Arm], root: Path, metric: str | None, retune: bool, device: str, display: Display
) -> dict[str, str]:
    """Train the arms that are not done. Returns {arm: reason} of those that failed.

    Raises Interrupted with the command that continues, and the error of the last arm where all failed.
    """
    from regexp.cli.ablate_display import ArmEnded

    failed: dict[str, str] = {}
    for number, arm in enumerate(arms, 1):
        try:
            _train(arm, number, root, metric, retune, device, display)
        except (Interrupted, KeyboardInterrupt) as error:
            command = shlex.join(["regexp", *(word for word in sys.argv[1:] if word != "--debug")])
            code = error.exit_code - 128 if isinstance(error, Interrupted) else signal.SIGINT
            raise Interrupted(f"stopped by a signal; continue with: {command}", code) from None
        except (DataError, DeviceError, ConfigError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
                raise  # all but what XLA says of memory is a bug
            failed[arm.name] = str(error).partition("\n")[0]
            if len(failed) == len(arms):
                raise  # no arm is left, so the fault is not an arm's
            display.event(ArmEnded(number, arm.name, "failed", f"failed: {failed[arm.name]}"))
    return failed


def _check_metric(metric: str | None, experiment: Experiment, task: str) -> None:
    """Before anything is trained. Raises UsageError for one that no arm will have."""
    from regexp.engine.scores import score_names

    if metric is None:
        return
    known = score_names(experiment, task)
    if metric not in known:
        raise UsageError(f"--metric {metric}: the arms will have {', '.join(known)}")


def _check_arms(wanted: list[Arm], root: Path, data: Data) -> None:
    """Raises RunError where an arm was trained on other data, or its config.yaml is not what it was trained with.

    An arm that is done is not trained again, and would be compared with arms of another experiment.
    """
    from regexp.runs import Run
    from regexp.runs.provenance import changed_data, data_hash, has_config, recorded

    current = data_hash(data)
    for arm in wanted:
        run = Run(root / arm.name)
        known = recorded(run)
        if difference := changed_data(str(run.path), known.get("data", {}).get("sha256", current), data, current):
            raise RunError(f"{difference}; to ablate on this data choose another --name")
        if "config" in known and not has_config(run.path, known["config"].get("sha256", "")):
            raise RunError(f"{run.path / 'config.yaml'} is not the config that this arm was trained with: restore it")


class _Record:
    """manifest.json of an ablation's folder: which runs in it are arms, of which methods; what a step costs."""

    def __init__(self, runs_dir: Path, name: str, methods: list[str], retune: str | None):
        from regexp.runs import Run
        from regexp.runs.files import exists, explained
        from regexp.runs.run import check_name

        check_name(name)
        self.path = runs_dir / name
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self.run = Run(self.path)
        self.kept = self.run.read_json("manifest.json") if exists(self.path / "manifest.json") else {}
        asked = {"kind": "ablation", "methods": methods, "retune": retune}
        if self.kept and any(self.kept.get(key) != value for key, value in asked.items()):
            raise UsageError(f"{self.path} is of other methods or another --retune; choose another --name")
        self.kept = self.kept | asked

    @property
    def has_costs(self) -> bool:
        """Whether they were measured before."""
        return bool(self.kept.get("step_time"))

    def announce(self, arms: list[Arm]) -> None:
        """Before the first is trained; those of an earlier command, with --pairs, stay."""
        from regexp.runs.manifest import gather

        known = self.kept.get("arms") or {}
        self.note(**gather(sys.argv[1:]), arms=known | {arm.name: sorted(arm.methods) for arm in arms})

    def note(self, **values: Any) -> None:
        """Write it with these values."""
        self.kept = self.kept | values
        self.run.write_json("manifest.json", self.kept)


def _warn(loaded: Loaded, data: Data, display: Display, quiet: bool) -> None:
    """Once what each arm would say, and what is wrong at its place in the user's own file."""
    from regexp.cli.progress import JsonLines
    from regexp.config import Facts
    from regexp.datasets.splits import split

    experiment = loaded.experiment
    facts = Facts.of(data, split(experiment.dataset, data, experiment.training.seeds[0]))
    for warning in (*loaded.warnings, *loaded.check_data(facts), *data.notes):
        if isinstance(display, JsonLines):
            display.warn(str(warning))
        elif not quiet:
            typer.echo(safe(f"warning: {warning}"), err=True)


def _train(arm: Arm, number: int, root: Path, metric: str | None, retune: bool, device: str, display: Display) -> None:
    """Train an arm that is not done."""
    from regexp.cli.ablate_display import ArmBegan, ArmEnded, ArmEvents, Retuning
    from regexp.cli.train import _signals
    from regexp.report.compare import PREFERRED
    from regexp.study.train import train

    display.event(ArmBegan(number, arm.name))
    loaded, run, resume = _folder(arm, root, retune, device, lambda share: display.event(Retuning(arm.name, share)))
    if loaded is None:
        display.event(ArmEnded(number, arm.name, "done before", "done before"))
        return
    training = ArmEvents(display, run, loaded.experiment)
    with _signals(training) as interrupted:
        summary: dict[str, Any] = {}
        for event in train(loaded, run, resume, device, sys.argv[1:], interrupted):  # type: ignore[arg-type]
            summary = getattr(event, "summary", summary)
            training.event(event)
    shown = next((f"{n} {summary['metrics'][n]['mean']:.4f}" for n in (metric, *PREFERRED)
                  if summary["metrics"].get(n, {}).get("mean") is not None), summary["status"])  # fmt: skip
    seconds = summary["seconds"]
    outcome = f"{shown}  ({seconds['compile']:.1f} s compiling, {seconds['train']:.1f} s training)"
    display.event(ArmEnded(number, arm.name, summary["status"], outcome))


def _folder(
    arm: Arm, root: Path, retune: bool, device: str, progress: Callable[[float], None] = lambda share: None
) -> tuple[Loaded | None, Run, bool]:
    """Return (config, run, whether to resume); no config where the arm is done. progress: of the --retune search.

    Raises UsageError where the folder is of another config.
    """
    from regexp.config import load, loads, to_yaml
    from regexp.runs import Run
    from regexp.runs.files import exists

    text = to_yaml(arm.experiment)
    leftover = Run(root / arm.name)
    if exists(leftover.path) and not exists(leftover.path / "config.yaml"):  # killed before it was a run
        Run.remove_remains(leftover.path)
    if leftover.path.exists():
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
        text = to_yaml(_retuned(arm.experiment, device, progress))
    run = Run.create(root, arm.name)
    run.write_config(text)
    return loads(text, file=str(run.path / "config.yaml")), run, False


def _costs(experiment: Any, device: str) -> dict[str, float]:
    from regexp.datasets.loading import load_data
    from regexp.engine.device import set_up
    from regexp.study.timing import step_costs

    set_up(device)  # type: ignore[arg-type]
    return step_costs(experiment, load_data(experiment.dataset))


def _same(saved: Any, wanted: Any, retune: bool) -> bool:
    """Equal, but for the learning rate where that is searched."""
    if retune:
        rate = saved.optimizer.learning_rate
        wanted = replace(wanted, optimizer=replace(wanted.optimizer, learning_rate=rate))
    return bool(saved == wanted)


def _is_at_edge(arm: Arm, root: Path) -> bool:
    from regexp.config import load
    from regexp.study.retune import is_at_edge

    return is_at_edge(load(root / arm.name / "config.yaml").experiment, arm.experiment)


def _status(run: Run) -> str:
    try:
        return str(run.read_json("manifest.json").get("status"))
    except RunError:
        return "none"


def _retuned(experiment: Any, device: str, progress: Callable[[float], None]) -> Any:
    from regexp.datasets.loading import load_data
    from regexp.engine.device import set_up
    from regexp.study.retune import retuned

    set_up(device)  # type: ignore[arg-type]
    return retuned(experiment, load_data(experiment.dataset), progress)


def _show(
    folder: Path, first: str, metric: str | None, delta: float, html: Path | None, quiet: bool, as_json: bool
) -> None:
    from rich.console import Console

    from regexp.cli.ablate_display import Concluded
    from regexp.cli.progress import Display, JsonLines
    from regexp.report import formats
    from regexp.report.collect import collect
    from regexp.report.compare import build
    from regexp.report.page import page
    from regexp.report.tables import ablation_table
    from regexp.runs.files import write_named

    records, skipped = collect(folder.parent, [folder.name])
    report = build(records, skipped, metric, delta=delta, first=f"{folder.name}/{first}")
    if as_json:
        JsonLines(None, Display()).event(Concluded(json_module.loads(formats.json(report))["ablations"]))
    elif not quiet:
        formats.terminal([ablation_table(one) for one in report.ablations], Console())
    if html is not None:
        write_named(html, page(report).encode())
        if not quiet:
            typer.echo(safe(f"wrote {html}"), err=True)
