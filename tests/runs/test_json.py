"""Whatever is written as JSON is valid JSON, for readers stricter than Python's, too."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regexp.runs.files import to_json

SCALARS = [
    (np.float32(0.5), 0.5),
    (np.float64(0.1), 0.1),
    (np.float16("nan"), None),
    (np.float32("-inf"), None),
    (np.longdouble(2), 2.0),
    (ml_dtypes.bfloat16(3), 3.0),
    (np.int64(-(2**63)), -(2**63)),
    (np.uint8(255), 255),
    (np.bool_(True), True),
    (np.str_("a"), "a"),
]


@pytest.mark.parametrize(("scalar", "plain"), SCALARS, ids=[type(scalar).__name__ for scalar, _ in SCALARS])
def test_scalars_of_numpy_are_plain_numbers(scalar, plain):
    found = json.loads(to_json({"x": [scalar]}))["x"][0]
    assert found == plain
    assert type(found) is type(plain)


def test_keys_are_text():
    assert json.loads(to_json({np.int64(3): 1, "a\udcff": 2})) == {"3": 1, "a\\udcff": 2}


def test_text_that_is_unicode_stays_as_it_is():
    assert to_json(["é日😀\\udcff"]) == '["é日😀\\\\udcff"]'.encode()


def refuse(constant):
    raise ValueError(constant)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.floats(width=32).map(np.float32)
anything = st.text(alphabet=st.characters(codec=None), max_size=5)
trees = st.recursive(
    plain | anything, lambda below: st.lists(below, max_size=3) | st.dictionaries(anything, below, max_size=3)
)


@settings(max_examples=300, deadline=None)
@given(trees, st.sampled_from([None, 2]))
def test_any_tree_is_strict_json(tree, indent):
    found = json.loads(to_json(tree, indent).decode("utf-8"), parse_constant=refuse)
    json.dumps(found, ensure_ascii=False).encode("utf-8")  # fails for what is no Unicode
    if isinstance(tree, float):
        assert found == (float(tree) if math.isfinite(tree) else None)


def test_a_command_line_that_is_no_utf_8_is_written(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom regexp.runs import Run\n"
        "Run(Path(sys.argv[1])).write_json('manifest.json', {'command': sys.argv[2:]})"
    )
    root = Path(__file__).parents[2]
    command = [os.fsencode(sys.executable), b"-c", code.encode(), os.fsencode(tmp_path), b"\xff.yaml"]
    subprocess.run(command, cwd=root, check=True)
    assert json.loads((tmp_path / "manifest.json").read_bytes()) == {"command": ["\\udcff.yaml"]}
