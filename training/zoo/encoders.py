"""Encoders: torchvision's classifiers cut into five stages, at 1/2 to 1/32 of the input, with one grey input channel."""
import re

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models import inception


class Encoder(nn.Module):
    def __init__(self, stages):
        super().__init__()
        self.stages = nn.ModuleList(nn.Sequential(*s) for s in stages)

    def forward(self, x):
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def resnet(net):
    return [net.conv1, net.bn1, net.relu], [net.maxpool, net.layer1], [net.layer2], [net.layer3], [net.layer4]


def densenet(net):
    """A stage ends with the transition's norm and ReLU; its convolution and pool begin the next."""
    f = net.features
    turns = [f.transition1, f.transition2, f.transition3]
    begins = [[f.pool0], *([t.conv, t.pool] for t in turns)]
    ends = [*([t.norm, t.relu] for t in turns), [f.norm5, nn.ReLU()]]
    blocks = [f.denseblock1, f.denseblock2, f.denseblock3, f.denseblock4]
    return [[f.conv0, f.norm0, f.relu0], *([*begin, block, *end] for begin, block, end in zip(begins, blocks, ends))]


class ReductionB(inception.InceptionB):
    def _forward(self, x):
        deep = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch3x3(x), deep, F.max_pool2d(x, 3, 2, 1)]


class ReductionD(inception.InceptionD):
    def _forward(self, x):
        deep = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return [self.branch3x3_2(self.branch3x3_1(x)), deep, F.max_pool2d(x, 3, 2, 1)]


def inception_v3():
    """Every 3x3 convolution and pool is padded, so that each stage halves the size exactly and skips fit."""
    i = inception
    blocks = [i.BasicConv2d, i.InceptionA, ReductionB, i.InceptionC, ReductionD, i.InceptionE, i.InceptionAux]
    net = i.Inception3(aux_logits=False, init_weights=False, inception_blocks=blocks)
    for m in net.modules():
        if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3):
            m.padding = (1, 1)
        elif isinstance(m, nn.MaxPool2d):
            m.padding = 1
    return net


def inception_stages(n):
    return [[n.Conv2d_1a_3x3, n.Conv2d_2a_3x3, n.Conv2d_2b_3x3], [n.maxpool1, n.Conv2d_3b_1x1, n.Conv2d_4a_3x3],
            [n.maxpool2, n.Mixed_5b, n.Mixed_5c, n.Mixed_5d], [n.Mixed_6a, n.Mixed_6b, n.Mixed_6c, n.Mixed_6d, n.Mixed_6e],
            [n.Mixed_7a, n.Mixed_7b, n.Mixed_7c]]


# Name -> classifier, its stages, their channels. CheXNet is DenseNet-121 with weights learned on chest radiographs.
DENSENET121 = (torchvision.models.densenet121, densenet, (64, 256, 512, 1024, 1024))
ENCODERS = {
    "chexnet": DENSENET121,
    "densenet121": DENSENET121,
    "inceptionv3": (inception_v3, inception_stages, (64, 192, 288, 768, 2048)),
    "resnet50": (torchvision.models.resnet50, resnet, (64, 256, 512, 1024, 2048)),
    "resnet18": (torchvision.models.resnet18, resnet, (64, 64, 128, 256, 512)),     # for speed figures, not the paper's
}


def build(name, weights=None):
    """The encoder, with the weights of a classifier's file where one is given, and the channels of its stages."""
    classifier, stages, channels = ENCODERS[name]
    net = classifier()
    if weights:
        load(net, weights)
    first = next(m for m in net.modules() if isinstance(m, nn.Conv2d))
    # Three equal channels and one whose weights are their sum give the same.
    first.weight = nn.Parameter(first.weight.sum(1, keepdim=True))
    first.in_channels = 1
    return Encoder(stages(net)), channels


def load(net, path):
    """A state dict as torchvision, CheXNet's re-implementations or TorchXRayVision store it, all but the classifier's head."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    stored = stored.get("state_dict", stored)
    own = net.state_dict()
    found = {}
    for key, value in stored.items():
        key = re.sub(r"^(module\.)?(densenet121\.)?", "", key)
        key = re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", key)       # DenseNet's names before torchvision 0.3
        if key in own and not key.startswith(("classifier", "fc.")):
            grey = value.dim() == 4 and value.shape[1] == 1 and own[key].shape[1] == 3
            found[key] = value.expand(-1, 3, -1, -1) / 3 if grey else value
    missing = [k for k in own if k not in found and not k.startswith(("classifier", "fc.")) and not k.endswith("num_batches_tracked")]
    if missing:
        raise SystemExit(f"{path}: {len(missing)} of {len(own)} tensors are missing, {missing[0]} the first")
    net.load_state_dict(found, strict=False)
