"""Post-training static int8 of an ONNX file by olive-ai, with its defaults: run in an environment that has olive-ai."""

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from olive import run
from olive.data.registry import Registry

model, rows, output = sys.argv[1:]
name = onnx.load(model).graph.input[0].name


@Registry.register_dataset("rows")
class Rows:
    """The samples, one at a time, as olive's data loader asks."""

    def __init__(self, **_):
        self.rows = np.load(rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, place):
        return {name: self.rows[place]}, 0


made = Path(output).with_suffix(".olive")
config = {
    "input_model": {"type": "ONNXModel", "model_path": model},
    "data_configs": [
        {
            "name": "calibration",
            "type": "DataContainer",
            "load_dataset_config": {"type": "rows"},
            "dataloader_config": {"batch_size": 1},
        }
    ],
    "passes": {"int8": {"type": "OnnxStaticQuantization", "data_config": "calibration"}},
    "output_dir": str(made),
    "cache_dir": str(made / "cache"),
}
best = run(config).get_best_candidate()
shutil.copy(best.model_path, output)
shutil.rmtree(made)
