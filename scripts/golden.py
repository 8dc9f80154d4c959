"""python -m scripts.golden (--write FILE | --against FILE) [--only NAME]

Train small configs that together name every part of the catalogue, through every command that trains: train (also
stopped and resumed), ablate, ablate --retune and sweep. `--write` records the final metrics and the SHA-256 of every
array in the checkpoints. `--against` compares them with a record of the same machine and prints, for each case, "equal"
(bit for bit) or the largest difference of a metric; it exits with 1 where a metric differs by more than 1e-6 or is
missing. Run it before and after a change that must not change results.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from regexp.runs import Run
from scripts.kills import trial_records

ROOT = Path(__file__).parents[1]
NAME = "golden"
TOLERANCE = 1e-6
TIMEOUT_SECONDS = 600

Config = dict[str, Any]
Record = dict[str, dict[str, float] | dict[str, str]]  # {"metrics": {name: value}, "arrays": {name: sha256}}


@dataclass(frozen=True)
class Case:
    """A config and the command that trains it.

    arguments: after `regexp COMMAND config.yaml`
    interrupted: whether training is stopped by SIGTERM after its first checkpoint, and resumed
    """

    name: str
    config: Config
    command: str = "train"
    arguments: tuple[str, ...] = ()
    interrupted: bool = field(default=False, kw_only=True)


def experiment(*methods: Config, **changes: Any) -> Config:
    """Return a config on 150 digits for two epochs and two seeds; `changes` replace sections or add to them."""
    config: Config = {
        "dataset": {"name": "digits", "limit": 150, "preprocess": ["standardize"]},
        "model": {"name": "mlp", "hidden": [16]},
        "regularizers": {name: values for method in methods for name, values in method.items()},
        "optimizer": {"name": "adam", "learning_rate": 3e-3},
        "training": {"epochs": 2, "batch_size": 32, "seeds": [0, 1]},
    }
    return config | {section: config.get(section, {}) | values for section, values in changes.items()}


SMALL_CNN = {"name": "cnn", "filters": [4], "hidden": [8]}
IMAGES = {"preprocess": ["center"]}
PENALTIES: tuple[Config, ...] = ({"dropout": {"rate": 0.3}}, {"l2": {"strength": 1e-3}})

METHODS = (
    Case("geometry", experiment(
        {"horizontal_flip": {}, "vertical_flip": {}, "rotate": {}, "translate": {}, "stretch": {}, "zoom": {}},
        {"random_crop": {}}, model=SMALL_CNN, dataset=IMAGES)),
    Case("colour", experiment(
        {"color_jitter": {}, "color_balance": {}, "blur": {}, "cutout": {}},
        model=SMALL_CNN, dataset={"name": "china_flower", "preprocess": ["channel_mean"], "limit": None})),
    Case("mixup", experiment({"mixup": {}, "gaussian_noise": {}})),
    Case("cutmix", experiment({"cutmix": {}, "label_smoothing": {}}, model=SMALL_CNN)),
    Case("batch norm", experiment({"label_noise": {"rate": 0.2}, "batch_norm": {}, "dropout": {"rate": 0.2}})),
    Case("noise", experiment({"activation_noise": {}, "weight_noise": {}})),
    Case("stochastic depth", experiment(
        {"stochastic_depth": {}}, model={"name": "resnet", "depth": 8, "width": 4, "hidden": None}, dataset=IMAGES)),
    Case("dropconnect", experiment({"dropconnect": {"rate": 0.3}})),
    Case("weight norm", experiment({"weight_norm": {}, "l1": {"strength": 1e-3}})),
    Case("parameters", experiment(
        {"elastic_net": {"l1": 1e-3, "l2": 1e-3}, "max_norm": {"limit": 2.0}},
        optimizer={"name": "gd", "learning_rate": 0.1})),
    Case("weight decay", experiment({"weight_decay": {"strength": 1e-2}, "gradient_clipping": {}})),
    Case("fgsm", experiment({"fgsm": {}}, evaluation={"attacks": {"epsilons": [0.1], "steps": 2}})),
    Case("sam", experiment({"sam": {}})),
    Case("early stopping", experiment({"early_stopping": {"patience": 2}}, training={"epochs": 6})),
    Case("refit", experiment({"early_stopping": {"patience": 2, "refit": True}}, training={"epochs": 4})),
    Case("weight averaging", experiment({"weight_averaging": {}, "batch_norm": {}})),
    Case("semi supervised", experiment({"semi_supervised": {"labels": 5}})),
    Case("auxiliary", experiment({"auxiliary": {"weight": 0.3}})),
    Case("bagging", experiment({"bagging": {"members": 3}})),
    Case("deep ensemble", experiment({"deep_ensemble": {"members": 3}, "dropout": {"rate": 0.2}})),
    Case("snapshot ensemble", experiment({"snapshot_ensemble": {"members": 2}}, training={"epochs": 4})),
    Case("Monte Carlo dropout", experiment({"dropout": {"rate": 0.2}}, evaluation={"mc_samples": 4})),
)  # fmt: skip

OPTIMIZERS = (
    ("sgd", "constant", "zeros", "standardize"),
    ("gd", "linear", "normal", "center"),
    ("momentum", "exponential", "xavier", "minmax"),
    ("nesterov", "inverse_time", "he", "pca"),
    ("adagrad", "step", "xavier", "whiten"),
    ("rmsprop", "cosine", "he", "standardize"),
    ("adamw", "cosine", "he", "standardize"),
    ("lion", "cosine", "he", "standardize"),
)
PARTS = tuple(
    Case(f"{optimizer}, {schedule}, {initializer}, {preprocessor}", experiment(
        dataset={"name": "wine", "limit": None, "preprocess": [preprocessor]},
        model={"name": "mlp", "hidden": [8], "initializer": {"name": initializer}},
        optimizer={"name": optimizer, "learning_rate": 1e-2, "schedule": {"name": schedule}}))
    for optimizer, schedule, initializer, preprocessor in OPTIMIZERS
)  # fmt: skip

LINEAR = {"name": "linear", "hidden": None}
DATASETS = (
    Case("diabetes", experiment(*PENALTIES, dataset={"name": "diabetes", "limit": None})),
    Case("breast cancer", experiment(dataset={"name": "breast_cancer", "limit": None}, model=LINEAR)),
    Case("csv", experiment(
        dataset={"name": "csv", "path": "table.csv", "limit": None, "preprocess": ["impute", "standardize"]})),
    Case("npz", experiment(dataset={"name": "npz", "path": "arrays.npz", "limit": None})),
    Case("image folder", experiment(
        dataset={"name": "image_folder", "path": "images", "size": 8, "limit": None, "preprocess": ["center"]})),
)  # fmt: skip

SWEEP = {
    "objective": "validation/loss",
    "space": {
        "optimizer.learning_rate": {"log_uniform": [1e-4, 1e-1]},
        "regularizers.l2.strength": {"log_uniform": [1e-6, 1e-2]},
        "regularizers.dropout": {"optional": True},
        "model.hidden": {"choice": [[8], [16]]},
    },
    "confirm": {"top": 2, "seeds": 3},
}
COMMANDS = (
    Case("resume", experiment(*PENALTIES, training={"epochs": 4000}, run={"checkpoint_seconds": 0}), interrupted=True),
    Case("ablation", experiment(*PENALTIES, {"gaussian_noise": {}}), "ablate", ("--no-cost", "--pairs")),
    Case("ablation with an ensemble", experiment(*PENALTIES, {"bagging": {"members": 2}}), "ablate", ("--no-cost",)),
    Case("ablation, retuned", experiment(*PENALTIES), "ablate", ("--no-cost", "--retune", "learning_rate")),
    Case("sweep", experiment(
        *PENALTIES, sweep=SWEEP | {"stages": [{"trials": 8, "epochs": 2, "halving": 2},
                                              {"trials": 6, "epochs": 4, "seeds": 2, "keep": 0.5}]}), "sweep"),
    Case("sweep, tpe", experiment(
        *PENALTIES, sweep=SWEEP | {"stages": [{"trials": 12, "epochs": 2, "sampler": "tpe"}]}), "sweep"),
)  # fmt: skip
CASES = (*METHODS, *PARTS, *DATASETS, *COMMANDS)


# -- running a case ----------------------------------------------------------------------------------------------------


def run_case(case: Case) -> Record:
    """Train a case in a temporary folder and return its metrics and the hashes of its arrays."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_data(case.config["dataset"]["name"], folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(without_nulls(case.config), sort_keys=False))
        command = (case.command, "config.yaml", "--name", NAME, "--quiet", *case.arguments)
        if case.interrupted:
            interrupt(folder, command)
            command = (case.command, "--resume", NAME, "--quiet")
        finish(case, folder, command)
        return read_record(folder / "runs" / NAME)


def without_nulls(config: Config) -> Config:
    """Drop the keys that a case takes back from the common config, and empty sections."""
    sections = {
        name: {k: v for k, v in section.items() if v is not None or name == "regularizers"}
        for name, section in config.items()
    }
    return {name: section for name, section in sections.items() if section}


def write_data(dataset: str, folder: Path) -> None:
    """Write the file that a data set of the user's own reads."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(120, 5)).round(4)
    labels = (inputs[:, 0] + inputs[:, 1] > 0).astype(np.int64)
    if dataset == "csv":
        rows = [
            ",".join(["" if row == 7 else str(values[0]), *map(str, values[1:]), "rgb"[row % 3], f"class_{label}"])
            for row, (values, label) in enumerate(zip(inputs, labels, strict=True))
        ]
        (folder / "table.csv").write_text("\n".join(["a,b,c,d,e,colour,label", *rows]) + "\n")
    elif dataset == "npz":
        np.savez(folder / "arrays.npz", inputs=inputs.astype(np.float32), targets=labels)
    elif dataset == "image_folder":
        for index, label in enumerate(labels):
            path = folder / "images" / f"class_{label}" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = generator.integers(0, 128, (8, 8, 3)) + 100 * label
            Image.fromarray(pixels.astype(np.uint8)).save(path)


def process(folder: Path, command: tuple[str, ...]) -> subprocess.Popen[str]:
    """Start a command of the checkout that this script belongs to."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "regexp", *command], cwd=folder, env=environment, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(case: Case, folder: Path, command: tuple[str, ...]) -> None:
    """Run a command to its end; raises SystemExit with its messages where it fails."""
    training = process(folder, command)
    _, errors = training.communicate(timeout=TIMEOUT_SECONDS)
    if training.returncode:
        raise SystemExit(f"{case.name} ended with {training.returncode}:\n{errors}")


def interrupt(folder: Path, command: tuple[str, ...]) -> None:
    """Stop a command by SIGTERM once it has saved a checkpoint."""
    training = process(folder, command)
    while training.poll() is None and not list(folder.glob("runs/*/checkpoints/last*")):
        time.sleep(0.01)
    training.send_signal(signal.SIGTERM)
    training.communicate(timeout=TIMEOUT_SECONDS)
    if training.returncode != 128 + signal.SIGTERM:
        raise SystemExit(f"training ended with {training.returncode} before it was stopped")


# -- reading what it wrote ---------------------------------------------------------------------------------------------


def read_record(study: Path) -> Record:
    """Return the metrics of a study's summaries and trials, and the hashes of the arrays in its checkpoints."""
    metrics: dict[str, float] = {}
    arrays: dict[str, str] = {}
    for summary in sorted(study.rglob("summary.json")):
        name = summary.parent.relative_to(study).as_posix()
        content = json.loads(summary.read_text())
        metrics |= numbers({k: v for k, v in content.items() if k not in ("seconds", "compilations")}, name)
    for run in sorted({path.parents[1] for path in study.rglob("checkpoints/best*")}):
        name = run.relative_to(study).as_posix()
        checkpoint, _, _ = Run(run).load_checkpoint("best")
        arrays |= {f"{name}/{key}": array_hash(array) for key, array in checkpoint.items()}
    for number, trial in enumerate(trial_records(study)):
        metrics |= numbers(json.loads(trial), f"trial {number}")
    return {"metrics": metrics, "arrays": arrays}


def numbers(tree: Any, path: str) -> dict[str, float]:
    """Return the numbers among the leaves of a JSON value by their path; a missing number is NaN."""
    if isinstance(tree, dict):
        return {k: v for key, value in tree.items() for k, v in numbers(value, f"{path}/{key}").items()}
    if isinstance(tree, list):
        return {k: v for index, value in enumerate(tree) for k, v in numbers(value, f"{path}/{index}").items()}
    if tree is None:
        return {path: math.nan}
    return {path: float(tree)} if isinstance(tree, int | float) else {}


def array_hash(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's type, shape and bytes."""
    content = f"{array.dtype} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(content).hexdigest()


# -- comparing ---------------------------------------------------------------------------------------------------------


def compare(expected: Record, measured: Record) -> tuple[str, bool]:
    """Return how a case differs from its record, and whether that is within TOLERANCE."""
    before, after = expected["metrics"], measured["metrics"]
    if missing := sorted(set(before) - set(after)):
        return f"{len(missing)} numbers are missing, such as {missing[0]}", False
    differences = {name: difference(float(before[name]), float(after[name])) for name in before}
    name = max(differences, key=lambda name: differences[name])
    changed = sum(after_hash != expected["arrays"].get(key) for key, after_hash in measured["arrays"].items())
    arrays = f"{changed} of {len(measured['arrays'])} arrays differ" if changed else "arrays equal"
    if not differences[name]:
        return ("equal" if not changed else f"metrics equal, {arrays}"), True
    return f"{name} differs by {differences[name]:.2g}; {arrays}", differences[name] <= TOLERANCE


def difference(before: float, after: float) -> float:
    """Return the difference, relative where the number is above 1; 0 for two missing numbers."""
    if math.isnan(before) and math.isnan(after):
        return 0.0
    return math.inf if math.isnan(before) or math.isnan(after) else abs(after - before) / max(1.0, abs(before))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    direction = parser.add_mutually_exclusive_group(required=True)
    direction.add_argument("--write", type=Path, metavar="FILE", help="record the results")
    direction.add_argument("--against", type=Path, metavar="FILE", help="compare the results with a record")
    parser.add_argument("--only", metavar="NAME", help="the cases whose name contains NAME")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only is None or options.only in case.name]
    with ThreadPoolExecutor(2) as pool:
        results = dict(zip((case.name for case in cases), pool.map(run_case, cases), strict=True))
    if options.write is not None:
        options.write.write_text(json.dumps(results, indent=1))
        return
    expected = json.loads(options.against.read_text())
    within = True
    for name, measured in results.items():
        sentence, close = compare(expected[name], measured)
        print(f"{name}: {sentence}")
        within &= close
    sys.exit(not within)


if __name__ == "__main__":
    main()
