"""What a person reads and types: suggestions, names, advice that works as printed, Ctrl-C at any moment."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from regexp.config import loads
from regexp.config.suggest import part_meant
from regexp.core.errors import ConfigError, UsageError
from regexp.engine import cache
from regexp.regularizers.base import CATALOGUE
from regexp.runs import Run
from tests.cli.command import CONFIG, ROOT, inside, regexp

MEANT = {
    "layer_norm": None, "vat": None, "temperature": None, "lasso": "l1", "ridge": "l2", "batchnorm": "batch_norm",
    "droput": "dropout", "cutmux": "cutmix", "weight_decy": "weight_decay", "early_stop": "early_stopping",
    "label_smooth": "label_smoothing", "mix_up": "mixup", "maxnorm": "max_norm",
}  # fmt: skip


@pytest.mark.parametrize("word", MEANT)
def test_a_suggestion_is_what_was_meant_or_there_is_none(word):
    sentence = part_meant(word, {name: CATALOGUE[name] for name in CATALOGUE})
    assert (f'"{MEANT[word]}"' in sentence) if MEANT[word] else (sentence == "")


def test_a_key_that_a_method_lacks_is_not_looked_for_in_other_sections():
    with pytest.raises(ConfigError) as error:
        loads("regularizers: {early_stopping: {target: 0.9}}")
    assert "dataset" not in str(error.value)
    assert "it takes monitor, patience" in str(error.value)


@pytest.mark.parametrize(
    "name", ["-x", "--help", "CON", "nul", "com1", "aux.yaml", ".hidden", "end.", " a", "a\tb", "a/b"]
)
def test_names_that_are_no_folder_names_everywhere_are_refused(name, tmp_path):
    with pytest.raises(UsageError, match="must be a plain folder name"):
        Run.create(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["lab", "contest", "a-b", "v1.2", "größe"])
def test_other_names_are_accepted(name, tmp_path):
    Run.create(tmp_path, name).close()


@pytest.mark.slow
def test_the_advice_after_an_interrupt_is_a_command_that_works(tmp_path):
    (tmp_path / "wine.yaml").write_text(CONFIG.replace("epochs: 8", "epochs: 4000"))
    runs = tmp_path / "my runs"
    process = subprocess.Popen(
        [sys.executable, "-m", "regexp", "train", str(tmp_path / "wine.yaml"), "--runs-dir", str(runs)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not (runs / "wine" / "metrics.jsonl").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    command = shlex.split(errors.rpartition("go on with: ")[2])
    assert command == ["regexp", "train", "--resume", "wine", "--runs-dir", str(runs)]
    assert regexp(*command[1:], "--quiet").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--help",), ("train", "configs/quickstart.yaml")])
def test_ctrl_c_during_start_up_shows_no_traceback(arguments, tmp_path):
    """From the moment that this package's first module runs."""
    start = "import regexp.__main__ as entry; print('started', flush=True); entry.main()"
    options = ["--runs-dir", str(tmp_path)] if "train" in arguments else []
    for delay in (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.2):
        process = subprocess.Popen(
            [sys.executable, "-c", start, *arguments, *options],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "started\n"
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors, delay
        assert process.returncode in (0, 130), delay


def test_the_cache_trusts_no_file_or_folder_of_others(tmp_path):
    folder = tmp_path / "open" / "cache"
    assert cache._make(folder)
    os.chmod(tmp_path / "open", 0o777)
    assert not cache._make(folder)
    os.chmod(tmp_path / "open", 0o755)
    assert cache._make(folder)
    path = folder / ("0" * 64)
    path.write_bytes(b"program")
    os.chmod(path, 0o666)
    assert cache._read(path, lambda content: content) is None


def test_two_settings_that_differ_in_one_method_get_a_verdict(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "with.yaml").write_text(CONFIG.replace("seeds: [0, 1]", "seeds: [0, 1, 2, 3, 4, 5]"))
    assert inside("train", "with.yaml", "--quiet") == 0
    assert inside("train", "with.yaml", "--set", "regularizers.dropout=false", "--name", "without", "--quiet") == 0
    capsys.readouterr()
    assert inside("report") == 0
    text = capsys.readouterr().out
    assert "without (baseline)" in text
    assert "baseline: without, the setting without the method in which the two settings differ" in text


def test_diagnose_explains_the_seed_that_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    assert inside("train", "c.yaml", "--quiet") == 0
    capsys.readouterr()
    assert inside("diagnose", "c", "--seed", "1", "--what", "calibration") == 0
    assert "calibration: c, seed 1" in capsys.readouterr().out
    assert inside("diagnose", "c", "--seed", "7", "--what", "calibration") == 2
    assert "--seed 7: c can be explained for 0, 1" in capsys.readouterr().err
