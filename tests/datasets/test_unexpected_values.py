"""What a table to predict from holds and the training file did not: one rule, and a warning for each column."""

from __future__ import annotations

import numpy as np
import pytest

from regexp.datasets.csv import CSV

NUMBERS = "x,w,label\n" + "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(60))
MIXED = "x,kind,label\n" + "".join(f"{i},{('red', 'blue')[i % 2]},{'ab'[i % 2]}\n" for i in range(60))


def read(tmp_path, trained: str, new: str) -> tuple[np.ndarray, list[str]]:
    (tmp_path / "t.csv").write_text(trained)
    (tmp_path / "new.csv").write_text(new)
    dataset = CSV(path=str(tmp_path / "t.csv"), target="label")
    notes: list[str] = []
    values = dataset.read_inputs(str(tmp_path / "new.csv"), dataset.load().codec, notes)
    return values, notes


@pytest.mark.parametrize(("trained", "new"), [(NUMBERS, "x,w\n1,2\n,3\n,4\n"), (MIXED, "x,kind\n1,red\n,blue\n,red\n")])
def test_a_missing_number_becomes_the_mean_whatever_other_columns_there_are(trained, new, tmp_path):
    values, (note,) = read(tmp_path, trained, new)
    np.testing.assert_allclose(values[:, 0], [1, 29.5, 29.5])  # the mean of 0 .. 59
    assert note.startswith(f"{tmp_path}/new.csv:3: column 'x' has 2 missing values, but had none in training")


def test_a_new_category_has_no_input_and_is_counted_with_an_example(tmp_path):
    values, (note,) = read(tmp_path, MIXED, "x,kind\n1,red\n2,green\n3,violet\n4,green\n")
    np.testing.assert_array_equal(values[:, 1:].sum(1), [1, 0, 0, 0])
    assert f"{tmp_path}/new.csv:3: column 'kind' holds 'green'" in note
    assert "in 3 rows" in note


def test_expected_values_give_no_warning(tmp_path):
    assert read(tmp_path, MIXED, "x,kind\n1,red\n")[1] == []


ROWS = 60
COLUMNS = {  # name -> (cells, whether they seem to name the rows)
    "number": (list(range(ROWS)), True),
    "shuffled": (np.random.default_rng(0).permutation(ROWS).tolist(), True),
    "Customer_ID": ((np.arange(ROWS) ** 3 + 10**6).tolist(), True),
    "ticket": ([f"A{i * 37}" for i in range(ROWS)], True),
    "day": ([f"2024-03-{i % 9 + 1:02}" for i in range(ROWS)], True),
    "measured": (np.random.default_rng(1).normal(size=ROWS).tolist(), False),
    "counts": (np.random.default_rng(2).integers(0, 40, ROWS).tolist(), False),
    "salary": ((np.random.default_rng(3).permutation(ROWS) * 997).tolist(), False),
    "colour": (["red", "blue", "green"] * (ROWS // 3), False),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_name_rows_are_warned_of_and_others_are_not(name, tmp_path):
    cells, flagged = COLUMNS[name]
    lines = [f"{name},x,label", *(f"{cell},{i * 0.37},{'ab'[i % 2]}" for i, cell in enumerate(cells))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    data = CSV(path=str(tmp_path / "t.csv"), target="label").load()
    notes = [note for note in data.notes if f"dataset.drop: [{name}]" in note]
    assert len(notes) == flagged
    assert [column for column, _ in data.codec["identifiers"]] == [name] * flagged
    if flagged:
        dropped = CSV(path=str(tmp_path / "t.csv"), target="label", drop=(name,)).load()
        assert dropped.columns == ("x",)
        assert dropped.codec["identifiers"] == []


def test_real_tables_give_no_false_alarm(data_folder):
    for file in sorted((data_folder / "tables").glob("*.csv")):
        kind = "regression" if "abalone" in file.name else "auto"
        assert CSV(path=str(file), header=False, kind=kind).load().codec["identifiers"] == [], file.name
