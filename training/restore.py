"""The way back from a model file of `export.py` to a network that trains on."""
import onnx
import torch
from onnx import numpy_helper

from . import metadata
from .network import FIELD_LEFT, FIELD_RIGHT, INFECTION, LUNG_LEFT, LUNG_RIGHT, normed


def tensors(model):
    """Name in `export.Shipped` -> tensor, widened to single precision."""
    return {t.name.removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(t).copy()).float() for t in model.graph.initializer}


def restore(net, path, images):
    """Weights of a model file into `net`; the norms that were folded get the statistics of `images` (N,1,H,W), so that in use the
    network answers as the file does. The fields' head, dropped at export, starts as the lungs'. Returns what the file says of its
    training."""
    model = onnx.load(path)
    stored, found = tensors(model), [(name, sequence[i], sequence[i + 1]) for name, sequence, i in normed(net)]
    for name, conv, bn in found:
        conv.weight.data.copy_(stored[f"net.{name}.weight"])
        bn.running_mean.zero_(), bn.running_var.fill_(1 - bn.eps)
        bn.weight.data.fill_(1), bn.bias.data.copy_(stored[f"net.{name}.bias"])
    for channels, part in (([INFECTION], "infection"), ([LUNG_RIGHT, LUNG_LEFT], "lungs"), ([FIELD_RIGHT, FIELD_LEFT], "lungs")):
        net.head.weight.data[channels], net.head.bias.data[channels] = stored[f"{part}.weight"], stored[f"{part}.bias"]
    sums = {}

    def measure(conv, _, y):
        sums[conv] = y.mean((0, 2, 3)), y.var((0, 2, 3), unbiased=False)

    hooks = [conv.register_forward_hook(measure) for _, conv, _ in found]
    with torch.no_grad():
        net.eval()(images)
    for hook in hooks:
        hook.remove()
    for _, conv, bn in found:
        mean, variance = sums[conv]
        bn.running_mean.copy_(mean), bn.running_var.copy_(variance)
        bn.weight.data.copy_((variance + bn.eps).sqrt()), bn.bias.data.add_(mean)
    return {k: v for k, v in metadata.read(model, "training").items() if k not in ("note", "license", "macs", "calibrated_on")}
