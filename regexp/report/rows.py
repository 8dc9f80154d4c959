"""Group records into rows: runs that differ only in the seed form one row; config keys that differ become columns."""

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
    """One setting on one dataset, with all its seeds."""

    records: tuple[Record, ...]
    keys: tuple[str, ...] = ()  # the keys of --group-by

    @property
    def name(self) -> str:
        """Return the name of the first run, and the number of further runs: `l2 +3`."""
        more = len(self.records) - 1
        return self.records[0].name + (f" +{more}" if more else "")

    @property
    def data(self) -> tuple[str, str]:
        """Return the name and the hash of the dataset."""
        return next((r.data for r in self.records if r.data[1]), self.records[0].data)

    @cached_property
    def method(self) -> str:
        """Return a text that identifies the setting, whatever the dataset."""
        if self.keys:
            return str([self.config.get(key) for key in self.keys])
        return identity(self.config, (*NOT_COMPARED, "dataset."))

    @property
    def config(self) -> Mapping[str, Any]:
        """Return the config of the first run; with --group-by only the keys named there."""
        config = self.records[0].config
        return {key: config.get(key) for key in self.keys} if self.keys else config

    def values(self, metric: str) -> dict[int, float]:
        """Return {seed: value}; a seed that several runs trained gets their mean."""
        values_by_seed: dict[int, list[float]] = {}
        for record in self.records:
            for seed, value in record.metrics.get(metric, {}).items():
                values_by_seed.setdefault(seed, []).append(value)
        return {seed: sum(v) / len(v) for seed, v in sorted(values_by_seed.items())}

    @property
    def diverged(self) -> int:
        """Return the number of diverged seeds."""
        return sum(len(record.diverged) for record in self.records)

    @property
    def unfinished(self) -> int:
        """Return the number of runs that failed, were interrupted or are still running."""
        return sum(not record.finished for record in self.records)


def group(records: Sequence[Record], keys: Sequence[str] = ()) -> list[Row]:
    """Return one row per setting and dataset, in the order of the records; with `keys`, one per value of these keys.

    Raises UsageError for a key that no config has.
    """
    for key in keys:
        if not any(key in record.config for record in records):
            raise UsageError(
                f"--group-by {key}: no run has this key; use a dotted config key such as optimizer.learning_rate"
            )
    # A run that did not finish has no hash of its data; it joins the runs on a dataset of the same name.
    hashes = {r.data[0]: r.data for r in records if r.data[1]}
    records_by_setting: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        data = record.data if record.data[1] else hashes.get(record.data[0], record.data)
        setting = str([record.config.get(key) for key in keys]) if keys else identity(record.config)
        records_by_setting.setdefault((data, setting), []).append(record)
    return [Row(tuple(members), tuple(keys)) for members in records_by_setting.values()]


def differing(rows: Sequence[Row]) -> list[str]:
    """Return the config keys to show: those whose values differ, and methods that only some rows have."""
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
    """Return the cell of a row for a config key; `off` for a regularizer that the row does not have."""
    config = row.config
    if config.get(key, {}) != {}:
        return shown(config[key])
    if key.startswith("regularizers."):
        return "on" if any(config_key == key or config_key.startswith(f"{key}.") for config_key in config) else OFF
    return shown(config[key]) if key in config else "-"


def shown(value: Any) -> str:
    """Return a config value in compact YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
