"""Run folders: whole at any moment, for one process at a time, refused early where they cannot be."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from regexp.core.errors import RunError, UsageError
from regexp.runs import Run, list_runs
from regexp.runs import files as files_module
from regexp.runs.checkpoint import load, save

ROOT = Path(__file__).parents[2]


def arrays(value: float = 1.0):
    return {
        "w": np.full((3, 4), value, np.float32),
        "empty": np.zeros((0, 2), np.int32),
        "scalar": np.asarray(value),
        "flag": np.asarray([True, False]),
    }


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


@pytest.fixture
def run(tmp_path):
    made = Run.create(tmp_path, "lab")
    made.write_config("model: {name: mlp}\n")
    return made


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    import ml_dtypes

    given = arrays() | {"half": np.ones(3, ml_dtypes.bfloat16)}
    save(tmp_path / "c", given, {"position": 3, "names": ["a"]})
    back, meta = load(tmp_path / "c")
    assert same(back, given)
    assert meta == {"position": 3, "names": ["a"]}


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path):
    save(tmp_path / "c", arrays(), {})
    raw = (tmp_path / "c").read_bytes()
    for position in range(0, len(raw), 7):
        damaged = bytearray(raw)
        damaged[position] ^= 4
        (tmp_path / "d").write_bytes(damaged)
        with pytest.raises(RunError, match="d"):
            load(tmp_path / "d")
    for length in range(0, len(raw), 11):
        (tmp_path / "d").write_bytes(raw[:length])
        with pytest.raises(RunError):
            load(tmp_path / "d")


class Breaking:
    """`os`, whose k-th call fails."""

    def __init__(self, k, failure):
        self.calls, self.k, self.failure = 0, k, failure

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in ("open", "write", "fsync", "close", "replace"):
            return real

        def call(*arguments, **options):
            self.calls += 1
            if self.calls == self.k:
                if name == "close":
                    real(*arguments)
                self.failure()
            return real(*arguments, **options)

        return call


def full_disk():
    raise OSError(errno.ENOSPC, "No space left on device")


def operations(run) -> int:
    counting = Breaking(-1, full_disk)
    original, files_module.os = files_module.os, counting
    try:
        run.save_checkpoint("last", arrays(2.0), {"n": 2})
    finally:
        files_module.os = original
    return counting.calls


def test_a_full_disk_at_any_operation_loses_nothing(run, monkeypatch):
    run.save_checkpoint("last", arrays(1.0), {"n": 1})
    count = operations(run)
    assert count >= 8
    for k in range(1, count + 1):
        monkeypatch.setattr(files_module, "os", Breaking(k, full_disk))
        with pytest.raises(RunError, match="No space left"):
            run.save_checkpoint("last", arrays(3.0), {"n": 3})
        monkeypatch.setattr(files_module, "os", os)
        found, meta, _ = run.load_checkpoint("last")
        assert meta["n"] in (2, 3)
        assert same(found, arrays(float(meta["n"])))
        run.save_checkpoint("last", arrays(2.0), {"n": 2})


def test_death_at_any_operation_leaves_a_whole_checkpoint(run):
    run.save_checkpoint("last", arrays(2.0), {"n": 2})
    count = operations(run)
    code = (
        "import os, sys\nfrom tests.runs.test_runs import *\n"
        "run = Run(Path(sys.argv[1]))\nfiles_module.os = Breaking(int(sys.argv[2]), lambda: os._exit(9))\n"
        "run.save_checkpoint('last', arrays(3.0), {'n': 3})\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(folder), str(k)], cwd=ROOT)
        for k in range(1, count + 1)
        for folder in [_copy(run.path, k)]
    ]
    for k, child in enumerate(children, 1):
        assert child.wait() == 9
        found, meta, _ = Run(_copied(run.path, k)).load_checkpoint("last")
        assert meta["n"] in (2, 3)
        assert same(found, arrays(float(meta["n"])))


def _copied(path, k):
    return path.with_name(f"copy-{k}")


def _copy(path, k):
    import shutil

    shutil.copytree(path, _copied(path, k))
    return _copied(path, k)


def test_the_one_before_is_used_where_the_newest_is_damaged(run):
    run.save_checkpoint("last", arrays(1.0), {"n": 1})
    run.save_checkpoint("last", arrays(2.0), {"n": 2})
    (run.path / "checkpoints" / "last").write_bytes(b"junk")
    found, _, warning = run.load_checkpoint("last")
    assert same(found, arrays(1.0))
    assert "using the previous checkpoint" in warning
    (run.path / "checkpoints" / "last.previous").write_bytes(b"junk")
    with pytest.raises(RunError, match=r"last: not a checkpoint; .*last\.previous: not a checkpoint$"):
        run.load_checkpoint("last")


def test_names_that_are_taken_get_a_number_also_between_processes(tmp_path):
    code = "import sys\nfrom regexp.runs import Run\nprint(Run.create(sys.argv[1], 'lab').name)"
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    names = sorted(child.communicate()[0].strip() for child in children)
    assert names == ["lab", "lab-2", "lab-3", "lab-4"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\\b", ".hidden", "a\nb", "\x1b[31m", "x" * 201, " a", "a*"])
def test_names_that_are_no_folder_names(name, tmp_path):
    with pytest.raises(UsageError, match="plain folder name"):
        Run.create(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunError, match="file"):
            Run.create(root, "lab")


def test_one_process_at_a_time(run, tmp_path):
    with pytest.raises(RunError, match="another process"):
        Run.open(tmp_path, "lab")
    run.close()
    Run.open(tmp_path, "lab").close()
    with pytest.raises(UsageError, match="no run 'other'"):
        Run.open(tmp_path, "other")


def test_metrics_are_valid_json_and_cut_back_exactly(run):
    run.append_metrics([{"epoch": i, "x": float("nan") if i == 1 else 0.5} for i in range(4)])
    raw = (run.path / "metrics.jsonl").read_bytes()
    assert [json.loads(line)["x"] for line in raw.splitlines()] == [0.5, None, 0.5, 0.5]
    (run.path / "metrics.jsonl").write_bytes(raw + b'{"epoch": 4, "x"')
    rows, warning = run.metrics()
    assert len(rows) == 4
    assert "1 damaged lines" in warning
    run.truncate_metrics(2)
    assert (run.path / "metrics.jsonl").read_bytes() == b"".join(raw.splitlines(keepends=True)[:2])
    with pytest.raises(RunError, match="fewer rows than the 3"):
        run.truncate_metrics(3)


def test_predictions_have_the_same_bytes_and_hold_no_pickle(run):
    given = {"seeds": np.arange(3), "outputs": np.ones((3, 4, 2), np.float32)}
    run.write_predictions(given)
    first = (run.path / "predictions.npz").read_bytes()
    run.write_predictions(given)
    assert (run.path / "predictions.npz").read_bytes() == first
    assert same(run.read_predictions(), given)
    np.savez(run.path / "predictions.npz", x=np.array([{}], object))
    with pytest.raises(RunError):
        run.read_predictions()


def test_leftovers_of_a_kill_are_cleaned(run, tmp_path):
    leftover = run.path / "checkpoints" / "last.writing"
    leftover.write_bytes(b"half")
    run.close()
    Run.open(tmp_path, "lab").close()
    assert not leftover.exists()


def test_a_damaged_folder_hides_no_other(run, tmp_path):
    run.write_json("manifest.json", {"status": "done", "x": float("inf")})
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    found = {name: (manifest, problem) for name, manifest, problem in list_runs(tmp_path)}
    assert found["lab"][0] == {"status": "done", "x": None}
    assert "damaged" in found["broken"][1]
