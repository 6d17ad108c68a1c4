from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from classical_models import classifier_of, feature, model_of, opened

from edgekit.coreml_reference.classical.suppression import keep
from edgekit.errors import ExecutionError, InputError, UnsupportedError

NAN = math.nan


def result(model: Any, folder: Any, **inputs: Any) -> Any:
    (value,) = opened(model, folder).predict(inputs).values()
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize(
    ("shift", "scale", "expected"),
    [
        ([], [], [1.0, -2.0]),
        ([1.0], [2.0], [4.0, -2.0]),
        ([1.0, 2.0], [2.0, 3.0], [4.0, 0.0]),
        ([], [3.0], [3.0, -6.0]),
    ],
)
def test_scaler(shift: list[float], scale: list[float], expected: list[float], tmp_path: Any) -> None:
    model = model_of({"x": 2}, {"y": 2})
    model.scaler.SetInParent()
    model.scaler.shiftValue.extend(shift)
    model.scaler.scaleValue.extend(scale)
    assert result(model, tmp_path, x=[1.0, -2.0]) == expected


def test_a_scaler_of_numbers_refuses_fractions(tmp_path: Any) -> None:
    model = model_of({"x": "int64"}, {"y": "int64"})
    model.scaler.scaleValue.append(0.5)
    assert result(model, tmp_path, x=4) == 2
    with pytest.raises(ExecutionError, match="whole numbers"):
        result(model, tmp_path, x=3)


@pytest.mark.parametrize(
    ("norm", "expected"),
    [(0, [3 / 4, -5 / 4, 1.0]), (1, [0.25, -5 / 12, 1 / 3]), (2, list(np.array([3, -5, 4]) / 50**0.5))],
)
def test_normalizer(norm: int, expected: list[float], tmp_path: Any) -> None:
    model = model_of({"x": 3}, {"y": 3})
    model.normalizer.normType = norm
    model.normalizer.SetInParent()
    assert result(model, tmp_path, x=[3.0, -5.0, 4.0]) == pytest.approx(expected)
    assert result(model, tmp_path, x=[0.0, 0.0, 0.0]) == [0.0, 0.0, 0.0]


def test_imputer_of_arrays(tmp_path: Any) -> None:
    model = model_of({"x": 3}, {"y": 3})
    model.imputer.imputedDoubleArray.vector.extend([7.0, 8.0, 9.0])
    assert result(model, tmp_path, x=[1.0, NAN, -999.0]) == [1.0, 8.0, -999.0]
    model.imputer.replaceDoubleValue = NAN
    assert result(model, tmp_path, x=[1.0, NAN, -999.0]) == [1.0, 8.0, -999.0]
    model.imputer.replaceDoubleValue = -999
    assert result(model, tmp_path, x=[1.0, 2.0, -999.0]) == [1.0, 2.0, 9.0]


def test_imputer_of_one_value(tmp_path: Any) -> None:
    model = model_of({"x": "int64"}, {"y": "int64"})
    model.imputer.imputedInt64Value, model.imputer.replaceInt64Value = 5, -1
    assert [result(model, tmp_path, x=value) for value in (3, -1)] == [3, 5]
    model = model_of({"x": "string"}, {"y": "string"})
    model.imputer.imputedStringValue, model.imputer.replaceStringValue = "none", ""
    assert [result(model, tmp_path, x=value) for value in ("a", "")] == ["a", "none"]
    model = model_of({}, {"y": "double"})
    feature(model.description.input, "x", "double", optional=True)
    model.imputer.imputedDoubleValue = 0.5
    assert result(model, tmp_path) == 0.5
    model = model_of({}, {"y": "words"})
    feature(model.description.input, "x", "words", optional=True)
    model.imputer.imputedStringDictionary.map.add(key="a", value=1.0)
    assert result(model, tmp_path) == {"a": 1.0}
    assert result(model, tmp_path, x={"a": NAN, "b": 2.0}) == {"a": 1.0, "b": 2.0}


def test_one_hot(tmp_path: Any) -> None:
    model = model_of({"x": "string"}, {"y": 3})
    model.oneHotEncoder.stringCategories.vector.extend(["a", "b", "c"])
    assert result(model, tmp_path, x="b") == [0.0, 1.0, 0.0]
    with pytest.raises(ExecutionError, match="'z' is none of its 3 categories"):
        result(model, tmp_path, x="z")
    model.oneHotEncoder.handleUnknown = 1
    assert result(model, tmp_path, x="z") == [0.0, 0.0, 0.0]
    model = model_of({"x": "int64"}, {"y": "places"})
    model.oneHotEncoder.int64Categories.vector.extend([10, 20])
    model.oneHotEncoder.outputSparse = True
    assert result(model, tmp_path, x=20) == {1: 1.0}


def test_vectorizers(tmp_path: Any) -> None:
    model = model_of({"x": "words"}, {"y": 4})
    model.dictVectorizer.stringToIndex.vector.extend(["a", "c", "b", "z"])
    assert result(model, tmp_path, x={"a": 4, "c": 8, "unknown": 1}) == [4.0, 8.0, 0.0, 0.0]
    model = model_of({"n": "double", "v": 2, "s": "places", "i": "int64"}, {"y": 7})
    for name, size in (("i", 1), ("v", 2), ("s", 3), ("n", 1)):
        model.featureVectorizer.inputList.add(inputColumn=name, inputDimensions=size)
    assert result(model, tmp_path, n=0.5, v=[1, 2], s={2: 9.0}, i=7) == [7.0, 1.0, 2.0, 0.0, 0.0, 9.0, 0.5]
    with pytest.raises(InputError, match="there are 3 places"):
        result(model, tmp_path, n=0.5, v=[1, 2], s={3: 9.0}, i=7)


def test_mapping_and_extractor(tmp_path: Any) -> None:
    model = model_of({"x": "string"}, {"y": "int64"})
    model.categoricalMapping.stringToInt64Map.map.add(key="a", value=3)
    assert result(model, tmp_path, x="a") == 3
    with pytest.raises(ExecutionError, match="'b' is none"):
        result(model, tmp_path, x="b")
    model.categoricalMapping.int64Value = -1
    assert result(model, tmp_path, x="b") == -1
    model = model_of({"x": 3}, {"y": "double"})
    model.arrayFeatureExtractor.extractIndex.append(1)
    assert result(model, tmp_path, x=[1.0, 2.5, 3.0]) == 2.5
    model = model_of({"x": 3}, {"y": 2})
    model.arrayFeatureExtractor.extractIndex.extend([2, 0])
    assert result(model, tmp_path, x=[[1.0, 2.5, 3.0]]) == [3.0, 1.0]


@pytest.mark.parametrize("weighting", ["uniformWeighting", "inverseDistanceWeighting"])
def test_neighbours(weighting: str, tmp_path: Any) -> None:
    model = classifier_of({"x": 1}, words=True)
    knn = model.kNearestNeighborsClassifier
    knn.nearestNeighborsIndex.numberOfDimensions = 1
    knn.numberOfNeighbors.defaultValue = 3
    getattr(knn, weighting).SetInParent()
    knn.defaultStringLabel = "none"
    knn.nearestNeighborsIndex.squaredEuclideanDistance.SetInParent()
    assert opened(model, tmp_path).predict({"x": [0.0]}) == {"label": "none", "shares": {"none": 1.0}}
    for value, label in ((1.0, "near"), (2.0, "far"), (-2.0, "far"), (50.0, "out")):
        knn.nearestNeighborsIndex.floatSamples.add().vector.append(value)
        knn.stringClassLabels.vector.append(label)
    found = opened(model, tmp_path).predict({"x": [0.0]})
    shares = {"far": 2 / 3, "near": 1 / 3} if weighting == "uniformWeighting" else {"far": 1 / 3, "near": 2 / 3}
    assert found["shares"] == pytest.approx({**shares, "out": 0.0})
    assert found["label"] == max(shares, key=lambda label: shares[label])


def test_suppression(tmp_path: Any) -> None:
    boxes = np.array([[0.5, 0.5, 1, 1], [0.6, 0.5, 1, 1], [5, 5, 1, 1], [0.5, 0.5, 1, 1]])
    sure = np.array([[0.9, 0.0], [0.8, 0.1], [0.3, 0.1], [0.0, 0.85]])
    assert keep(sure, boxes, 0.5, 0.2, per_class=False).tolist() == [0, 2]
    assert keep(sure, boxes, 0.5, 0.2, per_class=True).tolist() == [0, 3, 2]
    assert keep(sure, boxes, 1.0, 0.85, per_class=False).tolist() == [0, 3]


def pipeline(last: str = "scaler") -> Any:
    model = model_of({"a": "double", "b": "double"}, {"y": 2})
    first = model_of({"a": "double", "b": "double"}, {"inside": 2})
    for name in ("b", "a"):
        first.featureVectorizer.inputList.add(inputColumn=name, inputDimensions=1)
    second = model_of({"inside": 2}, {"inside": 2})
    second.scaler.scaleValue.append(2.0)
    third = model_of({"inside": 2}, {"y": 2})
    getattr(third, last).SetInParent()
    model.pipeline.models.extend([first, second, third])
    return model


def test_pipeline(tmp_path: Any) -> None:
    assert result(pipeline(), tmp_path, a=1.0, b=3.0) == [6.0, 2.0]


def test_pipelines_that_do_not_hold_together(tmp_path: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"holds a model of kind neuralNetwork.*convert to an ML Program"):
        opened(pipeline("neuralNetwork"), tmp_path)
    broken = pipeline()
    del broken.pipeline.models[0]
    with pytest.raises(InputError, match="its model 0 needs 'inside'"):
        opened(broken, tmp_path)


def test_kinds_that_are_not_covered(tmp_path: Any) -> None:
    for which in ("neuralNetworkClassifier", "customModel", "visionFeaturePrint"):
        model = model_of({"x": 1}, {"y": 1})
        getattr(model, which).SetInParent()
        with pytest.raises(UnsupportedError, match=f"models of kind {which}, which"):
            opened(model, tmp_path)


def test_inputs_are_checked(tmp_path: Any) -> None:
    model = opened(pipeline(), tmp_path)
    with pytest.raises(InputError, match="no such input"):
        model.predict({"a": 1.0, "b": 1.0, "c": 1.0})
    with pytest.raises(InputError, match="without input 'b'"):
        model.predict({"a": 1.0})
    with pytest.raises(InputError, match="it takes a double"):
        model.predict({"a": 1.0, "b": "text"})
    assert model.predict_rows([]) == []
