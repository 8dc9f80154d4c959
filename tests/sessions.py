"""Whole runs in this process: from a config to its summary, interrupted where a test wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from regexp.config import loads, to_yaml
from regexp.runs import Run
from regexp.study.train import Finished, Session, never


def begin(folder: Path, text: str, interrupted: Callable[[], int] = never) -> Session:
    """A new run in `folder`; `interrupted` may look at the session, which it is given."""
    experiment = loads(text).experiment
    run = Run.create(folder, "run")
    run.write_config(to_yaml(experiment))
    return Session(experiment, experiment.dataset.load(), run, interrupted)


def finish(session: Session, resume: bool = False) -> dict[str, Any]:
    """The summary."""
    return [event.summary for event in session.events(resume) if isinstance(event, Finished)][-1]


def resumed(session: Session) -> Session:
    """The same run in a new session."""
    session.run.close()
    return Session(session.experiment, session.data, Run.open(session.run.path.parent, session.run.name))


def lasting(session: Session, summary: dict[str, Any]) -> dict[str, Any]:
    """Everything that must not depend on interruptions."""
    arrays, meta, _ = session.run.load_checkpoint("best")
    return {
        "summary": {k: v for k, v in summary.items() if k not in ("seconds", "compilations")},
        "files": [(session.run.path / name).read_bytes() for name in ("metrics.jsonl", "predictions.npz")],
        "best": ({name: array.tobytes() for name, array in arrays.items()}, meta),
    }
