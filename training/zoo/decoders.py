"""Decoders: five feature maps, finest first, to one logit map of the input's size."""
import torch
from torch import nn

from ..network import Decode

WIDTHS = (16, 32, 64, 128, 256)     # of the full size, 1/2, 1/4, 1/8, 1/16


class UNet(nn.Module):
    def __init__(self, channels):
        super().__init__()
        skips, cin = [*channels[-2::-1], 0], channels[-1]
        self.stages = nn.ModuleList()
        for skip, width in zip(skips, reversed(WIDTHS)):
            self.stages.append(Decode(cin, skip, width))
            cin = width
        self.head = nn.Conv2d(cin, 1, 1)

    def forward(self, features):
        x = features[-1]
        for stage, skip in zip(self.stages, [*features[-2::-1], None]):
            x = stage(x, skip)
        return self.head(x)


class UNetPlusPlus(nn.Module):
    """Node (level, column) sees every node before it on its level and the one below, a column earlier (Zhou et al. 2018)."""

    def __init__(self, channels):
        super().__init__()
        self.nodes = nn.ModuleDict()
        for column in range(1, 5):
            for level in range(5 - column):
                width = WIDTHS[level + 1]
                below = channels[level + 1] if column == 1 else WIDTHS[level + 2]
                self.nodes[f"{level}{column}"] = Decode(below, channels[level] + (column - 1) * width, width)
        self.last = Decode(WIDTHS[1], 0, WIDTHS[0])
        self.head = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, features):
        rows = [[f] for f in features]
        for column in range(1, 5):
            for level in range(5 - column):
                node = self.nodes[f"{level}{column}"]
                rows[level].append(node.convs(torch.cat([node.up(rows[level + 1][column - 1]), *rows[level]], 1)))
        return self.head(self.last(rows[0][-1]))


def convolution(cin, cout, kernel):
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(cout), nn.ReLU())


def double(channels):
    """Learned x2 upsampling, channel by channel, bilinear to begin with."""
    up = nn.ConvTranspose2d(channels, channels, 4, 2, 1, groups=channels, bias=False)
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
    up.weight.data.copy_((ramp[:, None] * ramp).expand_as(up.weight))
    return up


class Aggregation(nn.Module):
    """Iterative aggregation: each coarser map is brought to the first one's channels and size and merged with its predecessor."""

    def __init__(self, width, channels):
        super().__init__()
        self.finest = convolution(channels[0], width, 1)
        self.project = nn.ModuleList(nn.Sequential(convolution(c, width, 1), double(width)) for c in channels[1:])
        self.merge = nn.ModuleList(convolution(2 * width, width, 3) for _ in channels[1:])

    def forward(self, features):
        x, merged = self.finest(features[0]), []
        for project, merge, coarser in zip(self.project, self.merge, features[1:]):
            x = merge(torch.cat([x, project(coarser)], 1))
            merged.append(x)
        return merged


class DLA(nn.Module):
    """Deep layer aggregation (Yu et al. 2018): from the two coarsest maps alone to all five; logits at 1/2, doubled."""

    def __init__(self, channels):
        super().__init__()
        self.aggregations = nn.ModuleList()
        for level in range(3, -1, -1):
            merged = [WIDTHS[level + 2]] * (3 - level) if level < 3 else []
            self.aggregations.append(Aggregation(WIDTHS[level + 1], [*channels[level:level + 2], *merged]))
        self.head = nn.Conv2d(WIDTHS[1], 1, 1)
        self.up = double(1)

    def forward(self, features):
        maps = list(features)
        for i, aggregation in enumerate(self.aggregations):
            maps[-i - 1:] = aggregation(maps[-i - 2:])
        return self.up(self.head(maps[-1]))


DECODERS = {"unet": UNet, "unetplusplus": UNetPlusPlus, "dla": DLA}
