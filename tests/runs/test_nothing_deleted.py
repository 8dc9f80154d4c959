"""Nothing is removed or overwritten that the package did not write itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from regexp.core.errors import RunError
from regexp.runs import Run
from regexp.runs import files
from regexp.engine import cache
from tests.cli.command import inside

CONFIG = """\
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [4]}
regularizers: {l2: true}
training: {epochs: 2, batch_size: 16, seeds: [0]}
"""


def contents(folder: Path) -> dict[str, bytes | str]:
    """Every file and link below a folder."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def plant(folder: Path, precious: Path) -> dict[str, bytes | str]:
    """A person's own files in a folder: plain, named like temporary files, in a folder, and a link to a folder."""
    before = contents(folder) if folder.exists() else {}
    (folder / "notes").mkdir(parents=True)
    (folder / "thesis.txt").write_text("mine")
    (folder / "thesis.writing").write_text("mine too")
    (folder / "notes" / "page.md").write_text("and this")
    (folder / "link").symlink_to(precious)
    return {name: content for name, content in contents(folder).items() if name not in before}


@pytest.fixture
def precious(tmp_path):
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "manifest.json.writing").write_text("not of a run")
    yield folder
    assert (folder / "manifest.json.writing").read_text() == "not of a run"


def assert_kept(folder: Path, planted: dict[str, bytes | str]) -> None:
    there = contents(folder)
    assert {name: there.get(name) for name in planted} == planted


def test_discarding_a_run_leaves_foreign_files(tmp_path, precious):
    run = Run.create(tmp_path / "runs", "lab")
    run.write_config("text")
    planted = plant(run.path, precious)
    inside_checkpoints = run.path / "checkpoints" / "mine.npz"
    inside_checkpoints.write_bytes(b"weights")
    run.discard()
    assert_kept(run.path, planted)
    assert inside_checkpoints.read_bytes() == b"weights"
    assert not (run.path / "config.yaml").exists()


def test_discarding_a_run_removes_all_that_it_wrote(tmp_path):
    run = Run.create(tmp_path / "runs", "lab")
    run.write_config("text")
    run.write_json("manifest.json", {})
    (run.path / "metrics.jsonl.writing").write_text("half")
    run.discard()
    assert list((tmp_path / "runs").iterdir()) == []


def test_opening_a_run_cleans_its_own_temporaries_alone(tmp_path, precious):
    run = Run.create(tmp_path / "runs", "lab")
    run.write_config("text")
    run.close()
    planted = plant(run.path, precious)
    Run.open(tmp_path / "runs", "lab").close()
    assert_kept(run.path, planted)


@pytest.mark.parametrize("arm", ["all", "without-l2"])
def test_an_ablation_leaves_a_folder_with_an_arms_name(arm, tmp_path, precious, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    planted = plant(tmp_path / "runs" / "x" / arm, precious)
    assert inside("ablate", "c.yaml", "--name", "x", "--no-cost") == 1
    assert "which regexp did not write there" in capsys.readouterr().err
    assert_kept(tmp_path / "runs" / "x" / arm, planted)


def test_the_remains_of_a_killed_arm_are_removed(tmp_path):
    path = tmp_path / "all"
    (path / "checkpoints").mkdir(parents=True)
    (path / ".lock").touch()
    (path / "config.yaml.writing").write_text("half")
    Run.remove_remains(path)
    assert not path.exists()


def test_a_link_in_an_arms_place_is_refused(tmp_path, precious):
    (tmp_path / "all").symlink_to(precious)
    with pytest.raises(RunError, match="regexp did not write"):
        Run.remove_remains(tmp_path / "all")


def test_a_failed_train_and_a_refused_resume_leave_foreign_files(tmp_path, precious, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("batch_size: 16", "batch_size: 100000"))
    planted = plant(tmp_path / "runs" / "c", precious)
    assert inside("train", "c.yaml") == 2  # the name is taken, c-2 is discarded
    assert_kept(tmp_path / "runs" / "c", planted)
    assert not (tmp_path / "runs" / "c-2").exists()
    assert inside("train", "--resume", "c") == 2
    assert_kept(tmp_path / "runs" / "c", planted)


def test_a_named_output_uses_no_temporary_file_of_the_users(tmp_path):
    (tmp_path / "out.csv.writing").write_text("mine")
    files.write_named(tmp_path / "out.csv", b"predictions")
    assert (tmp_path / "out.csv").read_bytes() == b"predictions"
    assert (tmp_path / "out.csv.writing").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.csv.writing"]


@pytest.mark.parametrize("name", ["manifest.json", "metrics.jsonl", "checkpoints/last.new"])
def test_nothing_is_written_through_a_link_in_a_temporary_files_place(name, tmp_path):
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("mine")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.with_name(f"{path.name}.writing").symlink_to(thesis)
    with pytest.raises(RunError, match=path.name):
        files.write_atomic(path, b"text of a run")
    assert thesis.read_text() == "mine"
    assert path.with_name(f"{path.name}.writing").is_symlink()


def test_the_cache_forgets_its_own_files_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MOST_KEPT", 2)
    names = [f"{number:064x}" for number in range(4)]
    for name in [*names, "thesis.txt", "0123"]:
        (tmp_path / name).write_text("content")
    cache._tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} & {"thesis.txt", "0123"} == {"thesis.txt", "0123"}
    assert len(list(tmp_path.iterdir())) == 4


def test_init_leaves_a_schema_that_is_not_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "regexp.schema.json").write_text("mine")
    assert inside("init", "lab.yaml") == 0
    assert (tmp_path / "regexp.schema.json").read_text() == "mine"
