"""The compilation cache may be anything: the run is the same."""

from __future__ import annotations

import os

import pytest

from tests.cli.command import CONFIG, regexp


@pytest.mark.slow
def test_a_broken_compilation_cache_is_harmless(tmp_path):
    # the least to compile: every one of these runs compiles anew
    config = CONFIG.replace("{name: mlp, hidden: [8]}", "linear").replace("seeds: [0, 1]", "seeds: [0]")
    (tmp_path / "wine.yaml").write_text(config.replace("dropout: {rate: 0.1}", "l2: {strength: 0.1}"))
    (tmp_path / "file").write_text("")
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "file")}
    done = regexp("train", tmp_path / "wine.yaml", "--runs-dir", tmp_path / "a", "--quiet", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    for name in ("b", "c"):
        done = regexp("train", tmp_path / "wine.yaml", "--runs-dir", tmp_path / name, "--quiet", env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        entries = [f for f in (tmp_path / "cache").rglob("*") if f.is_file()]
        assert entries
        for entry in entries:
            entry.write_bytes(b"junk")
    same = [(tmp_path / n / "wine" / "metrics.jsonl").read_bytes() for n in ("a", "b", "c")]
    assert same[0] == same[1] == same[2]
