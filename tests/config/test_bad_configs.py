"""Every file in bad/ is refused with exactly the text beside it: place, message, source line and caret."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regexp.config import load, loads
from regexp.core.errors import ConfigError, UsageError

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))


@pytest.mark.parametrize("file", BAD, ids=lambda f: f.stem)
def test_message(file):
    with pytest.raises(ConfigError) as caught:
        loads(file.read_text(encoding="utf-8"), (), file.name)
    assert str(caught.value) + "\n" == file.with_suffix(".txt").read_text(encoding="utf-8")


def test_there_are_enough_of_them():
    assert len(BAD) >= 60


@pytest.mark.parametrize("file", BAD, ids=lambda f: f.stem)
def test_carets_point_into_the_line(file):
    with pytest.raises(ConfigError) as caught:
        load(file)
    for problem in caught.value.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message.isprintable()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("optimizer.lerning_rate=1", 'unknown key "lerning_rate" in optimizer - did you mean "learning_rate"?'),
        ("optimizer.learning_rate=-1", "optimizer.learning_rate must be a number at least 0, got -1"),
        ("optimizer.learning_rate", "expected PATH=VALUE, for example optimizer.learning_rate=3e-3"),
        ("=3", "expected PATH=VALUE, for example optimizer.learning_rate=3e-3"),
        ("a..b=3", "expected PATH=VALUE, for example optimizer.learning_rate=3e-3"),
        ("training.epochs.more=3", '"epochs" is not a mapping, so nothing in it can be set'),
        ("model.hidden=[64", "not YAML: did not find expected ',' or ']'"),
        ("model.hidden=[64, 0]", "model.hidden must be a list of whole numbers at least 1 and below 2^31, got [64, 0]"),
        ("model={name: mpl}", 'unknown model "mpl" - did you mean "mlp"?'),
        ("training.epochs=!!python/name:os.system", "the tag tag:yaml.org,2002:python/name:os.system: tags are not"),
    ],
)
def test_settings_are_told_as_well(setting, expected):
    with pytest.raises(ConfigError) as caught:
        loads("optimizer: {name: adam}\ntraining: {epochs: 3}\nmodel: mlp\n", [setting])
    text = str(caught.value)
    assert text.startswith("--set:1:")
    assert expected in text
    assert f"\n    {setting}\n" in text
    assert text.splitlines()[-1].strip() == "^"


def test_the_caret_stands_below_the_value():
    with pytest.raises(ConfigError) as caught:
        loads("model: mlp\n", ["model.hidden=[64, 0]"])
    _, source, caret = str(caught.value).splitlines()
    assert source[caret.index("^")] == "0"


def test_no_such_file_and_not_text(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00model")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "binary.yaml")


def test_too_large_and_too_deep_and_null_bytes():
    with pytest.raises(ConfigError, match="larger than 1,000,000 bytes"):
        loads("# " + "x" * 1_000_001)
    with pytest.raises(ConfigError, match="nested deeper than 32"):
        loads("model: " + "[" * 40 + "]" * 40)
    with pytest.raises(ConfigError):
        loads("model: {" * 5000)
    with pytest.raises(ConfigError):
        loads("model: \0mlp")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("abl: -[]{},'\"\n\t#&*!|>%@?0.1eé\0"), max_size=80))
def test_any_text_is_a_config_or_a_config_error(text):
    with contextlib.suppress(ConfigError):
        loads(text)


def test_a_config_error_never_imports_jax_nor_takes_long(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("model: {name: mlp, hiden: [3]}\nregularizers: {fgsm: {epsilon: -1}}\n")
    code = (
        "import sys\nfrom regexp.__main__ import main\nsys.argv = ['regexp', 'train', sys.argv[1]]\n"
        "try: main()\nexcept SystemExit as stop: print(stop.code, 'jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]
    assert len(done.stderr.splitlines()) == 6
