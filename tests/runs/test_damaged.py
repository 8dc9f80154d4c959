"""A reader of a run's file gives what was written or a RunError with the path and the reason, whatever the bytes."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regexp.core.errors import RunError
from regexp.experiment import Experiment
from regexp.inference import read_experiment
from regexp.runs import Run
from regexp.runs.checkpoint import MAGIC, load
from regexp.runs.files import to_json

ARRAYS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "seeds": np.arange(3)}
ROWS = [{"epoch": epoch, "seed": 0, "loss": 0.5} for epoch in range(4)]
CONFIG = "model: {name: mlp, hidden: [3]}\nregularizers: {l2: true}\n"


def is_mapping(found):
    return isinstance(found, dict)


def is_as_written(found):
    return found.keys() == ARRAYS.keys() and all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)


# file -> how it is read, and what holds of anything read from it
READERS = {
    "checkpoints/last": (lambda run: run.load_checkpoint("last")[0], is_as_written),
    "predictions.npz": (Run.read_predictions, is_as_written),
    "manifest.json": (lambda run: run.read_json("manifest.json"), is_mapping),
    "summary.json": (lambda run: run.read_json("summary.json"), is_mapping),
    "metrics.jsonl": (lambda run: run.metrics()[0], lambda rows: all(map(is_mapping, rows))),
    "config.yaml": (read_experiment, lambda found: isinstance(found, Experiment)),
}
each_reader = pytest.mark.parametrize("name", READERS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made = Run.create(tmp_path_factory.mktemp("runs"), "lab")
    made.write_config(CONFIG)
    made.write_json("manifest.json", {"status": "done", "seeds": [0, 1]})
    made.write_json("summary.json", {"lanes": [{"seed": 0}]})
    made.append_metrics(ROWS)
    made.write_predictions(ARRAYS)
    made.save_checkpoint("last", ARRAYS, {"rows": 4})
    return made


@pytest.fixture(scope="module")
def written(run):
    return {name: (run.path / name).read_bytes() for name in READERS}


def read(run, name, raw):
    """What is read from `raw`; None for a RunError."""
    path = run.path / name
    path.write_bytes(raw)
    reader, holds = READERS[name]
    try:
        found = reader(run)
    except RunError as error:
        assert str(error).startswith(f"{path}:")
        assert not str(error).rstrip().endswith(":")
        return None
    assert holds(found)
    return found


@each_reader
def test_whole_files_are_read(run, written, name):
    assert read(run, name, written[name]) is not None


@each_reader
def test_any_bytes(run, name):
    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode(errors="replace")))
    def check(raw):
        read(run, name, raw)

    check()


@each_reader
def test_one_damaged_byte(run, written, name):
    raw = written[name]

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, len(raw) - 1), st.integers(1, 255))
    def check(position, change):
        damaged = bytearray(raw)
        damaged[position] ^= change
        found = read(run, name, bytes(damaged))
        if name == "checkpoints/last":
            assert found is None
        if name == "metrics.jsonl":  # a damaged newline makes one line of two
            assert sum(row in found for row in ROWS) >= len(ROWS) - 2

    check()


@each_reader
def test_cut_after_any_byte(run, written, name):
    raw = written[name]
    for length in range(0, len(raw), max(1, len(raw) // 100)):
        found = read(run, name, raw[:length])
        if name in ("checkpoints/last", "predictions.npz", "manifest.json", "summary.json"):
            assert found is None or raw[length:].isspace()
        if name == "metrics.jsonl":
            assert found == ROWS[: len(found)]


@each_reader
def test_missing_and_a_folder_in_its_place(run, name):
    path = run.path / name
    path.unlink(missing_ok=True)
    if name != "metrics.jsonl":  # before the first epoch there is none
        with pytest.raises(RunError, match=path.name):
            READERS[name][0](run)
    path.mkdir()
    with pytest.raises(RunError, match=f"{path.name}: .*[Ii]s a directory"):
        READERS[name][0](run)
    path.rmdir()


@pytest.mark.parametrize(
    "raw", [b"[1, 2]", b"3", b'"text"', b"null", b"", b"\xff\xfe", b"[" * 100_000, b'{"a": "\xff"}']
)
def test_json_that_is_no_mapping(run, raw):
    for name in ("manifest.json", "summary.json"):
        assert read(run, name, raw) is None
    path = run.path / "metrics.jsonl"
    path.write_bytes(b'{"epoch": 1}\n' + raw + b'\n{"epoch": 2}\n')
    rows, warning = run.metrics()
    assert rows == [{"epoch": 1}, {"epoch": 2}]
    assert warning == f"{path}: 1 damaged lines ignored"


def forged(header, body=b""):
    """A checkpoint whose checksum fits, whatever is in it."""
    raw = header if isinstance(header, bytes) else to_json(header)
    rest = len(raw).to_bytes(8, "little") + raw + body
    return MAGIC + hashlib.sha256(rest).digest() + rest


def entry(name="w", dtype="float32", shape=(2,)):
    return {"meta": {}, "arrays": [[name, dtype, shape]]}


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ([], b""),
        ({}, b""),
        (b"\xff", b""),
        (b"[" * 100_000, b""),
        ({"meta": {}, "arrays": 3}, b""),
        ({"meta": {}, "arrays": {"w": 3}}, b""),
        ({"meta": [], "arrays": []}, b""),
        ({"meta": {}, "arrays": [["w", "float32"]]}, b""),
        ({"meta": {}, "arrays": ["wfs"]}, b""),
        (entry(name=3), bytes(8)),
        (entry(dtype="object"), bytes(16)),
        (entry(dtype="f4,f4"), bytes(16)),
        (entry(dtype=None), bytes(16)),
        (entry(shape="12"), bytes(8)),
        (entry(shape=[True]), bytes(4)),
        (entry(shape=[2.0]), bytes(8)),
        (entry(shape=[-1]), bytes(8)),
        (entry(shape=[-1, -2]), bytes(8)),
        (entry(shape=[2**62]), bytes(8)),
        (entry(shape=[0, 2**62, 2**62]), b""),
        (entry(shape=[0, 2**80]), b""),
        (entry(shape=[1] * 100), bytes(4)),
        (entry(), bytes(7)),
        (entry(), bytes(9)),
    ],
)
def test_a_checkpoint_whose_checksum_fits_nonsense(run, header, body):
    path = run.path / "nonsense"
    path.write_bytes(forged(header, body))
    with pytest.raises(RunError, match="nonsense: damaged: .+"):
        load(path)
    path.write_bytes(forged(entry(), bytes(8)))
    assert load(path)[0]["w"].tolist() == [0, 0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(["float32", "object", "<f4"]),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(["meta", "arrays"]), below),
)


@settings(max_examples=300, deadline=None)
@given(json_values | st.fixed_dictionaries({"meta": st.just({}), "arrays": json_values}), st.binary(max_size=20))
def test_any_header_with_a_fitting_checksum(tmp_path_factory, header, body):
    path = tmp_path_factory.getbasetemp() / "forged"
    path.write_bytes(forged(json.dumps(header).encode(), body))
    try:
        arrays, meta = load(path)
    except RunError as error:
        assert str(error).startswith(f"{path}: damaged: ")
    else:
        assert is_mapping(meta)
        assert sum(array.nbytes for array in arrays.values()) == len(body)


def npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, raw in members.items():
            archive.writestr(f"{name}.npy", raw)
    return buffer.getvalue()


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        npy(np.ones(3)),
        pickle.dumps(Bomb()),
        zipped(x=pickle.dumps(Bomb())),
        zipped(x=npy(np.array([Bomb()], object))),
        zipped(x=b""),
        zipped(x=npy(np.ones(3))[:-1]),
        zipped(x=npy(np.ones(3)).replace(b"(3,)", b"(3,(")),
        zipped(x=npy(np.ones(3)).replace(b"(3,), ", b"(9**20,")),
        zipped(x=npy(np.ones(3)).replace(b"(3,), }          ", b"(99999999999,), }")),
    ],
)
def test_predictions_that_are_none(run, raw):
    assert read(run, "predictions.npz", raw) is None


def test_a_config_that_is_none(run, written):
    path = run.path / "config.yaml"
    for raw, reason in (
        (b"model: \xff", "not UTF-8"),
        (b"[]", "a config is a mapping"),
        (b"modle: mlp", "unknown key"),
    ):
        path.write_bytes(raw)
        with pytest.raises(RunError, match=f"config.yaml:1:1.* {reason}"):
            read_experiment(run)
    path.write_bytes(written["config.yaml"])
    assert read_experiment(run).model.hidden == (3,)
