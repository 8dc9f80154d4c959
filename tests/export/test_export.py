"""`regexp export`, read back by each tool's own reader."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from regexp.cli import export as command
from regexp.export.contents import distinct
from regexp.export.mlflow import allowed
from tests.cli.command import ROOT, inside
from tests.report.ablated import ablated
from tests.report.folders import edit, folder
from tests.report.payloads import PAYLOADS
from tests.report.searched import searched
from tests.report.test_hostile import unseen

VALUES = [0.9, 0.8, None]  # of seeds 0, 1 and 2, which diverged


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """One run with three seeds."""
    root = tmp_path_factory.mktemp("lab")
    path = folder(root / "runs", "base", VALUES, "{l2: {strength: 0.1}}")
    edit(path / "summary.json", lambda s: s["metrics"].update(dict.fromkeys(PAYLOADS, s["metrics"]["test/accuracy"])))
    return root


def exported(root: Path, to: str, run: str = "base", output: str | None = None) -> Path:
    path = root / (output or to)
    assert inside("export", run, "--to", to, "--runs-dir", root / "runs", "--output", path) == 0
    return path / run


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def stored(root: Path) -> dict[tuple[int, int], dict[str, float]]:
    """(seed, epoch) -> metric -> value, as metrics.jsonl has it."""
    lines = map(json.loads, (root / "runs" / "base" / "metrics.jsonl").read_text().splitlines())
    return {(line["seed"], line["epoch"]): {k: v for k, v in line.items() if "/" in k} for line in lines}


def test_csv(lab):
    path = exported(lab, "csv")
    curves = rows_of(path / "curves.csv")
    found = {(int(r["seed"]), int(r["epoch"])): {k: float(v) for k, v in r.items() if "/" in k} for r in curves}
    assert found == stored(lab)
    final = {int(row["seed"]): row["test/accuracy"] for row in rows_of(path / "final.csv")}
    assert final == {0: "0.9", 1: "0.8", 2: ""}
    config = {row["key"]: row["value"] for row in rows_of(path / "config.csv")}
    assert (config["regularizers.l2.strength"], config["dataset.name"]) == ("0.1", "digits")


def test_parquet(lab):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    path = exported(lab, "parquet")
    rows = parquet.read_table(path / "curves.parquet").to_pylist()
    assert {(r["seed"], r["epoch"]): {k: v for k, v in r.items() if "/" in k} for r in rows} == stored(lab)
    final = parquet.read_table(path / "final.parquet")
    assert final.column("test/accuracy").to_pylist() == VALUES
    assert str(final.schema.field("test/accuracy").type) == "double"
    assert {"key": "dataset.name", "value": "digits"} in parquet.read_table(path / "config.parquet").to_pylist()


def test_tensorboard(lab):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard")
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    path = exported(lab, "tensorboard")
    assert sorted(lane.name for lane in path.iterdir()) == ["seed-0", "seed-1", "seed-2"]
    events = reader.EventAccumulator(str(path / "seed-1"))
    events.Reload()
    known = {key: values for key, values in stored(lab).items() if key[0] == 1}
    for metric in next(iter(known.values())):
        scalars = {(1, event.step): event.value for event in events.Scalars(metric)}
        assert scalars == {key: pytest.approx(values[metric]) for key, values in known.items()}
    (final,) = events.Scalars("final/test/accuracy")
    assert (final.step, final.value) == (3, pytest.approx(0.8))
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["regularizers.l2.strength"].number_value == 0.1
    assert start.hparams["dataset.name"].string_value == "digits"
    diverged = reader.EventAccumulator(str(path / "seed-2"))
    diverged.Reload()
    assert "final/test/accuracy" not in diverged.Tags()["scalars"]


@pytest.mark.filterwarnings("ignore")  # SQLAlchemy's and MLflow's of each other
def test_mlflow(lab, capsys):
    tracking = pytest.importorskip("mlflow.tracking", reason="needs mlflow-skinny")
    store = exported(lab, "mlflow").parent / "mlflow.db"
    client = tracking.MlflowClient(tracking_uri=f"sqlite:///{store}")
    runs = client.search_runs([client.get_experiment_by_name("regexp").experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert set(by_name) == {"base", "seed-0", "seed-1", "seed-2"}
    parent, lane = by_name["base"], by_name["seed-1"]
    assert parent.data.params["regularizers.l2.strength"] == "0.1"
    assert parent.data.metrics["final/test/accuracy"] == pytest.approx(0.85)
    assert lane.data.tags["mlflow.parentRunId"] == parent.info.run_id
    history = client.get_metric_history(lane.info.run_id, "train/loss")
    known = {epoch: values["train/loss"] for (seed, epoch), values in stored(lab).items() if seed == 1}
    assert {metric.step: metric.value for metric in history} == known
    assert lane.data.metrics["final/test/accuracy"] == 0.8
    assert sum(name.startswith("final/") for name in lane.data.metrics) == 2 + len(PAYLOADS)
    assert "final/test/accuracy" not in by_name["seed-2"].data.metrics
    assert inside("export", "base", "--to", "mlflow", "--runs-dir", lab / "runs", "--output", lab / "mlflow") == 2
    assert "is already in" in capsys.readouterr().err


def test_where_the_package_is_missing_one_line_says_what_to_install(lab, monkeypatch, capsys):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert inside("export", "base", "--to", "mlflow", "--runs-dir", lab / "runs") == 2
    assert capsys.readouterr().err == "--to mlflow needs the package mlflow: pip install 'regexp-lab[mlflow]'\n"


def test_members_and_a_refit_are_lanes_of_their_own(tmp_path):
    path = folder(tmp_path / "runs", "base", VALUES[:1])
    lines = [{"epoch": 1, "seed": 0, "member": m, "train/loss": 1.0 + m} for m in (0, 1)]
    lines.append({"stage": "refit", "epoch": 1, "seed": 0, "train/loss": 9.0})
    (path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows = rows_of(exported(tmp_path, "csv") / "curves.csv")
    assert [(row["member"], row["stage"], row["train/loss"]) for row in rows] == [
        ("0", "", "1.0"), ("1", "", "2.0"), ("0", "refit", "9.0")
    ]  # fmt: skip


def test_of_an_ablation_every_arm_is_written(tmp_path):
    ablated(tmp_path / "runs", pairs=False)
    path = exported(tmp_path, "csv", "digits-ablation")
    assert len(list(path.iterdir())) == 10
    assert (path / "without-l2" / "final.csv").exists()


def test_what_cannot_be_exported(tmp_path, capsys):
    searched(tmp_path / "runs")
    folder(tmp_path / "runs", "base", VALUES)
    (folder(tmp_path / "runs", "broken", VALUES, rate=0.1) / "summary.json").write_text("[")
    for run, code, message in (
        ("search", 2, "search is a sweep: train"), ("nothing", 2, "no run 'nothing'"), ("broken", 1, "broken: "),
    ):  # fmt: skip
        assert (
            inside("export", run, "--to", "csv", "--runs-dir", tmp_path / "runs", "--output", tmp_path / "out") == code
        )
        assert message in capsys.readouterr().err
    exported(tmp_path, "csv")
    assert inside("export", "base", "--to", "csv", "--runs-dir", tmp_path / "runs", "--output", tmp_path / "csv") == 2
    assert "already exists" in capsys.readouterr().err


def test_of_an_interrupted_run_the_curves_are_written(tmp_path):
    path = folder(tmp_path / "runs", "base", VALUES)
    edit(path / "manifest.json", lambda m: m.update(status="interrupted"))
    (path / "summary.json").unlink()
    out = exported(tmp_path, "csv")
    assert len((out / "curves.csv").read_text().splitlines()) == 10
    assert (out / "final.csv").read_text().splitlines() == ['"seed"', "0", "1", "2"]


def test_hostile_names_are_text(tmp_path):
    path = folder(tmp_path / "runs", "base", VALUES)
    edit(path / "summary.json", lambda s: s["metrics"].update(dict.fromkeys(PAYLOADS, s["metrics"]["test/accuracy"])))
    line = {"epoch": 1, "seed": 0, "stage": PAYLOADS[0]} | {f"{payload}/": 1.5 for payload in PAYLOADS}
    (path / "metrics.jsonl").write_text(json.dumps(line))
    out = exported(tmp_path, "csv")
    for name in ("curves", "final"):
        text = (out / f"{name}.csv").read_text()
        assert unseen(text) == set()
        header, *rows = csv.reader(text.splitlines())
        assert len(header) == len(set(header)) >= len(PAYLOADS)
        assert not [cell for cell in header if cell.lstrip()[:1] in set("=+-@＝")]
        assert {len(row) for row in rows} == {len(header)}


def test_hostile_names_reach_the_other_tools(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    path = folder(tmp_path / "runs", "base", [0.9])
    edit(path / "summary.json", lambda s: s["metrics"].update(dict.fromkeys(PAYLOADS, s["metrics"]["test/accuracy"])))
    names = parquet.read_table(exported(tmp_path, "parquet") / "final.parquet").column_names
    assert set(map(str, distinct(PAYLOADS).values())) <= set(names)
    assert unseen("".join(names)) == set()
    line = {"epoch": 1, "seed": 0, "stage": "../../../gone", "train/loss": 1.5}
    (path / "metrics.jsonl").write_text(json.dumps(line))
    lanes = exported(tmp_path, "tensorboard")
    assert {lane.name for lane in lanes.iterdir()} == {"seed-0", "seed-0-_________gone"}
    assert {file.name for file in tmp_path.iterdir()} == {"runs", "parquet", "tensorboard"}


def test_names_that_mlflow_takes():
    for payload in [*PAYLOADS, "a/../b", "..", "/", "x" * 1000]:
        name = allowed(payload)
        assert 0 < len(name) <= 200
        assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. :/")
        assert not {"..", ".", ""} & set(name.split("/"))
    assert distinct(["a<", "a>", "a_"], allowed) == {"a<": "a_", "a>": "a_ 2", "a_": "a_ 3"}


def test_it_loads_no_jax(lab, tmp_path):
    arguments = ["export", "base", "--to", "csv", "--runs-dir", str(lab / "runs"), "--output", str(tmp_path)]
    code = (
        "import sys; from regexp.cli.app import app\n"
        f"try: app({arguments!r})\n"
        "finally: print('loaded:', sorted({'jax', 'jaxlib', 'optax', 'matplotlib', 'optuna'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("loaded: []\n"), done.stdout + done.stderr
