"""Failures, help, hostile text: what every command shares."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from regexp.cli.text import safe
from tests.cli.command import ROOT, regexp


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


def test_text_from_users_is_inert():
    assert safe("\x1b[31mred\x07\u202e") == "?[31mred??"
    assert safe("a\nb é 漢") == "a\nb é 漢"
