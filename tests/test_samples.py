from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.datasets import load_iris, load_sample_images

from edgekit.errors import InputError, StorageError
from edgekit.preprocessing import Contract
from edgekit.samples import RawSamples, Samples, fit, read_samples, synthetic
from edgekit.signature import Array, Signature, TensorSpec

CONTRACT = Contract(size=(8, 8), resize="cover", colour="rgb", layout="nchw", mean=(127.0,), scale=(1 / 128,))


def takes(*inputs: TensorSpec | tuple[str, str, tuple[int | None, ...]]) -> Signature:
    specs = tuple(one if isinstance(one, TensorSpec) else TensorSpec(*one) for one in inputs)
    return Signature(specs, (TensorSpec("y", "float32", (1,)),))


def raw(kind: Any = "named", /, **arrays: Any) -> RawSamples:
    return RawSamples({name: np.asarray(array) for name, array in arrays.items()}, kind, "data")


def one(array: Any) -> RawSamples:
    return RawSamples({"": np.asarray(array)}, "nameless", "data.npy")


IMAGE = takes(("x", "float32", (1, 3, 2, 2)))
ROWS = takes(("x", "float32", (None, 4)))

# Reading: numpy files


def test_npz_and_npy(tmp_path: Path) -> None:
    x, ids = np.arange(24, dtype=np.float32).reshape(6, 4), np.arange(6)
    np.savez(tmp_path / "a.npz", x=x, ids=ids, text=np.array(["a", "bc"]))
    got = read_samples(tmp_path / "a.npz", limit=2)
    assert (got.kind, set(got.arrays)) == ("named", {"x", "ids", "text"})
    assert got.arrays["x"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    np.save(tmp_path / "a.npy", x)
    got = read_samples(str(tmp_path / "a.npy"))
    assert (got.kind, list(got.arrays), got.origin) == ("nameless", [""], str(tmp_path / "a.npy"))
    np.testing.assert_array_equal(got.arrays[""], x)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", x=np.arange(1000.0))
    np.save(tmp_path / "whole.npy", np.arange(1000.0))
    for name, content, message in (
        ("cut.npz", (tmp_path / "whole.npz").read_bytes()[:4000], "damaged or cut short"),
        ("cut.npy", (tmp_path / "whole.npy").read_bytes()[:4000], "damaged or cut short"),
        ("head.npy", (tmp_path / "whole.npy").read_bytes()[:20], "damaged or cut short"),
        ("text.npz", b"no zip", "not an .npz file"),
        ("text.npy", b"no array", "not an .npy file"),
        ("empty.npz", b"", "the file is empty"),
        ("model.pt2", b"zip", "unknown kind of file '.pt2'"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            read_samples(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such file or folder"):
        read_samples(tmp_path / "none.npz")
    with pytest.raises(InputError, match="at least 1"):
        read_samples(tmp_path / "whole.npy", limit=0)


def test_arrays_that_are_none_are_refused(tmp_path: Path) -> None:
    for array, message in (
        (np.array([{}, []], dtype=object), "Python objects"),
        (np.array([1 + 2j]), "dtype is complex128"),
        (np.array([b"a"]), "text as dtype U"),
        (np.array(["2020-01-01"], "M8[D]"), "datetime64"),
        (np.float32(3), "single value"),
    ):
        np.save(tmp_path / "a.npy", array, allow_pickle=True)
        np.savez(tmp_path / "a.npz", x=array)
        for file in ("a.npy", "a.npz"):
            with pytest.raises(InputError, match=message):
                read_samples(tmp_path / file)
    np.savez(tmp_path / "a.npz")
    with pytest.raises(InputError, match="holds no array"):
        read_samples(tmp_path / "a.npz")


# Reading: tables


def csv(folder: Path, text: str) -> Path:
    (folder / "a.csv").write_bytes(text.encode())
    return folder / "a.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv(tmp_path: Path, delimiter: str) -> None:
    lines = ["\ufeffage,job,id", '1.5,"clerk, ""old""",20000001', ",,3", "", "-3e2,1_000,16777217"]
    text = "\r\n".join(lines).replace(",", delimiter)
    got = read_samples(csv(tmp_path, text))
    assert got.kind == "table"
    assert [(name, array.dtype) for name, array in got.arrays.items()] == [
        ("age", np.float32), ("job", np.dtype(object)), ("id", np.int64)
    ]  # fmt: skip
    np.testing.assert_array_equal(got.arrays["age"], np.array([1.5, np.nan, -300], np.float32))
    assert got.arrays["job"].tolist() == [f'clerk{delimiter} "old"', "", "1_000"]
    assert got.arrays["id"].tolist() == [20000001, 3, 16777217]
    assert len(read_samples(tmp_path / "a.csv", limit=1).arrays["age"]) == 1


def test_csv_with_one_column_and_with_a_line_break_in_a_cell(tmp_path: Path) -> None:
    assert read_samples(csv(tmp_path, 'text\n"two\nlines"\nb')).arrays["text"].tolist() == ["two\nlines", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", "line 3 has 1 cells, the header has 2"),
        ("a,b\n1,2,3\n", "line 2 has 3 cells"),
        ("1,2\n3,4\n", "its first line is no header"),
        ("\n\n", "its first line is no header"),
        ("a,b\n", "a header and no rows"),
        ("a,a\n1,2\n", "column 'a' stands twice"),
        (",a\n0,2\n", "column 1 has no name"),
        ("a,b;c\n1,2\n", "either could be the delimiter"),
        ('a,b\n1,"2\n', "unexpected end of data"),
    ],
)
def test_csv_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_samples(csv(tmp_path, text))


def test_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("größe\n1\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_samples(tmp_path / "a.csv")


def test_parquet(tmp_path: Path) -> None:
    columns = {
        "f": pa.array([1.5, None], pa.float64()),
        "i": pa.array([1, 2], pa.int8()),
        "gaps": pa.array([1, None], pa.int32()),
        "b": pa.array([True, False]),
        "t": pa.array(["a", "ü"]),
        "category": pa.array(["x", "x"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    got = read_samples(tmp_path / "a.parquet")
    assert {name: str(array.dtype) for name, array in got.arrays.items()} == {
        "f": "float32", "i": "int8", "gaps": "float32", "b": "bool", "t": "object", "category": "object",
    }  # fmt: skip
    np.testing.assert_array_equal(got.arrays["f"], [1.5, np.nan])
    np.testing.assert_array_equal(got.arrays["gaps"], [1, np.nan])
    assert got.arrays["b"].tolist() == [True, False]
    assert got.arrays["t"].tolist() == ["a", "ü"]
    assert got.arrays["category"].tolist() == ["x", "x"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [({"t": pa.array(["a", None])}, "1 of 2 values are missing"), ({"l": pa.array([[1], [2]])}, "its type is list"),
     ({"d": pa.array([1, 2], pa.timestamp("s"))}, "timestamp"), ({"f": pa.array([], pa.float32())}, "no rows")],
)  # fmt: skip
def test_parquet_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        read_samples(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a whole Parquet file"):
        read_samples(tmp_path / "a.parquet")


# Reading: pictures


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    from PIL import Image

    first, second = (Image.fromarray(photo[:40, :60]) for photo in load_sample_images().images)
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / ".cache" / "empty").mkdir(parents=True)
    first.save(tmp_path / "b" / "deep" / "1.PNG")
    second.save(tmp_path / "c.png")
    second.save(tmp_path / "._c.png")
    second.save(tmp_path / ".cache" / "c.png")
    (tmp_path / "readme.txt").write_text("not a picture")
    return tmp_path


def test_a_folder_of_pictures(photos: Path) -> None:
    got = read_samples(photos, CONTRACT)
    assert (got.kind, got.arrays[""].shape, got.arrays[""].dtype) == ("nameless", (2, 3, 8, 8), np.float32)
    for index, photo in enumerate(load_sample_images().images):
        np.testing.assert_array_equal(got.arrays[""][[index]], CONTRACT.apply(photo[:40, :60]))
    single = read_samples(photos / "c.png", CONTRACT)
    np.testing.assert_array_equal(single.arrays[""], got.arrays[""][1:])
    np.testing.assert_array_equal(read_samples(photos, CONTRACT, limit=1).arrays[""], got.arrays[""][:1])
    named = Contract.from_json(CONTRACT.to_json() | {"input": "picture"})
    assert list(read_samples(photos, named).arrays) == ["picture"]
    assert len(fit(got, takes(("x", "float32", (1, 3, 8, 8))))) == 2


def test_pictures_refused(photos: Path) -> None:
    with pytest.raises(InputError, match="need a preprocessing contract"):
        read_samples(photos)
    with pytest.raises(InputError, match="no pictures in the folder"):
        read_samples(photos / ".cache" / "empty", CONTRACT)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match=r"broken\.jpg: not a whole picture"):
        read_samples(photos, CONTRACT)


# Fitting: names


def test_names() -> None:
    two = takes(("a", "float32", (1, 2)), ("b", "float32", (1, 2)))
    zeros = np.zeros((3, 2), np.float32)
    assert list(fit(raw(b=zeros, a=zeros), two).arrays) == ["a", "b"]
    for given_, message in (
        (raw(a=zeros), "they are named a, the model takes a, b"),
        (raw(a=zeros, b=zeros, c=zeros), "they are named a, b, c, the model takes a, b"),
        (one(zeros), "they have no names, the model takes a, b"),
        (raw(a=zeros, b=zeros[:2]), "there are 3 of 'a', 2 of 'b'"),
    ):
        with pytest.raises(InputError, match=message):
            fit(given_, two)


# Fitting: dtypes


@pytest.mark.parametrize(
    ("given_", "wanted", "dtype"),
    [
        (np.array([1.5]), [1.5], "float32"),
        (np.array([1.5], np.float16), [1.5], "float32"),
        (np.array([1.5], ">f4"), [1.5], "float32"),
        (np.array([1.5], np.float32), [1.5], "float64"),
        (np.array([70000]), [70000], "int32"),
        (np.array([255], np.uint8), [255], "int64"),
        (np.array([-128, 127]), [-128, 127], "int8"),
        (np.array([True]), [True], "bool"),
        (np.array(["a\0", "b"]), ["a", "b"], "string"),
    ],
)
def test_dtypes_that_hold_every_value(given_: Array, wanted: list[Any], dtype: str) -> None:
    got = fit(one(given_), takes(("x", dtype, (None,)))).arrays["x"]
    assert got.tolist() == wanted
    assert got.dtype == (object if dtype == "string" else dtype)


@pytest.mark.parametrize(
    ("given_", "dtype", "message"),
    [
        (np.array([1], np.uint8), "float32", "got uint8, the model takes float32.*preprocessing"),
        (np.array([True]), "float32", "got bool, the model takes float32"),
        (np.array([1.0]), "int32", "got float64, the model takes int32"),
        (np.array([1]), "bool", "got int64, the model takes bool"),
        (np.array([True]), "int64", "got bool, the model takes int64"),
        (np.array([1 << 31]), "int32", "2147483648 does not fit int32"),
        (np.array([-1]), "uint8", "-1 does not fit uint8"),
        (np.array([1 << 63], np.uint64), "int64", "9223372036854775808 does not fit int64"),
        (np.array([1e39]), "float32", r"1e\+39 does not fit float32"),
        (np.array([1e5], np.float32), "float16", "100000.0 does not fit float16"),
        (np.array(["1"]), "float32", "got string, the model takes float32"),
        (np.array([1.0]), "string", "got float64, the model takes string"),
        (np.array(["a", 1], dtype=object), "string", "holds int among text"),
        (np.array([1j]), "float32", "complex128 is none that models take"),
    ],
)
def test_dtypes_that_would_change_a_value(given_: Array, dtype: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit(one(given_), takes(("x", dtype, (None,))))


# Fitting: shapes


@pytest.mark.parametrize(
    ("shape", "given_", "count", "runs"),
    [
        ((1, 3), (5, 3), 5, [(1, 3)] * 5),
        ((1, 3), (5, 1, 3), 5, [(1, 3)] * 5),
        ((2, 3), (6, 3), 3, [(2, 3)] * 3),
        ((None, 3), (5, 3), 5, [(1, 3), (2, 3), (2, 3)]),
        ((None, 3), (2, 4, 3), 2, [(4, 3), (4, 3)]),
        ((None, None), (4, 7), 4, [(1, 7), (2, 7), (1, 7)]),
        ((3,), (6,), 2, [(3,), (3,)]),
        ((), (4,), 4, [()] * 4),
    ],
)
def test_shapes(
    shape: tuple[int | None, ...], given_: tuple[int, ...], count: int, runs: list[tuple[int, ...]]
) -> None:
    signature = takes(("x", "float32", shape))
    samples = fit(one(np.arange(np.prod(given_), dtype=np.float32).reshape(given_)), signature)
    assert len(samples) == count
    assert [run["x"].shape for run in samples.runs()] == runs
    for run in samples.runs():
        signature.check(run)
    flat = np.concatenate([run["x"].ravel() for run in samples.runs()])
    np.testing.assert_array_equal(flat, np.arange(np.prod(given_)))


def test_a_fixed_input_beside_a_dynamic_one_is_given_whole() -> None:
    signature = takes(("x", "float32", (None, 3)), ("state", "float32", (2, 1, 4)))
    samples = fit(raw(x=np.zeros((5, 3), "f4"), state=np.zeros((5, 2, 1, 4), "f4")), signature)
    assert [(run["x"].shape, run["state"].shape) for run in samples.runs()] == [((1, 3), (2, 1, 4))] * 5


@pytest.mark.parametrize(
    ("given_", "message"),
    [((3, 2, 2), r"got shape \[3, 2, 2\], the model takes x: float32\[1, 3, 2, 2\]"), ((4, 2, 2, 3), "got shape"),
     ((0, 3, 2, 2), "there are no samples"), ((2, 2, 3, 2, 2), "got shape")],
)  # fmt: skip
def test_shapes_refused(given_: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit(one(np.zeros(given_, np.float32)), IMAGE)


def test_rows_that_do_not_fill_a_batch_are_refused() -> None:
    with pytest.raises(InputError, match="5 rows, the model takes 2 at once"):
        fit(one(np.zeros((5, 3), np.float32)), takes(("x", "float32", (2, 3))))


def test_nan() -> None:
    x = np.zeros((3, 4), np.float32)
    x[1, 2] = x[2, 0] = np.nan
    with pytest.raises(InputError, match=r"input 'x': 2 of 12 values are not finite, first \[1, 2\]: NaN"):
        fit(one(x), ROWS)
    assert np.isnan(fit(one(x), ROWS, allow_nan=True).arrays["x"][1, 2])
    x[0, 3] = -np.inf
    with pytest.raises(InputError, match=r"first \[0, 3\]: infinite"):
        fit(one(x), ROWS, allow_nan=True)


@given(
    shape=hnp.array_shapes(min_dims=1, max_dims=4, max_side=4),
    wanted=st.lists(st.none() | st.integers(1, 4), max_size=4).map(tuple),
    dtypes=st.tuples(*[st.sampled_from(["float32", "float64", "int64", "uint8", "bool"])] * 2),
    batch=st.integers(1, 5),
)
@settings(max_examples=200, deadline=None)
def test_what_fit_lets_through_fits(
    shape: tuple[int, ...], wanted: tuple[int | None, ...], dtypes: tuple[str, str], batch: int
) -> None:
    signature = takes(("x", dtypes[0], wanted))
    array = np.ones(shape, dtypes[1])
    try:
        samples = fit(one(array), signature)
    except InputError:
        return
    runs = list(samples.runs(batch))
    for run in runs:
        signature.check(run)
        assert run["x"].flags.c_contiguous
    assert sum(run["x"].size for run in runs) == array.size


# Fitting: tables


def iris_csv(folder: Path) -> tuple[Path, Array]:
    x, y = load_iris(return_X_y=True)
    rows = [",".join(map(str, [*row, f"class{label}"])) for row, label in zip(x, y, strict=True)]
    (folder / "iris.csv").write_text("\n".join(["a,b,c,d,label", *rows]), encoding="utf-8")
    return folder / "iris.csv", x.astype(np.float32)


def test_known_columns_are_taken_in_the_models_order_and_the_others_noted(tmp_path: Path) -> None:
    path, x = iris_csv(tmp_path)
    samples = fit(read_samples(path), ROWS, {"x": ("d", "c", "b", "a")})
    np.testing.assert_array_equal(samples.arrays["x"], x[:, ::-1])
    assert samples.notes == ("columns left out: label",)
    assert [len(run["x"]) for run in samples.runs(100)] == [1, 2, 100, 47]


def test_unknown_columns_are_taken_as_they_stand() -> None:
    table = raw("table", a=[1.0, 2], b=[3, 4], c=[True, False], d=[0.5, 0.25])
    assert fit(table, ROWS).arrays["x"].tolist() == [[1, 3, 1, 0.5], [2, 4, 0, 0.25]]
    assert fit(table, ROWS).notes == ()


def test_columns_by_name() -> None:
    signature = takes(("age", "float32", (None, 1)), ("job", "string", (None, 1)), ("id", "int64", (None, 1)))
    table = raw("table", job=np.array(["x", "y"], object), id=np.array([7, 8], "f4"), age=np.array([1, 2]))
    got = fit(table, signature)
    assert {name: array.tolist() for name, array in got.arrays.items()} == {
        "age": [[1], [2]], "job": [["x"], ["y"]], "id": [[7], [8]]
    }  # fmt: skip
    for run in got.runs():
        signature.check(run)


@pytest.mark.parametrize(
    ("columns", "signature", "known", "message"),
    [
        ({"a": [1.0], "b": [2.0]}, ROWS, {}, r"2 columns \(a, b\), the model takes x: float32\[N, 4\]"),
        ({"a": [1.0]}, ROWS, {"x": ("a", "b", "c", "d")}, "no column 'b', 'c', 'd': the table has a"),
        ({"a": [1.0]}, IMAGE, {}, "a table cannot hold x"),
        ({"x": [1.0], "label": [1.0]}, takes(("x", "float32", (None, 1))), {}, "no input takes its columns label"),
        ({"x": ["a"]}, takes(("x", "float32", (None, 1))), {}, "column 'x': got string, the model takes float32"),
        ({"x": [1.0]}, takes(("x", "string", (None, 1))), {}, "column 'x': got float64, the model takes string"),
        ({"x": [1.5]}, takes(("x", "int64", (None, 1))), {}, "1.5 does not fit int64"),
        ({"x": [2.0**63]}, takes(("x", "int64", (None, 1))), {}, "does not fit int64"),
        ({"x": [2]}, takes(("x", "bool", (None, 1))), {}, "2 does not fit bool"),
        ({"x": [np.nan]}, takes(("x", "float32", (None, 1))), {}, r"column 'x': 1 of 1 .* first \[0\]: NaN \(an empty"),
        ({"x": [np.nan]}, takes(("x", "int32", (None, 1))), {}, "nan does not fit int32"),
        ({"x": [1]}, takes(("x", "float32", (1, 1)), ("y", "float32", (1, 1))), {}, "input 'y': no column 'y'"),
    ],
)
def test_tables_refused(
    columns: dict[str, Any], signature: Signature, known: Mapping[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fit(raw("table", **columns), signature, known)


# Samples


def numbered(count: int) -> Samples:
    return fit(one(np.arange(count * 4, dtype=np.float32).reshape(count, 4)), ROWS)


@given(count=st.integers(2, 40), seed=st.integers(0, 5), data=st.data())
@settings(max_examples=60, deadline=None)
def test_split_shares_and_loses_nothing(count: int, seed: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(1, count - 1))
    first, second = numbered(count).split(part, seed)
    rows = [tuple(half.arrays["x"][:, 0].tolist()) for half in (first, second)]
    assert (len(first), len(second)) == (part, count - part)
    assert not set(rows[0]) & set(rows[1])
    assert sorted(rows[0] + rows[1]) == [4.0 * index for index in range(count)]
    assert all(list(half) == sorted(half) for half in rows)
    again = numbered(count).split(part, seed)[0]
    np.testing.assert_array_equal(again.arrays["x"], first.arrays["x"])


def test_split_by_a_share() -> None:
    first, second = numbered(10).split(0.3, seed=1)
    assert (len(first), len(second)) == (3, 7)
    for part in (0, 10, 0.01, 1.0, -1, 12):
        with pytest.raises(InputError, match="leave at least one in each part"):
            numbered(10).split(part)


def test_head_and_runs() -> None:
    assert len(numbered(10).head(3)) == 3
    assert len(numbered(10).head(30)) == 10
    assert [len(run["x"]) for run in numbered(10).runs(4)] == [1, 2, 4, 3]
    assert [len(run["x"]) for run in numbered(3).runs(1)] == [1, 1, 1]
    for wrong in (lambda: numbered(3).head(0), lambda: list(numbered(3).runs(0)), lambda: Samples({}, batched=True)):
        with pytest.raises(InputError):
            wrong()


arrays = st.integers(1, 4).flatmap(
    lambda count: st.dictionaries(
        st.text(max_size=6),
        st.sampled_from(["float32", "int64", "bool", "uint8"]).flatmap(
            lambda dtype: hnp.arrays(dtype, st.tuples(st.just(count), st.integers(0, 3)))
        )
        | hnp.arrays(object, st.tuples(st.just(count), st.integers(0, 3)), elements=st.text(max_size=4)),
        min_size=1,
        max_size=3,
    )
)


@given(arrays, st.booleans(), st.booleans(), st.lists(st.text(max_size=4), max_size=2).map(tuple))
@settings(max_examples=100, deadline=None)
def test_saved_samples_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    given_: dict[str, Array],
    batched: bool,
    random: bool,
    notes: tuple[str, ...],
) -> None:
    path = tmp_path_factory.getbasetemp() / "saved.samples"
    Samples(given_, batched, random, notes).save(path)
    got = Samples.load(path)
    assert (got.batched, got.synthetic, got.notes) == (batched, random, notes)
    assert list(got.arrays) == list(given_)
    for name, array in given_.items():
        assert (got.arrays[name].dtype, got.arrays[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(got.arrays[name], array)


def test_saving_and_loading_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        numbered(3).save(tmp_path / "none" / "a.npz")
    numbered(3).save(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    for content in (b"", whole[: len(whole) // 2], b"text", (tmp_path / "other.npz").read_bytes()):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(InputError, match="no samples of edgekit's"):
            Samples.load(tmp_path / "a.npz")
    with pytest.raises(InputError, match="no samples of edgekit's"):
        Samples.load(tmp_path / "none.npz")


# Synthetic samples


def test_synthetic() -> None:
    signature = takes(
        ("f", "float32", (1, 64)), ("pixel", "uint8", (1, 512)), ("id", "int32", (1, 64)), ("flag", "bool", (1, 64)),
        ("scalar", "float64", ()),
    )  # fmt: skip
    samples = synthetic(signature, count=4, seed=3)
    assert (len(samples), samples.synthetic) == (4, True)
    for run in samples.runs():
        signature.check(run)
    got = samples.arrays
    assert abs(got["f"].mean()) < 0.2
    assert 0.8 < got["f"].std() < 1.2
    assert (int(got["pixel"].min()), int(got["pixel"].max())) == (0, 255)
    assert set(got["id"].ravel().tolist()) == {0, 1}
    assert set(got["flag"].ravel().tolist()) == {False, True}
    np.testing.assert_array_equal(synthetic(signature, count=4, seed=3).arrays["f"], got["f"])
    assert [len(run["x"]) for run in synthetic(ROWS).runs()] == [1, 2, 5]


def test_synthetic_refused() -> None:
    for spec in (TensorSpec("x", "string", (None, 1)), TensorSpec("x", "float32", (1, None))):
        with pytest.raises(InputError, match="give --samples"):
            synthetic(takes(spec))
    with pytest.raises(InputError, match="ask for at least 1"):
        synthetic(ROWS, count=0)
