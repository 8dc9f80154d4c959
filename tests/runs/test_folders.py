"""Folders that are none, or that cannot be read: said with their path and reason, and none hides another."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from regexp.core.errors import RunError, UsageError
from regexp.runs import Run, list_runs

NOBODY = 65534


@pytest.fixture
def root():
    """A folder for runs, in the hands of a user to whom permissions apply."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        user = os.geteuid()
        if user == 0:
            os.chown(folder, NOBODY, -1)
            os.seteuid(NOBODY)
        yield folder
        os.seteuid(user)


@pytest.fixture
def run(root):
    made = Run.create(root, "lab")
    made.write_config("model: mlp\n")
    made.write_json("manifest.json", {"status": "done"})
    made.save_checkpoint("last", {}, {"n": 1})
    made.append_metrics([{"epoch": 1}])
    made.close()
    return made


@pytest.fixture
def shut():
    """Takes all permissions of a path until the test is over."""
    paths: list[tuple[Path, int]] = []

    def take(path):
        paths.append((path, path.stat().st_mode))
        path.chmod(0)

    yield take
    for path, mode in reversed(paths):
        path.chmod(mode)


def test_a_run_that_may_not_be_read(root, run, shut):
    shut(run.path)
    for look in (Run.read, Run.open):
        with pytest.raises(UsageError, match=r"no run 'lab' in .*; .*lab/config.yaml: Permission denied"):
            look(root, "lab")
    for look in (run.metrics, lambda: run.truncate_metrics(0), lambda: run.has_checkpoint("last"), run.lock):
        with pytest.raises(RunError, match="Permission denied"):
            look()
    with pytest.raises(RunError, match="Permission denied"):
        run.load_checkpoint("last")


def test_checkpoints_that_may_not_be_read_are_not_taken_for_none(run, shut):
    shut(run.path / "checkpoints")
    with pytest.raises(RunError, match="checkpoints/last.*: Permission denied"):
        run.has_checkpoint("last")
    with pytest.raises(RunError, match="checkpoints/last.*: Permission denied"):
        run.save_checkpoint("last", {}, {})


def test_a_file_where_the_checkpoints_should_be(run):
    (run.path / "checkpoints" / "last").unlink()
    (run.path / "checkpoints").rmdir()
    (run.path / "checkpoints").write_text("")
    for use in (run.has_checkpoint, run.load_checkpoint, lambda kind: run.save_checkpoint(kind, {}, {})):
        with pytest.raises(RunError, match="checkpoints/last.*: Not a directory"):
            use("last")


def test_what_is_no_run_is_told_apart(root):
    (root / "file").write_text("")
    (root / "link").symlink_to(root / "nowhere")
    (root / "loop").symlink_to(root / "loop")
    (root / "empty").mkdir()
    (root / "odd" / "config.yaml").mkdir(parents=True)
    for name, reason in {
        "none": "no run 'none' in [^;]*$",
        "file": "file/config.yaml: Not a directory",
        "link": "link: a dangling link",
        "loop": "loop/config.yaml: Too many levels",
        "empty": "empty/config.yaml: not found",
        "odd": "odd/config.yaml: not a file",
        "x" * 300: "File name too long",
        "a\0b": "null",
    }.items():
        for look in (Run.read, Run.open):
            with pytest.raises(UsageError, match=reason):
                look(root, name)
    with pytest.raises(UsageError, match="file/lab/config.yaml: Not a directory"):
        Run.read(root / "file", "lab")


def test_a_link_to_a_run_is_one(root, run):
    (root / "link").symlink_to(run.path)
    assert Run.read(root, "link").read_json("manifest.json") == {"status": "done"}
    assert Run.read(root / "elsewhere", str(run.path)).path == run.path


def test_a_name_taken_by_anything_gets_a_number(root):
    (root / "lab").write_text("")
    (root / "lab-2").symlink_to(root / "nowhere")
    assert Run.create(root, "lab").name == "lab-3"


def test_a_root_that_may_not_be_written(root):
    root.chmod(0o500)
    with pytest.raises(RunError, match="lab: cannot create the folder: Permission denied"):
        Run.create(root, "lab")
    with pytest.raises(RunError, match="runs: Permission denied"):
        Run.create(root / "runs", "lab")
    root.chmod(0o700)
    (root / "link").symlink_to(root / "nowhere")
    with pytest.raises(RunError, match="link: "):
        Run.create(root / "link", "lab")


def test_all_runs_are_listed_and_what_is_none_with_its_reason(root, run, shut):
    (root / "file").write_text("")
    (root / "link").symlink_to(root / "nowhere")
    (root / "empty").mkdir()
    (root / ".hidden").mkdir()
    (root / "shut").mkdir()
    (root / "list").mkdir()
    (root / "list" / "manifest.json").write_text("[]")
    shut(root / "shut")
    found = {name: (manifest, problem) for name, manifest, problem in list_runs(root)}
    assert list(found) == ["empty", "file", "lab", "link", "list", "shut"]
    assert found["lab"] == ({"status": "done"}, None)
    for name, reason in {
        "empty": "No such file",
        "file": "Not a directory",
        "link": "No such file",
        "list": "not a mapping",
        "shut": "Permission denied",
    }.items():
        assert found[name][0] is None
        assert found[name][1].startswith(f"{root / name}/manifest.json: ")
        assert reason in found[name][1]


def test_a_root_that_cannot_be_listed(root, shut):
    assert list_runs(root / "none") == []
    (root / "file").write_text("")
    (root / "link").symlink_to(root / "nowhere")
    (root / "shut").mkdir()
    shut(root / "shut")
    for name, reason in {"file": "Not a directory", "link": "No such file", "shut": "Permission denied"}.items():
        with pytest.raises(RunError, match=f"{name}: {reason}"):
            list_runs(root / name)


def test_a_lock_that_was_refused_is_not_closed_again(root, run):
    run.lock()
    second = Run(run.path)
    with pytest.raises(RunError, match="another process"):
        second.lock()
    descriptor = os.open(root, os.O_RDONLY)  # takes the number that was just freed
    second.close()
    os.fstat(descriptor)  # fails where it was closed
    os.close(descriptor)
    with pytest.raises(RunError, match="another process"):
        run.lock()
    run.close()
    second.lock()
    second.close()


def test_a_folder_named_like_a_leftover_is_left(root, run):
    (run.path / "mine.writing").mkdir()
    (run.path / "thesis.writing").write_text("a file of the user's")
    leftovers = run.path / "manifest.json.writing", run.path / "checkpoints" / "last.new.writing"
    for leftover in leftovers:
        leftover.write_text("half")
    Run.open(root, "lab").close()
    assert (run.path / "mine.writing").is_dir()
    assert (run.path / "thesis.writing").read_text() == "a file of the user's"
    assert not any(leftover.exists() for leftover in leftovers)
