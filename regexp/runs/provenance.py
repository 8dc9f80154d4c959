"""What a saved run was trained with: its resolved config and its data, recorded and compared. Loads no JAX.

The manifest holds a hash of each. Every checkpoint holds them too, and the text of the config, so that the settings
that differ can be shown. Whatever continues or reads a run compares them before it computes: an edited config or
another version of the data would give numbers that belong to no run.
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

# Settings that change no number: where the files are (their contents have a hash of their own), and how a run behaves.
IMMATERIAL = ("dataset.path", "dataset.test_path", "run")
_IMMATERIAL_PREFIXES = tuple(f"{key}." for key in IMMATERIAL)


# -- config -----------------------------------------------------------------------------------------------------------


def canonical(loaded: Loaded) -> str:
    """The resolved config as text: every default written out, then the `sweep` section where there is one."""
    return to_yaml(loaded.experiment) + (loaded.search.written if loaded.search is not None else "")


def config_hash(text: str) -> str:
    """The `settings_hash` of a resolved config's text; comments and layout do not count."""
    root = read(text, "config.yaml").root.plain()
    return settings_hash(flatten(root) if isinstance(root, dict) else {"": root})


def settings_hash(settings: Mapping[str, Any]) -> str:
    """sha256 over {dotted key: value} in its order, without the settings in IMMATERIAL."""
    material = [item for item in settings.items() if not f"{item[0]}.".startswith(_IMMATERIAL_PREFIXES)]
    return hashlib.sha256(json.dumps(material).encode()).hexdigest()


def config_record(text: str) -> dict[str, str]:
    """What a checkpoint's meta keeps of the resolved config."""
    return {"sha256": config_hash(text), "text": text}


def check_config(run: Run, meta: Mapping[str, Any]) -> str | None:
    """Compare a run's config.yaml with the config recorded in the meta of one of its checkpoints.

    Returns what a user should be told: settings that differ but change no number, or that nothing is recorded.
    Raises RunError with the lines that differ where one of them can change a number.
    """
    path = run.path / "config.yaml"
    record = meta.get("config")
    if record is None:
        return f"{run.path}: an older version saved this run without its config; {path.name} is used as it stands"
    text = path.read_text(encoding="utf-8")
    if text == record["text"]:
        return None
    return compare(record["text"], _resolved(text, path), path, run.name)


def check_resumable_config(run: Run) -> None:
    """Raises RunError where a run that is to be resumed has another config.yaml than it was begun with.

    Cheap where the manifest's hash fits; the checkpoint is read only where lines that differ have to be shown.
    """
    known = recorded(run).get("config")
    if known is not None and run.has_checkpoint("last") and not has_config(run.path, str(known.get("sha256"))):
        check_config(run, run.load_checkpoint("last")[1])


def compare(trained: str, current: str, path: Path, name: str) -> str | None:
    """Compare two resolved configs of the run `name`: the one it was trained with, and that of the file `path`.

    Returns the lines that differ where none can change a number, None for equal configs. Raises RunError otherwise.
    """
    trained = _resolved(trained, path)  # by this version, which may have keys that the recording one did not
    if trained == current:
        return None
    lines = unified_diff(trained.splitlines(), current.splitlines(), "trained with", str(path), n=0, lineterm="")
    difference = "\n".join(line for line in lines if not line.startswith("@@"))
    if config_hash(trained) == config_hash(current):
        return f"{path} has other paths or run settings than {name} was trained with:\n{difference}"
    raise RunError(
        f"{path} is not the config that {name} was trained with:\n{difference}\n"
        "restore these lines, or train the edited config as a new run"
    )


def has_config(folder: Path, sha256: str) -> bool:
    """Whether the config.yaml in a run's folder has the hash that the run's manifest records.

    A file that cannot be read, or is not a config, has no hash.
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
    except RegexpError as error:  # the folder is damaged, the command line is not wrong
        raise RunError(str(error)) from None


# -- data -------------------------------------------------------------------------------------------------------------


def data_hash(data: Data) -> str:
    """sha256 over inputs and targets with their offsets, the published test rows and extra targets."""
    digest = hashlib.sha256()
    stored = (data.inputs, data.input_offset, data.targets, data.target_offset, data.test)
    for array in (*stored, *([] if data.extra is None else [data.extra])):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def record(config: str, data: Data, data_sha256: str) -> dict[str, Any]:
    """What a manifest keeps of the resolved config and of the data."""
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
    """What the manifest of a run keeps of its config and data; {} where there is none."""
    try:
        manifest = run.read_json("manifest.json")
    except RunError:
        return {}
    return {key: manifest[key] for key in ("config", "data") if isinstance(manifest.get(key), dict)}


def recorded_data(run: Run, meta: Mapping[str, Any]) -> str | None:
    """The hash of the data that a run was trained on: from a checkpoint's meta, else from the manifest."""
    digest = meta.get("data") or recorded(run).get("data", {}).get("sha256")
    return digest if isinstance(digest, str) else None


def changed_data(name: str, recorded: str, data: Data, current: str | None = None) -> str | None:
    """A sentence where the data is not what the run `name` was trained on, else None; `current`: the data's hash."""
    current = current or data_hash(data)
    if recorded == current:
        return None
    source = data.source or "the data"
    return (
        f"{source} has changed since {name} was trained on it (sha256 {current[:12]}, recorded {recorded[:12]}): "
        "restore the file, or train a new run"
    )


def check_resumable_data(run: Run, data: Data) -> None:
    """Raises RunError where a run that is to be resumed was begun with other data."""
    known = recorded(run).get("data", {}).get("sha256")
    if known is not None and run.has_checkpoint("last") and (difference := changed_data(run.name, known, data)):
        raise RunError(difference)
