"""What int8 would change: `python -m training.int8 MODEL.onnx OUT.onnx --data DATA [--images 64]`.

Quantises a network as an int8 engine would run it (weights per channel, activations per tensor, their ranges calibrated on images
that the network was trained on) and writes it with QuantizeLinear and DequantizeLinear nodes around each operator, so that any engine
computes what int8 would. `covmap evaluate` on it and on MODEL.onnx, then `training.precision OUT.onnx`, tell the difference. Needs
onnxruntime and the covmap wheel.
"""
import argparse
import os
import random
import tempfile

import covmap
import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quant_pre_process, quantize_static

from . import catalog, metadata

METHODS = {m.name.lower(): m for m in CalibrationMethod}


def plain(path):
    """The model with f32 weights instead of halves behind Casts."""
    model = onnx.load(path)
    weights = {t.name: t for t in model.graph.initializer}
    for node in [n for n in model.graph.node if n.op_type == "Cast" and n.input[0] in weights]:
        values = onnx.numpy_helper.to_array(weights[node.input[0]]).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, node.output[0]))
        model.graph.node.remove(node)
    used = {i for n in model.graph.node for i in n.input}
    kept = [t for t in model.graph.initializer if t.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


class Inputs(CalibrationDataReader):
    """Network inputs of radiographs, one by one."""

    def __init__(self, path, files):
        self.model, self.files = covmap.Model(path), iter(files)
        graph = onnx.load(path).graph
        self.name = graph.input[0].name
        self.shape = [d.dim_value or 1 for d in graph.input[0].type.tensor_type.shape.dim]

    def get_next(self):
        file = next(self.files, None)
        if file is None:
            return None
        values = covmap.stages.preprocess(covmap.Radiograph(file), self.model).values
        return {self.name: np.array(values, np.float32).reshape(self.shape)}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model")
    ap.add_argument("out")
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--images", type=int, default=64)
    ap.add_argument("--method", choices=METHODS, default="percentile")
    ap.add_argument("--keep", nargs="*", default=[], help="nodes that stay in f32: parts of their names")
    a = ap.parse_args()
    model = plain(a.model)
    seen = set(metadata.read(model, "training")["groups"])
    rows = [r for r in catalog.load(a.data) if r.group in seen]
    random.Random(0).shuffle(rows)
    files = [os.path.join(a.data, "images", f"{r.id}.jpg") for r in rows[: a.images]]
    with tempfile.TemporaryDirectory() as folder:
        f32, ready = os.path.join(folder, "f32.onnx"), os.path.join(folder, "ready.onnx")
        onnx.save(model, f32)
        quant_pre_process(f32, ready, skip_symbolic_shape=True)
        kept = [n.name for n in onnx.load(ready).graph.node if any(part in n.name for part in a.keep)]
        quantize_static(ready, a.out, Inputs(a.model, files), quant_format=QuantFormat.QDQ, per_channel=True, nodes_to_exclude=kept,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=METHODS[a.method])
    made = onnx.load(a.out)
    del made.metadata_props[:]
    made.metadata_props.extend(model.metadata_props)
    onnx.save(made, a.out)
    print(f"{a.out}: calibrated on {len(files)} images")


if __name__ == "__main__":
    main()
