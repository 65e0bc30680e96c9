"""Write a checkpoint as one ONNX file: `python -m training.export runs/fold0/last.pt model.onnx --threshold 0.3`.

BatchNorm is folded, weights are stored in half precision (a Cast widens them, so any ONNX tool reads the file), and all
that covmap must know stands in `covmap.*` metadata. The result is checked against PyTorch through onnxruntime.
"""
import argparse
import io

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from . import metadata
from .network import INFECTION, LUNG_LEFT, LUNG_RIGHT, UNetLite0, normed

LICENSE = ("Weights: research use, CC BY-NC-SA 4.0 (the most restrictive terms stated by the publishers of the training "
           "images, masks and scores); 181 of the images state no licence. See LICENSE-WEIGHTS.")


class Shipped(nn.Module):
    """The trained network without its training-only heads: (infection N,1,H,W), (lungs N,2,H,W: right, left), logits."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        head, net.head = net.head, nn.Identity()
        self.infection, self.lungs = part(head, [INFECTION]), part(head, [LUNG_RIGHT, LUNG_LEFT])

    def forward(self, x):
        y = self.net(x)
        return self.infection(y), self.lungs(y)


def part(head, channels):
    conv = nn.Conv2d(head.in_channels, len(channels), 1)
    conv.weight.data, conv.bias.data = head.weight.data[channels].clone(), head.bias.data[channels].clone()
    return conv


def fold(module):
    """BatchNorm into the convolution before it, recursively."""
    for _, sequence, i in list(normed(module)):
        sequence[i], sequence[i + 1] = fuse_conv_bn_eval(sequence[i], sequence[i + 1]), nn.Identity()
    return module


def halve(model, smallest=1):
    """Float initializers of at least `smallest` numbers to half precision, each widened by a Cast."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= smallest:
            name = tensor.name
            half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name + ".half")
            tensor.CopyFrom(half)
            casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def macs(model, size):
    """Multiply-accumulates of the convolutions for one image."""
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in onnx.shape_inference.infer_shapes(model).graph.value_info}
    shapes.update({o.name: [d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output})
    weights = {t.name.removesuffix(".half"): list(t.dims) for t in model.graph.initializer}
    return sum(int(np.prod(weights[n.input[1]][1:])) * int(np.prod(shapes[n.output[0]])) for n in model.graph.node if n.op_type == "Conv")


def build(checkpoint, name, threshold):
    net = UNetLite0()
    net.load_state_dict(checkpoint["average"])
    shipped = fold(Shipped(net.eval()))
    for p in shipped.parameters():      # what is stored is what is compared
        p.data = p.data.half().float()
    size = checkpoint["record"]["size"]
    buffer = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(shipped, (torch.zeros(1, 1, size, size),), buffer, dynamo=False, opset_version=17,
                          input_names=["radiograph"], output_names=["infection", "lungs"])
    model = onnx.load_from_string(buffer.getvalue())
    record = dict(checkpoint["record"])
    record["macs"] = macs(model, size)
    halve(model)
    onnx.checker.check_model(model, full_check=True)
    ids = record.pop("ids")
    record["images"] = len(ids)     # of all phases
    training = dict(note=f"U-Net on EfficientNet-Lite0 trained on {len(ids)} chest radiographs of {len(record['groups'])} patients; "
                         "see training/MODEL_CARD.md.", license=LICENSE, **record)
    metadata.write(model, "format", "1")
    metadata.write(model, "name", name)
    metadata.write(model, "input", dict(size=[size, size], layout="nchw", channels=1, normalisation="standardise"))
    metadata.write(model, "outputs", [dict(tensor="infection", channels=["infection"], activation="logit"),
                                      dict(tensor="lungs", channels=["lung_right", "lung_left"], activation="logit")])
    metadata.write(model, "thresholds", dict(infection=threshold, lungs=0.5))
    metadata.write(model, "training", training)
    return model, shipped


def compare(model, shipped, size):
    """Largest difference of probabilities between PyTorch and onnxruntime on the stored weights."""
    x = torch.randn(2, 1, size, size, generator=torch.Generator().manual_seed(0))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    worst = 0.0
    for one in x.split(1):
        theirs = session.run(None, {"radiograph": one.numpy()})
        with torch.no_grad():
            ours = shipped(one)
        worst = max(worst, *(float((a.sigmoid() - torch.from_numpy(b).sigmoid()).abs().max()) for a, b in zip(ours, theirs)))
    return worst


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("checkpoint"), ap.add_argument("out")
    ap.add_argument("--name", default="covmap-unet-lite0-256")
    ap.add_argument("--threshold", type=float, default=0.5)
    a = ap.parse_args()
    checkpoint = torch.load(a.checkpoint, weights_only=False)
    model, shipped = build(checkpoint, a.name, a.threshold)
    worst = compare(model, shipped, checkpoint["record"]["size"])
    print(f"largest difference to PyTorch: {worst:.1e}")
    if worst > 1e-4:
        raise SystemExit("the export differs from PyTorch")
    onnx.save(model, a.out)
    print(f"{a.out}: {len(model.SerializeToString()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
