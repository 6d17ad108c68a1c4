"""The data sets of the benchmarks: whole, as their sources describe them, and a clear line where they are not."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import InputError, MissingDependencyError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
from benchmark_data import TABLES, Pictures, Table, fashion_mnist, packages, tabular  # noqa: E402
from benchmark_data.pictures import read_idx  # noqa: E402

# Rows by class, in the order of R's factor, as the UCI repository's descriptions count them.
COUNTS = {
    "letter": (
        *(789, 766, 736, 805, 768, 775, 773, 734, 755, 747, 739, 761, 792),
        *(783, 753, 803, 783, 758, 748, 796, 813, 764, 752, 787, 786, 734),
    ),
    "satellite": (1533, 703, 1358, 626, 707, 1508),
    "shuttle": (45586, 50, 171, 8903, 3267, 10, 13),
    "spam": (2788, 1813),
}
FEATURES = {"letter": 16, "satellite": 36, "shuttle": 9, "spam": 57}


def table(name: str) -> Table:
    pytest.importorskip("rdata")
    try:
        return tabular(name)
    except InputError as error:
        pytest.skip(str(error))


def pictures() -> Pictures:
    try:
        return fashion_mnist()
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_whole(name: str) -> None:
    features, labels, names = table(name)
    assert (features.dtype, labels.dtype) == (np.float32, np.int64)
    assert features.shape == (sum(COUNTS[name]), FEATURES[name])
    assert len(set(names)) == FEATURES[name]
    assert np.isfinite(features).all()
    assert tuple(np.bincount(labels)) == COUNTS[name]


def test_a_row_of_letter_is_the_first_line_of_ucis_file() -> None:
    features, labels, names = table("letter")
    # "T,2,8,3,5,1,8,13,0,6,6,10,8,0,8,0,8"
    assert "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[labels[0]] == "T"
    assert features[0].tolist() == [2, 8, 3, 5, 1, 8, 13, 0, 6, 6, 10, 8, 0, 8, 0, 8]
    assert names[0] == "x.box"


def test_the_split_is_fixed_and_keeps_the_share_of_every_class() -> None:
    whole = table("shuttle")
    first, second = whole.split(), whole.split()
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (len(first.train_labels), len(first.test_labels)) == (46400, 11600)
    assert tuple(np.bincount(first.test_labels)) == (9117, 10, 34, 1781, 653, 2, 3)
    # No row is lost or doubled: together they are the table's rows.
    both = np.concatenate([first.train_features, first.test_features])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(whole.features, axis=0))


def test_the_labels_of_a_table_go_with_its_rows() -> None:
    from sklearn.ensemble import RandomForestClassifier

    train, train_labels, test, test_labels = table("spam").split()
    forest = RandomForestClassifier(30, random_state=0).fit(train, train_labels)
    assert forest.score(test, test_labels) > 0.93


def test_the_pictures_are_whole_and_go_with_their_labels() -> None:
    found = pictures()
    assert (found.train_images.shape, found.test_images.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert found.train_images.dtype == np.uint8
    assert np.bincount(found.train_labels).tolist() == [6000] * 10
    assert np.bincount(found.test_labels).tolist() == [1000] * 10
    # The mean picture of each class tells two thirds of the others: 67.7 % by scikit-learn's NearestCentroid.
    means = np.stack([found.train_images[found.train_labels == label].mean(axis=0) for label in range(10)])
    flat, centres = found.test_images.reshape(len(found.test_images), -1).astype(float), means.reshape(10, -1)
    nearest = np.argmin((centres**2).sum(axis=1) - 2 * flat @ centres.T, axis=1)
    assert (nearest == found.test_labels).mean() == pytest.approx(0.677, abs=0.001)


def test_an_unknown_table_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InputError, match=r'read the data set "iris": .*one of letter, satellite, shuttle, spam'):
        tabular("iris")


@pytest.mark.parametrize(
    ("read", "package"),
    [(lambda: tabular("spam"), "r-cran-kernlab"), (fashion_mnist, "dataset-fashion-mnist")],
    ids=["table", "pictures"],
)
def test_data_that_is_not_here_is_refused_with_the_command_that_brings_it(
    read, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "SYSTEM", tmp_path)
    monkeypatch.setattr(packages, "UNPACKED", tmp_path)
    with pytest.raises(InputError, match=f"run: make benchmark-data .*apt-get install {package}"):
        read()


def test_a_missing_reader_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    table("spam")
    monkeypatch.setitem(sys.modules, "rdata", None)
    with pytest.raises(MissingDependencyError, match="rdata is not installed; run: pip install rdata"):
        tabular("spam")


def test_an_installed_package_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    member = "usr/share/datasets/one"
    for root in (tmp_path / "system", tmp_path / "unpacked" / "package"):
        (root / member).parent.mkdir(parents=True)
        (root / member).touch()
    monkeypatch.setattr(packages, "SYSTEM", tmp_path / "system")
    monkeypatch.setattr(packages, "UNPACKED", tmp_path / "unpacked")
    assert packages.find("read it", "package", member) == tmp_path / "system" / member
    assert packages.bring("package", member) == "package: installed already"
    (tmp_path / "system" / member).unlink()
    assert packages.find("read it", "package", member) == tmp_path / "unpacked" / "package" / member
    assert packages.bring("package", member) == f"package: unpacked in {tmp_path / 'unpacked' / 'package'} already"


def test_a_machine_without_debians_tools_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "SYSTEM", tmp_path)
    monkeypatch.setattr(packages, "UNPACKED", tmp_path / "data")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="apt-get is not on this machine"):
        packages.bring("r-cran-kernlab", TABLES["spam"].member)


@pytest.mark.parametrize("damage", ["cut", "no gzip", "another type", "too few values"])
def test_a_damaged_file_of_pictures_is_refused(damage: str, tmp_path: Path) -> None:
    header = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
    good = gzip.compress(header + bytes(range(6)))
    contents = {
        "cut": good[:-9],
        "no gzip": header + bytes(6),
        "another type": gzip.compress(header.replace(b"\x08", b"\x0d") + bytes(6)),
        "too few values": gzip.compress(header + bytes(5)),
    }
    path = tmp_path / "two-by-three.gz"
    path.write_bytes(good)
    assert read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]
    path.write_bytes(contents[damage])
    with pytest.raises(InputError, match=r"two-by-three\.gz: .*run: make benchmark-data"):
        read_idx(path)
