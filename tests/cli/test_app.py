"""Failures, help, hostile text: what every command shares."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from regexp.cli.app import _explained
from regexp.core.errors import Interrupted, UsageError
from regexp.core.escaping import safe
from tests.cli.command import ROOT, inside, regexp


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "none.yaml"], 2, "none.yaml: cannot be read"),
        (["train"], 2, "a config is needed"),
        (["train", "configs/quickstart.yaml", "--device", "tpu"], 2, "--device"),
        (["train", "configs/quickstart.yaml", "--name", "../x"], 2, "plain folder name"),
        (["train", "configs/quickstart.yaml", "--runs-dir", "LICENSE"], 1, "LICENSE"),
        (["train", "--resume", "nothing", "--runs-dir", "/nowhere"], 2, "no run 'nothing'"),
        (["evaluate", "nothing"], 2, "no run 'nothing'"),
        (["show", "dropuot"], 2, 'did you mean "dropout"?'),
        (["list", "wheels"], 2, "no kind 'wheels'"),
        (["validate", "tests/config/bad/activation.yaml"], 2, 'did you mean "relu"?'),
        (["init", "LICENSE"], 2, "is there already"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_failures_are_one_message_and_a_code(arguments, code, words):
    done = regexp(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_help_list_show_and_validate_never_load_jax():
    code = (
        "import sys\nfrom regexp.__main__ import main\n"
        "for words in (['--help'], ['list'], ['show', 'fgsm'], ['validate', 'configs/quickstart.yaml'], ['schema']):\n"
        "    sys.argv = ['regexp', *words]\n"
        "    try: main()\n"
        "    except SystemExit as stop: assert not stop.code, words\n"
        "    assert 'jax' not in sys.modules, words\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_loads_next_to_nothing():
    code = "import sys\nsys.argv = ['regexp', '--help']\nfrom regexp.__main__ import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print([m for m in ('numpy', 'pydantic', 'yaml', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_init_makes_a_config_that_validates(tmp_path):
    done = regexp("init", tmp_path / "lab.yaml")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lab.yaml").read_text().startswith("# yaml-language-server: $schema=regexp.schema.json\n")
    assert json.loads((tmp_path / "regexp.schema.json").read_text())["title"] == "regexp experiment"
    assert regexp("validate", tmp_path / "lab.yaml").returncode == 0
    assert regexp("init", tmp_path / "lab.yaml").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("config", ["init", "configs/quickstart.yaml"])
def test_the_first_config_of_a_user_trains_without_a_warning(config, tmp_path):
    """A schedule over the whole run beside early stopping would warn."""
    if config == "init":
        config = tmp_path / "lab.yaml"
        assert regexp("init", config).returncode == 0
    done = regexp("train", config, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stdout + done.stderr


def test_text_from_users_is_inert():
    assert safe("\x1b[31mred\x07\u202e") == "?[31mred??"
    assert safe("a\nb é 漢") == "a\nb é 漢"


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (UsageError("no such thing"), "no such thing", 2),
        (Interrupted("stopped", 15), "stopped", 143),
        (OSError(28, "No space left on device"), "No space left on device; --debug shows where", 1),
        (MemoryError(), "out of memory: lower training.batch_size", 1),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating"), "out of memory: lower", 1),
        (ValueError("odd\nand long"), "ValueError: odd - this is a bug; run again with --debug", 1),
    ],
)
def test_a_failure_is_a_line_and_a_code(error, message, code):
    text, exit_code = _explained(error)
    assert text.startswith(message)
    assert "\n" not in text
    assert exit_code == code


def test_debug_shows_the_traceback():
    assert "Traceback" in regexp("show", "nothing", "--debug").stderr


def test_a_full_disk_behind_standard_output_is_no_bug():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "regexp", "list"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("No space left on device")


def test_a_narrow_or_ascii_terminal_gets_the_whole_list():
    environment = os.environ | {"COLUMNS": "40", "PYTHONIOENCODING": "ascii"}
    done = regexp("list", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 40


@pytest.mark.parametrize("arguments", [["\x1b[31mx"], ["train", "--\x1b[31mx"], ["train", "--device", "\x1b[31m[red]"],
                                       ["show", "\x1b[31m[red]"], ["list", "\x1b[31m"], ["evaluate", "\x1b[31m"],
                                       ["init", "/\x1b[31m/x"], ["validate", "\x1b[31m"]])  # fmt: skip
def test_escape_sequences_in_arguments_are_inert(arguments, capsys):
    assert inside(*arguments) == 2
    out, err = capsys.readouterr()
    assert err
    assert "\x1b" not in out + err


def test_init_quotes_a_name_and_lets_it_end_no_comment(tmp_path):
    name = tmp_path / "a b\nmodel: resnet.yaml"
    assert inside("init", name) == 0
    text = name.read_text()
    assert f"regexp train '{tmp_path}/a b?model: resnet.yaml'" in text
    assert inside("validate", name) == 0
