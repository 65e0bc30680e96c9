"""A network of the zoo by name: `unet-densenet121-frozen`, `dla-resnet50-tuned`."""
import math
from dataclasses import dataclass

from torch import nn

from .decoders import DECODERS
from .encoders import build as build_encoder

PRIOR = 0.1
PAPER_ENCODERS = ("chexnet", "densenet121", "inceptionv3", "resnet50")


@dataclass(frozen=True)
class Configuration:
    decoder: str
    encoder: str
    frozen: bool = False

    @property
    def graph(self):
        return f"{self.decoder}-{self.encoder}"

    @property
    def name(self):
        return f"{self.graph}-{'frozen' if self.frozen else 'tuned'}"

    @staticmethod
    def parse(name):
        found = [c for c in paper() if c.name == name]
        if not found:
            raise SystemExit(f"no network {name!r}; there are {', '.join(c.name for c in paper())}")
        return found[0]


def graphs():
    """The paper's decoders on its encoders."""
    return [Configuration(d, e) for d in DECODERS for e in PAPER_ENCODERS]


def paper():
    """The paper's 24 networks, those of an encoder side by side."""
    return [Configuration(d, e, frozen) for e in PAPER_ENCODERS for frozen in (True, False) for d in DECODERS]


class Segmenter(nn.Module):
    """Grey image (N,1,H,W), sides multiples of 32, to logits (N,1,H,W) of opacity."""

    def __init__(self, configuration, weights=None):
        super().__init__()
        self.frozen = configuration.frozen
        self.encoder, channels = build_encoder(configuration.encoder, weights)
        self.decoder = DECODERS[configuration.decoder](channels)
        self.encoder.requires_grad_(not self.frozen)
        # Focal loss wants outputs that begin near the share of what is sought (Lin et al. 2017, 3.3).
        nn.init.constant_(self.decoder.head.bias, math.log(PRIOR / (1 - PRIOR)))

    def train(self, mode=True):
        super().train(mode)
        if self.frozen:         # its norms keep their statistics
            self.encoder.eval()
        return self

    def forward(self, x):
        return self.decoder(self.encoder(x))
