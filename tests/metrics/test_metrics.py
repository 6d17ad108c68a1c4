"""Metrics against scikit-learn's, and the answers that they refuse."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from edgekit.errors import InputError
from edgekit.metrics import metric_named, read_labels
from edgekit.metrics.metric import NAMES

RNG = np.random.default_rng(0)


def value_of(name: str, outputs: dict[str, np.ndarray], labels: np.ndarray) -> float:
    metric = metric_named(name)
    return metric.whole(metric.reads(outputs, labels), labels)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 7), st.integers(8, 60), st.integers(0, 2**32 - 1), st.booleans())
def test_classifiers_are_measured_as_by_scikit_learn(classes: int, count: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(count, classes)).astype(np.float32)
    scores = np.round(scores) if ties else scores
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    outputs = {"logits": scores}
    chosen = scores.argmax(axis=1)
    assert value_of("accuracy", outputs, labels) == pytest.approx(reference.accuracy_score(labels, chosen))
    average = "binary" if classes == 2 else "macro"
    assert value_of("f1", outputs, labels) == pytest.approx(
        reference.f1_score(labels, chosen, average=average, zero_division=0)
    )
    one_hot = np.eye(classes)[labels]
    own = slice(1, 2) if classes == 2 else slice(None)
    aucs = [reference.roc_auc_score(a, b) for a, b in zip(one_hot.T[own], scores.T[own], strict=True)]
    assert value_of("auc", outputs, labels) == pytest.approx(np.mean(aucs))
    precisions = [reference.average_precision_score(a, b) for a, b in zip(one_hot.T[own], scores.T[own], strict=True)]
    assert value_of("map", outputs, labels) == pytest.approx(np.mean(precisions))
    if classes > 5 and not ties:
        expected = reference.top_k_accuracy_score(labels, scores, k=5, labels=np.arange(classes))
        assert value_of("top5", outputs, labels) == pytest.approx(expected)


def test_several_classes_a_sample() -> None:
    scores, labels = RNG.normal(size=(50, 4)), RNG.integers(0, 2, (50, 4))
    expected = reference.average_precision_score(labels, scores, average="macro")
    assert value_of("map", {"scores": scores}, labels) == pytest.approx(expected)


def test_errors_are_measured_as_by_scikit_learn() -> None:
    labels = RNG.normal(size=(30, 2))
    answers = (labels + RNG.normal(size=(30, 2))).astype(np.float32)
    for name, function in (("mse", reference.mean_squared_error), ("mae", reference.mean_absolute_error)):
        assert value_of(name, {"y": answers}, labels) == pytest.approx(function(labels, answers))


def test_one_score_a_sample_is_of_the_second_class() -> None:
    labels = np.array([0, 1, 1, 0])
    shares = np.array([[0.2], [0.7], [0.4], [0.1]], np.float32)
    assert value_of("accuracy", {"p": shares}, labels) == 0.75
    assert value_of("auc", {"p": shares}, labels) == 1
    with pytest.raises(InputError, match="nothing says from which on"):
        value_of("accuracy", {"logit": shares * 10 - 4}, labels)


def test_labels_of_text_ask_for_the_models_labels() -> None:
    outputs = {"label": np.array(["cat", "dog"], object), "probabilities": np.array([[0.9, 0.1], [0.2, 0.8]], "f4")}
    assert value_of("accuracy", outputs, np.array(["cat", "cat"])) == 0.5
    assert value_of("accuracy", outputs, np.array([0, 1])) == 1
    with pytest.raises(InputError, match="the labels are text, and no output is"):
        value_of("accuracy", {"y": outputs["probabilities"]}, np.array(["cat", "cat"]))


def test_axes_of_one_are_no_classes() -> None:
    scores = RNG.normal(size=(6, 1, 1, 3)).astype(np.float32)
    labels = scores.reshape(6, 3).argmax(axis=1)
    assert value_of("accuracy", {"map": scores}, labels) == 1


def test_a_label_a_token() -> None:
    scores = RNG.normal(size=(4, 5, 3)).astype(np.float32)
    labels = scores.argmax(axis=2)
    labels[0, 0] = (labels[0, 0] + 1) % 3
    assert value_of("accuracy", {"tokens": scores}, labels) == pytest.approx(19 / 20)


@pytest.mark.parametrize(
    ("name", "outputs", "labels", "why"),
    [
        ("accuracy", {"y": np.zeros((4, 3), "f4")}, np.array([0, 1, 2, 3]), "labels go from 0 to 3, the model has 3"),
        ("accuracy", {"y": np.zeros((4, 3), "f4")}, np.array([0.5, 1, 2, 1]), "labels of float64 name no class"),
        ("accuracy", {"a": np.zeros((2, 3), "f4"), "b": np.zeros((2, 3), "f4")}, np.array([0, 1]), "could each be"),
        ("accuracy", {"y": np.zeros((2, 4, 3), "f4")}, np.array([0, 1]), r"the labels are \[2\]"),
        ("top5", {"y": np.zeros((2, 3), "f4")}, np.array([0, 1]), "no six classes"),
        ("auc", {"y": np.zeros((2, 3), "f4")}, np.array([1, 1]), "all labels are of one class"),
        ("auc", {"y": np.zeros(2, int)}, np.array([1, 0]), "gives labels and no scores"),
        ("map", {"y": np.zeros((2, 3), "f4")}, np.zeros((2, 3), int), "no label is positive"),
        ("mse", {"y": np.zeros((2, 3), "f4")}, np.zeros(2), "no output has the labels' 2 numbers"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, outputs: dict[str, np.ndarray], labels: np.ndarray, why: str) -> None:
    if name == "auc" and labels.tolist() == [1, 1]:
        outputs = {"y": outputs["y"][:, :2]}
    with pytest.raises(InputError, match=why):
        value_of(name, outputs, labels)


def test_metrics_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "house_metric.py").write_text(
        "def worst(outputs, labels):\n    return abs(outputs['y'] - labels).max()\n\n"
        "worst.higher_is_better = False\n\ndef text(outputs, labels):\n    return 'good'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    outputs = {"y": np.array([1.0, 2.0], "f4"), "other": np.zeros((2, 3))}
    metric = metric_named("house_metric:worst")
    assert metric.whole(metric.reads(outputs, np.array([1, 4])), np.array([1, 4])) == 2
    assert not metric.higher
    with pytest.raises(InputError, match="house_metric has no best"):
        metric_named("house_metric:best")
    with pytest.raises(InputError, match="put its folder on PYTHONPATH"):
        metric_named("no_such_module:best")
    with pytest.raises(InputError, match="it returned a str"):
        value_of("house_metric:text", outputs, np.array([1, 4]))


def test_unknown_metrics_are_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=", ".join(NAMES)):
        metric_named("recall")


def test_labels_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1.0], [0.0]]))
    np.savez(tmp_path / "b.npz", labels=np.array([0.5, 1]))
    (tmp_path / "c.csv").write_text("class\n1\n2\n")
    (tmp_path / "d.txt").write_text("cat\ndog\n")
    assert read_labels(tmp_path / "a.npy").tolist() == [1, 0]
    assert read_labels(tmp_path / "a.npy").dtype == np.int64
    assert read_labels(tmp_path / "b.npz").tolist() == [0.5, 1]
    assert read_labels(tmp_path / "c.csv").tolist() == [1, 2]
    assert read_labels(tmp_path / "d.txt").tolist() == ["cat", "dog"]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("none.npy", None, "there is no such file"),
        ("bad.npy", b"not numpy", "it cannot be read"),
        ("wide.csv", b"1,2\n3,4\n", "it has several columns"),
        ("empty.csv", b"", "it holds no labels"),
        ("nan.csv", b"1\nnan\n", "NaN or infinite"),
        ("y.parquet", b"PAR1", ".parquet is not read"),
    ],
)
def test_labels_that_cannot_be_read(name: str, content: bytes | None, why: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=why):
        read_labels(tmp_path / name)
