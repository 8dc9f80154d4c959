"""Export a run as one TensorBoard event file per trained model, without TensorFlow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from regexp.export.contents import Contents, fresh, lane_name


def write(run: Contents, output: Path) -> str:
    """Write curves as scalars, final metrics as `final/...` and the config as hyperparameters; return a message."""
    from tensorboard.plugins.hparams import summary_v2

    folder = fresh(run, output)
    members = any(point.member for point in run.curves)
    for (seed, member, stage), points in run.lanes.items():
        lane = lane_name(seed, member, stage, members)
        with _writer(folder / lane) as add:
            config = dict(run.config) | {"seed": seed, "member": member}
            add(0, summary_v2.hparams_pb(config, trial_id=f"{run.name}/{lane}", start_time_secs=0))
            for point in points:
                add(point.epoch, _scalars(point.values))
            if not stage and member == 0:
                last = max((point.epoch for point in points), default=0)
                add(last, _scalars({f"final/{name}": value for name, value in run.final.get(seed, {}).items()}))
    return f"view with: tensorboard --logdir {output}"


def _scalars(values: Mapping[str, float]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


@contextlib.contextmanager
def _writer(folder: Path) -> Iterator[Any]:
    """Open an event file; yield a function add(step, summary)."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    try:
        yield lambda step, summary: writer.add_event(Event(wall_time=float(step), step=step, summary=summary))
    finally:
        writer.close()
