"""A small U-Net from PyTorch to a file that covmap runs: `python export_pytorch.py FOLDER` writes own.onnx and own.onnx.json.

The weights are made up, and answer nonsense. Needs torch and onnxscript; covmap itself needs neither. `--answer INPUT.npy OUTPUT.npy`
writes what PyTorch says of an input instead, to compare with what covmap makes of the exported file.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

SIZE = 96


def block(inputs: int, outputs: int) -> nn.Sequential:
    norm = nn.BatchNorm2d(outputs)
    # As training would leave it: neither 0 nor 1.
    nn.init.normal_(norm.running_mean, 0, 0.1)
    nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), norm, nn.ReLU())


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([block(1, 8), block(8, 16), block(16, 32)])
        self.up = nn.ModuleList([block(32 + 16, 16), block(16 + 8, 8)])
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.heads = nn.Conv2d(8, 3, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        first = self.down[0](image)
        second = self.down[1](nn.functional.max_pool2d(first, 2))
        third = self.down[2](nn.functional.max_pool2d(second, 2))
        second = self.up[0](torch.cat([self.enlarge(third), second], dim=1))
        first = self.up[1](torch.cat([self.enlarge(second), first], dim=1))
        return self.heads(first)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--answer", nargs=2, type=Path, metavar=("INPUT", "OUTPUT"))
    given = arguments.parse_args()
    torch.manual_seed(0)
    network = UNet().eval()
    if given.answer:
        with torch.no_grad():
            image = torch.from_numpy(np.load(given.answer[0]).reshape(1, 1, SIZE, SIZE))
            np.save(given.answer[1], torch.sigmoid(network(image))[0].numpy())
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    example, names = torch.zeros(1, 1, SIZE, SIZE), {"input_names": ["image"], "output_names": ["maps"]}
    # A model is one file: by default this exporter puts the weights into another.
    torch.onnx.export(network, (example,), given.folder / "own.onnx", **names, dynamo=True, external_data=False, verbose=False)
    description = {
        "format": 1,
        "name": f"PyTorch {torch.__version__.split('+')[0]}",
        "input": {"size": [SIZE, SIZE], "layout": "nchw", "channels": 1, "normalisation": {"affine": {"mean": [0.5], "std": [0.25]}}},
        "outputs": [{"tensor": "maps", "channels": ["lung_right", "lung_left", "infection"], "activation": "logit"}],
        "thresholds": {"infection": 0.5, "lungs": 0.5},
    }
    (given.folder / "own.onnx.json").write_text(json.dumps(description, indent=2))


if __name__ == "__main__":
    main()
