"""Samples of a pandas DataFrame, read as a Parquet file of the same columns is."""

import numpy as np
import pandas as pd
import pytest

from edgekit.errors import InputError
from edgekit.samples import read_samples
from edgekit.samples.tables import read_frame, write_parquet

pytest.importorskip("pyarrow")
FRAME = pd.DataFrame(
    {
        "age": [1.5, None, 3.0],
        "count": [1, 2, 3],
        "member": [True, False, True],
        "city": ["Paris", "Roma", "Köln"],
        "tier": pd.Categorical(["a", "b", "a"]),
    },
    index=[7, 5, 9],
)


def test_every_column_in_the_dtype_that_it_has() -> None:
    found = read_frame(FRAME, "samples")
    assert {name: array.dtype.name for name, array in found.items()} == {
        "age": "float32", "count": "int64", "member": "bool", "city": "object", "tier": "object"
    }  # fmt: skip
    np.testing.assert_array_equal(found["age"], np.array([1.5, np.nan, 3.0], np.float32))
    assert found["tier"].tolist() == ["a", "b", "a"]


def test_columns_written_and_read_again_are_the_same(tmp_path) -> None:
    before = read_frame(FRAME, "samples")
    write_parquet(before, tmp_path / "rows.parquet")
    after = read_samples(tmp_path / "rows.parquet")
    assert after.kind == "table"
    assert list(after.arrays) == list(before)
    for name, array in before.items():
        assert after.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(after.arrays[name], array)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (FRAME.iloc[:0], "it has no rows"),
        (FRAME[["age", "age"]], "column 'age' stands twice"),
        (pd.DataFrame({"mixed": [1, "a"]}), r"column mixed.*Could not convert 'a'.*one kind a column"),
        (pd.DataFrame({"city": ["Paris", None]}), r"column 'city': 1 of 2 values are missing"),
        (pd.DataFrame({"when": pd.to_datetime(["2026-01-01"])}), r"column 'when': its type is timestamp"),
    ],
)
def test_what_no_model_takes_is_refused(frame, said) -> None:
    with pytest.raises(InputError, match=said):
        read_frame(frame, "samples")
