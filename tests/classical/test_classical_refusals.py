"""What classical models are refused for, and what the refusals tell to do."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

import edgekit
from edgekit.classical import registry
from edgekit.errors import EdgekitError, InputError

ROWS, LABELS = load_iris(return_X_y=True)


class NearestCentre(ClassifierMixin, BaseEstimator):
    def fit(self, x: np.ndarray, y: np.ndarray) -> "NearestCentre":
        self.centres_ = np.stack([x[y == label].mean(axis=0) for label in np.unique(y)])
        self.classes_, self.n_features_in_ = np.unique(y), x.shape[1]
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.classes_[((x[:, None] - self.centres_) ** 2).sum(axis=2).argmin(axis=1)]


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_the_rule_that_the_error_shows_works(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_RULES", dict(registry._RULES))
    model, samples = NearestCentre().fit(ROWS, LABELS), ROWS.astype(np.float32)
    result = edgekit.convert(model, to=target, samples=samples, output=tmp_path / "a.edge")
    (failure,) = result.failed
    line, _, example = str(failure.error).partition("\n")
    assert "no rule" in line
    assert "docs/classical.md" in line
    assert str(EdgekitError.from_json(failure.error.to_json())) == str(failure.error)
    code = "\n".join(shown.removeprefix("    ") for shown in example.splitlines())
    assert len(code.strip().splitlines()) <= 10
    answer = "((x[:, None] - model.learned) ** 2).sum(dim=2).argmin(dim=1)"
    exec(code.replace("…", answer), {})
    again = edgekit.convert(model, to=target, samples=samples, output=tmp_path / "b.edge")
    assert again, again


def test_an_old_pickle_says_both_versions(tmp_path: Path) -> None:
    joblib.dump(DecisionTreeClassifier(max_depth=2).fit(ROWS, LABELS), tmp_path / "m.joblib")
    content = (tmp_path / "m.joblib").read_bytes()
    assert sklearn.__version__.encode() in content
    (tmp_path / "m.joblib").write_bytes(content.replace(sklearn.__version__.encode(), b"1.2.3"))
    result = edgekit.convert(tmp_path / "m.joblib", to="onnx", trust=True, output=tmp_path / "a.edge")
    assert result, result
    assert any("1.2.3" in note and sklearn.__version__ in note for note in result.notes), result.notes
    assert set(result.notes) <= set(edgekit.Bundle.open(tmp_path / "a.edge").manifest.notes)


def _length(rows: Any) -> np.ndarray:
    return np.array([[float(len(text)) for text in row] for row in rows])


def test_texts_of_which_the_model_knows_nothing(tmp_path: Path) -> None:
    texts = np.array([["u"], ["vv"]] * 20, dtype=object)
    model = make_pipeline(FunctionTransformer(_length), LogisticRegression()).fit(texts, [0, 1] * 20)
    with pytest.raises(InputError, match="no step of the model knows which texts"):
        edgekit.convert(model, to="tflite", samples=texts.astype(str), output=tmp_path / "a.edge")
