"""`regexp sweep`: words, options and exit codes; the work is in regexp/sweep/."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from regexp.cli.train import Device, Json, Quiet, RunsDir, Settings, _signals
from regexp.core.errors import UsageError

if TYPE_CHECKING:
    from regexp.cli.progress import Display
    from regexp.config import Loaded
    from regexp.runs import Run
    from regexp.study.sweep.executors.base import Executor

Config = Annotated[
    Path | None,
    typer.Argument(help="The YAML file with a sweep section; may be left out with --resume.", show_default=False),
]
Name = Annotated[str | None, typer.Option(help="The sweep's name; by default the file's.")]
Resume = Annotated[str | None, typer.Option(help="Go on with this sweep.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it takes, then stop.")]
Storage = Annotated[
    str | None, typer.Option(help="The database, as SQLAlchemy names it; by default SQLite in the run.")
]
Where = Annotated[
    Literal["local", "processes", "ray"],
    typer.Option("--executor", help="Train in this process, in others of this machine, or on a Ray cluster."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Of processes or ray; by default one for each GPU, core or node.")
]
Address = Annotated[str | None, typer.Option(help="Of a Ray cluster to join: auto, or HOST:PORT.")]


def sweep(
    config: Config = None,
    settings: Settings = None,
    runs_dir: RunsDir = Path("runs"),
    name: Name = None,
    resume: Resume = None,
    storage: Storage = None,
    dry_run: DryRun = False,
    device: Device = "auto",
    executor: Where = "local",
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Search a config's `sweep` section: many settings for a few epochs, then fewer, longer, in narrower ranges.

    Exit code 1 where no setting works. docs/sweep.md tells what the section takes.
    """
    from regexp.cli.sweep_display import show

    if resume and (name or dry_run):
        raise UsageError("--name and --dry-run are for a new sweep; --resume goes on with an old one")
    where = _executor(executor, device, workers, address)
    if dry_run:
        _dry_run(_loaded(config, settings), where, show(None, quiet, json))
        return
    if storage is not None:
        from regexp.study.sweep.database import check_storage

        check_storage(storage)
    loaded, run = (
        _resumed(config, settings, runs_dir, resume, storage)
        if resume
        else _begun(_loaded(config, settings), config, runs_dir, name)
    )
    failed = False
    with show(run, quiet, json) as display:
        for warning in loaded.warnings:
            display.warn(str(warning))
        from regexp.study.sweep.events import Concluded
        from regexp.study.sweep.session import run_sweep

        with loaded.placed(), _signals(display) as interrupted:
            for event in run_sweep(loaded, run, bool(resume), where, sys.argv[1:], storage, interrupted, display.warn):
                display.event(event)
                failed = isinstance(event, Concluded) and event.summary["status"] == "failed"
    if failed:
        raise typer.Exit(1)


def _executor(name: Where, device: Device, workers: int | None, address: str | None) -> Executor:
    """Who trains; nothing is begun yet."""
    from regexp.study.sweep.executors import executor_of

    if address is not None and name != "ray":
        raise UsageError("--address is for --executor ray")
    if workers is not None and name == "local":
        raise UsageError("--workers is for --executor processes or ray; local is one process on all devices")
    return executor_of(name, device, workers, address)


def _loaded(config: Path | None, settings: list[str] | None) -> Loaded:
    from regexp.config import load

    if config is None:
        raise UsageError("a config is needed: regexp sweep CONFIG")
    loaded = load(config, settings or [])
    if loaded.search is None:
        raise UsageError(f"{config} has no sweep section; regexp train {config} trains it as it is")
    return loaded


def _begun(loaded: Loaded, config: Path | None, runs_dir: Path, name: str | None) -> tuple[Loaded, Run]:
    from regexp.runs import Run
    from regexp.study.sweep.text import description

    assert config is not None
    run = Run.create(runs_dir, name or config.stem)
    run.write_config(description(loaded))
    return loaded, run


def _resumed(
    config: Path | None, settings: list[str] | None, runs_dir: Path, resume: str, storage: str | None
) -> tuple[Loaded, Run]:
    """An old sweep with its own config; one that is given as well must say the same."""
    from regexp.runs import Run
    from regexp.study.sweep.text import description, difference

    run = Run.open(runs_dir, resume)
    saved = run.path / "config.yaml"
    loaded = _loaded(saved, None)
    if config is not None or settings:
        given = description(_loaded(config or saved, settings))
        if given != description(loaded):
            changes = difference(description(loaded), given, run.name)
            raise UsageError(f"{run.name} was begun with another config:\n{changes}")
    manifest = run.read_json("manifest.json") if (run.path / "manifest.json").exists() else {}
    if manifest.get("status") == "done":
        raise UsageError(f"{run.name} is done already; nothing to resume")
    if manifest.get("storage") and storage is None:
        raise UsageError(f"{run.name} is recorded in {manifest['storage']}: give --storage again")
    return loaded, run


def _dry_run(loaded: Loaded, executor: Executor, display: Display) -> None:
    from regexp.study.sweep.session import prepare

    with loaded.placed(), closing(executor):
        for warning in loaded.warnings:
            display.warn(str(warning))
        display.event(prepare(loaded, executor).planned())
