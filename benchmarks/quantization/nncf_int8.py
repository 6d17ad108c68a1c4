"""Post-training static int8 of an ONNX file by nncf, with its defaults: run in an environment that has nncf."""

import sys

import nncf
import numpy as np
import onnx

model, rows, output = sys.argv[1:]
inputs = np.load(rows)
name = onnx.load(model).graph.input[0].name
dataset = nncf.Dataset([row[None] for row in inputs], lambda row: {name: row})
onnx.save(nncf.quantize(onnx.load(model), dataset, subset_size=len(inputs)), output)
