"""Record the config and the data a run is trained with, and detect later changes. Does not import JAX.

The manifest holds a hash of each. Every checkpoint holds the hashes and the text of the config, so that differing
settings can be shown. Every command that continues or reads a run compares them first: with an edited config or changed
data, it would compute numbers that do not belong to the run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any

import numpy as np

from regexp.config import Loaded, loads, to_yaml
from regexp.config.document import flatten, read
from regexp.datasets.base import Data
from regexp.core.errors import RegexpError, RunError
from regexp.runs import Run

# Settings that do not affect results: paths of files (their contents are hashed separately), and run options.
IMMATERIAL = ("dataset.path", "dataset.test_path", "run")
_IMMATERIAL_PREFIXES = tuple(f"{key}." for key in IMMATERIAL)


# -- config -----------------------------------------------------------------------------------------------------------


def canonical(loaded: Loaded) -> str:
    """Return the resolved config as text: every default, then the `sweep` section if there is one."""
    return to_yaml(loaded.experiment) + (loaded.search.written if loaded.search is not None else "")


def config_hash(text: str) -> str:
    """Return the `settings_hash` of a resolved config's text; comments and layout do not affect it."""
    root = read(text, "config.yaml").root.plain()
    return settings_hash(flatten(root) if isinstance(root, dict) else {"": root})


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Return the sha256 of {dotted key: value}, in order, without the settings in IMMATERIAL."""
    material = [item for item in settings.items() if not f"{item[0]}.".startswith(_IMMATERIAL_PREFIXES)]
    return hashlib.sha256(json.dumps(material).encode()).hexdigest()


def config_record(text: str) -> dict[str, str]:
    """Return the entry for the resolved config in the meta of a checkpoint."""
    return {"sha256": config_hash(text), "text": text}


def check_config(run: Run, meta: Mapping[str, Any]) -> str | None:
    """Compare a run's config.yaml with the config recorded in the meta of one of its checkpoints.

    Returns a warning if immaterial settings differ or no config is recorded, else None. Raises RunError with the
    differing lines if one of them can affect results.
    """
    path = run.path / "config.yaml"
    record = meta.get("config")
    if record is None:
        return f"{run.path}: an older version saved this run without its config; using {path.name} unchecked"
    text = path.read_text(encoding="utf-8")
    if text == record["text"]:
        return None
    return compare(record["text"], _resolved(text, path), path, run.name)


def check_resumable_config(run: Run) -> None:
    """Raise RunError if the config.yaml of a run to resume is not the one it was started with.

    The hash in the manifest is compared first; the checkpoint is read only to show the differing lines.
    """
    config = recorded(run).get("config")
    if config is not None and run.has_checkpoint("last") and not has_config(run.path, str(config.get("sha256"))):
        check_config(run, run.load_checkpoint("last")[1])


def compare(trained: str, current: str, path: Path, name: str) -> str | None:
    """Compare two resolved configs of the run `name`: the one it was trained with, and that of the file `path`.

    Returns None for equal configs, and a warning with the differing lines if none can affect results. Raises RunError
    otherwise.
    """
    trained = _resolved(trained, path)  # resolved again, because this version may have new keys with defaults
    if trained == current:
        return None
    lines = unified_diff(trained.splitlines(), current.splitlines(), "trained with", str(path), n=0, lineterm="")
    difference = "\n".join(line for line in lines if not line.startswith("@@"))
    if config_hash(trained) == config_hash(current):
        return f"{path} has different paths or run settings than {name} was trained with:\n{difference}"
    raise RunError(
        f"{path} is not the config that {name} was trained with:\n{difference}\n"
        "restore these lines, or train the edited config as a new run"
    )


def has_config(folder: Path, sha256: str) -> bool:
    """Whether the config.yaml in a run's folder has the hash that the run's manifest records.

    False for a file that cannot be read or is not a config.
    """
    path = folder / "config.yaml"
    try:
        text = path.read_text(encoding="utf-8")
        return config_hash(text) == sha256 or config_hash(_resolved(text, path)) == sha256
    except (OSError, ValueError, RunError):
        return False


def _resolved(text: str, path: Path) -> str:
    try:
        return canonical(loads(text, file=str(path)))
    except RegexpError as error:  # an invalid config here is damage to the folder, not a usage error
        raise RunError(str(error)) from None


# -- data -------------------------------------------------------------------------------------------------------------


def data_hash(data: Data) -> str:
    """Return the sha256 of inputs and targets with their offsets, the published test rows and extra targets."""
    digest = hashlib.sha256()
    stored = (data.inputs, data.input_offset, data.targets, data.target_offset, data.test)
    for array in (*stored, *([] if data.extra is None else [data.extra])):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def record(config: str, data: Data, data_sha256: str) -> dict[str, Any]:
    """Return the entries for the resolved config and the data in a manifest."""
    return {
        "config": {"sha256": config_hash(config)},
        "data": {
            "source": data.source,
            "sha256": data_sha256,
            "examples": len(data.inputs),
            "inferred": list(data.inferred),
        },
    }


def recorded(run: Run) -> dict[str, Any]:
    """Return the entries for config and data in the manifest of a run; {} if there are none."""
    try:
        manifest = run.read_json("manifest.json")
    except RunError:
        return {}
    return {key: manifest[key] for key in ("config", "data") if isinstance(manifest.get(key), dict)}


def recorded_data(run: Run, meta: Mapping[str, Any]) -> str | None:
    """Return the hash of the data a run was trained on, from a checkpoint's meta or else the manifest; None if unknown."""
    digest = meta.get("data") or recorded(run).get("data", {}).get("sha256")
    return digest if isinstance(digest, str) else None


def changed_data(name: str, recorded: str, data: Data, current: str | None = None) -> str | None:
    """Return a message if the data differs from what the run `name` was trained on, else None.

    recorded: the hash of the training data
    current: the hash of `data`, if already known
    """
    current = current or data_hash(data)
    if recorded == current:
        return None
    source = data.source or "the data"
    return (
        f"{source} has changed since {name} was trained on it (sha256 {current[:12]}, recorded {recorded[:12]}): "
        "restore the file, or train a new run"
    )


def check_resumable_data(run: Run, data: Data) -> None:
    """Raise RunError if a run to resume was started with different data."""
    digest = recorded(run).get("data", {}).get("sha256")
    if digest is not None and run.has_checkpoint("last") and (difference := changed_data(run.name, digest, data)):
        raise RunError(difference)
