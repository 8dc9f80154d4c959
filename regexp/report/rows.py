"""Records -> rows: runs that differ only in the seed are one, and a column of the config for what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from regexp.core.errors import UsageError
from regexp.report.records import NOT_COMPARED, Record, identity

OFF = "off"


@dataclass(frozen=True)
class Row:
    """One setting on one data set, over its seeds."""

    records: tuple[Record, ...]
    keys: tuple[str, ...] = ()  # of --group-by

    @property
    def name(self) -> str:
        """The first run's name, and how many more."""
        more = len(self.records) - 1
        return self.records[0].name + (f" +{more}" if more else "")

    @property
    def data(self) -> tuple[str, str]:
        """The data set's name and hash."""
        return next((r.data for r in self.records if r.data[1]), self.records[0].data)

    @cached_property
    def method(self) -> str:
        """The same text for the same setting on another data set."""
        if self.keys:
            return str([self.config.get(key) for key in self.keys])
        return identity(self.config, (*NOT_COMPARED, "dataset."))

    @property
    def config(self) -> Mapping[str, Any]:
        """The first run's; with --group-by only the keys asked for."""
        config = self.records[0].config
        return {key: config.get(key) for key in self.keys} if self.keys else config

    def values(self, metric: str) -> dict[int, float]:
        """{seed: value}; a seed that several of the runs trained has the mean of them."""
        found: dict[int, list[float]] = {}
        for record in self.records:
            for seed, value in record.metrics.get(metric, {}).items():
                found.setdefault(seed, []).append(value)
        return {seed: sum(v) / len(v) for seed, v in sorted(found.items())}

    @property
    def diverged(self) -> int:
        """Seeds that diverged."""
        return sum(len(record.diverged) for record in self.records)

    @property
    def unfinished(self) -> int:
        """Runs that failed, were interrupted or are running."""
        return sum(not record.finished for record in self.records)


def group(records: Sequence[Record], keys: Sequence[str] = ()) -> list[Row]:
    """One row per setting and data set; with `keys` one per value of these keys. In order of the records.

    Raises UsageError for a key that no config has.
    """
    for key in keys:
        if not any(key in record.config for record in records):
            raise UsageError(f"--group-by {key}: no run has this key; one that all have: optimizer.learning_rate")
    hashes = {r.data[0]: r.data for r in records if r.data[1]}
    found: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        data = record.data if record.data[1] else hashes.get(record.data[0], record.data)
        setting = str([record.config.get(key) for key in keys]) if keys else identity(record.config)
        found.setdefault((data, setting), []).append(record)
    return [Row(tuple(members), tuple(keys)) for members in found.values()]


def differing(rows: Sequence[Row]) -> list[str]:
    """The config keys to show: those that differ between the rows that have them, and a method that only some have."""
    if rows and rows[0].keys:
        return list(rows[0].keys)
    configs = [row.config for row in rows]
    keys = list(dict.fromkeys(key for config in configs for key in config if not key.startswith(NOT_COMPARED)))
    shown = [key for key in keys if len({repr(config[key]) for config in configs if key in config}) > 1]
    for method in dict.fromkeys(".".join(key.split(".")[:2]) for key in keys if key.startswith("regularizers.")):
        has = {any(key.startswith(f"{method}.") or key == method for key in config) for config in configs}
        if len(has) > 1 and not any(key.startswith(f"{method}.") for key in shown):
            shown.append(method)
    return sorted(shown, key=lambda key: keys.index(key) if key in keys else len(keys))


def cell(row: Row, key: str) -> str:
    """What a row says under a config key; `off` for a regularizer that it does not have."""
    config = row.config
    if config.get(key, {}) != {}:
        return shown(config[key])
    if key.startswith("regularizers."):
        return "on" if any(other == key or other.startswith(f"{key}.") for other in config) else OFF
    return shown(config[key]) if key in config else "-"


def shown(value: Any) -> str:
    """A config value in a few characters, as YAML would have it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
