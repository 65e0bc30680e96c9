"""A network of the zoo as one ONNX file that covmap, and any ONNX tool, reads."""
import io

import numpy as np
import onnx
import onnxruntime
import torch

from ..export import halve, macs
from ..metadata import write as set_metadata

OPSET = 17
SMALLEST_HALF = 128     # below, the Cast takes more room than it saves


def build(net, size, name, keep_norms=False, half=False, **metadata):
    """ONNX model with `covmap.*` metadata. `keep_norms` leaves batch norms as nodes of their own; `half` stores halves."""
    net = net.eval()
    if half:        # what is stored is what is compared
        for p in [*net.parameters(), *net.buffers()]:
            if p.dtype.is_floating_point:
                p.data = p.data.half().float()
    training = torch.onnx.TrainingMode.PRESERVE if keep_norms else torch.onnx.TrainingMode.EVAL
    buffer = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(net, (torch.zeros(1, 1, size, size),), buffer, dynamo=False, opset_version=OPSET, training=training,
                          do_constant_folding=not keep_norms, input_names=["radiograph"], output_names=["infection"])
    model = onnx.load_from_string(buffer.getvalue())
    count = macs(model, size)
    if half:
        halve(model, SMALLEST_HALF)
    onnx.checker.check_model(model, full_check=True)
    set_metadata(model, "format", "1")
    set_metadata(model, "name", name)
    set_metadata(model, "input", dict(size=[size, size], layout="nchw", channels=1, normalisation="standardise"))
    set_metadata(model, "outputs", [dict(tensor="infection", channels=["infection"], activation="logit")])
    set_metadata(model, "thresholds", dict(infection=0.5, lungs=0.5))
    for key, value in metadata.items():
        set_metadata(model, key, value)
    return model, count


def shorten(model):
    """Names of a few letters: in a narrow network they would take more room than the weights."""
    graph = model.graph
    kept = {v.name for v in [*graph.input, *graph.output]}
    short = {}
    name = lambda n: n if n in kept or not n else short.setdefault(n, f"t{len(short)}")
    for tensor in graph.initializer:
        tensor.name = name(tensor.name)
    for node in graph.node:
        node.name, node.doc_string = "", ""
        node.input[:], node.output[:] = map(name, node.input), map(name, node.output)
    del graph.value_info[:]


def session(model):
    """onnxruntime on as many threads as PyTorch has been given."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def probabilities(model, x):
    """What onnxruntime makes of one image."""
    logit = session(model).run(None, {"radiograph": x.numpy()})[0].astype(np.float64)
    return 1 / (1 + np.exp(-logit))


def difference(model, net, x):
    """Largest difference of probabilities between PyTorch and onnxruntime, and PyTorch's probabilities."""
    with torch.no_grad():
        ours = net(x).double().sigmoid().numpy()
    return float(np.abs(ours - probabilities(model, x)).max()), ours
