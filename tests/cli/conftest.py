"""Tiny model files, made once by the frameworks themselves in processes of their own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import edgekit

# One process makes everything that torch and scikit-learn write: each import is dear.
_MAKE = """
import numpy as np, onnx, torch, joblib, skops.io
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from factories import Net, Odd

weights = np.linspace(-1, 1, 24, dtype="f4").reshape(4, 6)
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])], "net",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6])],
    [numpy_helper.from_array(weights, "w")])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "net.onnx")

torch.manual_seed(0)
net, x = Net().eval(), torch.randn(1, 4)
torch.export.save(torch.export.export(net, (x,)), "net.pt2")
torch.export.save(torch.export.export(Odd().eval(), (x,)), "odd.pt2")
torch.jit.trace(net, x).save("script.pt")
torch.save(net.state_dict(), "state.pt")
torch.save(net, "pickled.pt")

rng = np.random.default_rng(0)
X = rng.standard_normal((40, 4)).astype("f4")
fitted = LogisticRegression().fit(X, X[:, 0] > 0)
joblib.dump(fitted, "fitted.joblib")
skops.io.dump(fitted, "fitted.skops")

np.savez("good.npz", x=X[:5])
np.savez("names.npz", image=X[:5])
np.savez("shapes.npz", x=rng.standard_normal((5, 7)).astype("f4"))
np.savez("dtypes.npz", x=np.array([["a", "b", "c", "d"]]))
np.savez("nan.npz", x=np.where(np.arange(20).reshape(5, 4) == 6, np.nan, 1).astype("f4"))
np.savez("none.npz", x=X[:0])
"""

_FACTORIES = """
import sys
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(4, 6)

    def forward(self, x):
        return torch.relu(self.fc(x))

class Median(torch.nn.Module):
    def forward(self, x):
        return x.kthvalue(2, 1).values

class Odd(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(4, 6)
        self.strange = Median()

    def forward(self, x):
        return self.strange(self.fc(x))

def build():
    return Net().eval()

def chatty():
    print("a factory that talks")
    sys.stderr.write("and complains\\n")
    torch.manual_seed(0)
    return Net().eval()
"""

# Without torch, whose import is dear.
_PLAIN = """
import sys

def quits():
    print("bye")
    sys.exit(0)

def raises():
    raise ValueError("no [red]weights[/] today")

def nothing():
    return None
"""

_KERAS = """
import keras, numpy as np, tensorflow as tf

@keras.saving.register_keras_serializable("mine")
class Scale(keras.layers.Layer):
    def call(self, x):
        return x * 2

custom = keras.Sequential([keras.Input((4,)), Scale(name="my_scale")])
custom.save("custom.keras")
plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
plain.save("net.keras")
plain.save("net.h5")
function = tf.function(lambda t: plain(t)).get_concrete_function(tf.TensorSpec((1, 4)))
open("net.tflite", "wb").write(tf.lite.TFLiteConverter.from_concrete_functions([function], plain).convert())
"""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model and sample files of torch, scikit-learn and ONNX, and of factories; nobody writes to it."""
    for module in ("torch", "sklearn", "skops", "onnx"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("models")
    (folder / "factories.py").write_text(_FACTORIES, encoding="utf-8")
    (folder / "plain.py").write_text(_PLAIN, encoding="utf-8")
    _make(folder, _MAKE)
    return folder


@pytest.fixture(scope="session")
def keras_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of .keras, .h5 and .tflite files."""
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("keras-models")
    _make(folder, _KERAS)
    return folder


@pytest.fixture(scope="session")
def made_bundle(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one ONNX artifact, verified on five samples; copy it to change it."""
    folder = tmp_path_factory.mktemp("bundle")
    answer = edgekit("convert", models / "net.onnx", "--samples", models / "good.npz", "-o", "net.edge", cwd=folder)
    assert answer.code == 0, answer.err
    return folder / "net.edge"


@pytest.fixture
def bundle(made_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle, alone in its folder."""
    return Path(shutil.copy(made_bundle, tmp_path / "net.edge"))


def _make(folder: Path, script: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
