"""Untrained networks fit for tests of engines: random, seeded weights, activations of a sane range, and narrow versions of any of them."""
import torch
from torch import nn


def narrow(net, divisor, side):
    """The same topology with every width divided (two channels at least; one stays one), for inputs of `side`; new weights."""
    width = lambda n: max(min(n, 4), n // divisor)
    for parent in list(net.modules()):
        for name, m in list(parent.named_children()):
            if isinstance(m, nn.Conv2d):
                new = nn.LazyConv2d(width(m.out_channels), m.kernel_size, m.stride, m.padding, bias=m.bias is not None)
            elif isinstance(m, nn.ConvTranspose2d):     # depthwise, all of them
                n = width(m.out_channels)
                new = nn.LazyConvTranspose2d(n, m.kernel_size, m.stride, m.padding, groups=n, bias=m.bias is not None)
            elif isinstance(m, nn.BatchNorm2d):
                new = nn.LazyBatchNorm2d(m.eps, m.momentum)
            else:
                continue
            setattr(parent, name, new)
    net.eval()(torch.zeros(1, 1, side, side))       # lazy layers learn their input's channels
    return net


@torch.no_grad()
def randomise(net, seed, side):
    """Weights, and norms whose statistics are near what they see, but not so near that ignoring them would go unnoticed."""
    rng = torch.Generator().manual_seed(seed)
    normal = lambda t, mean, spread: t.copy_(mean + spread * torch.randn(t.shape, generator=rng))

    def observe(norm, inputs):
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3))
        variance = variance.clamp_min(0.1 * float(variance.mean()) + 1e-3)      # a dead channel would amplify rounding errors
        # The bias is positive: random ReLUs about zero would amplify rounding errors, layer by layer.
        normal(norm.weight, 1, 0.15), normal(norm.bias, 0.5, 0.1)
        normal(norm.running_mean, 0, 0.2).mul_(variance.sqrt()).add_(mean)
        normal(norm.running_var, 0, 0.3).exp_().mul_(variance)

    hooks = []
    for m in net.modules():
        if isinstance(m, nn.ConvTranspose2d):
            normal(m.weight, 0.25, 0.05)
        elif isinstance(m, nn.Conv2d):
            normal(m.weight, 0, (2 / m.weight[0].numel()) ** 0.5)
            if m.bias is not None:
                normal(m.bias, 0, 0.1)
        elif isinstance(m, nn.BatchNorm2d):
            hooks.append(m.register_forward_pre_hook(observe))
    logit, head = net.eval()(image(rng, side, 4)), net.decoder.head
    for hook in hooks:
        hook.remove()
    scale = 2 / logit.std()     # probabilities from nearly 0 to nearly 1
    head.weight *= scale
    head.bias.copy_(scale * (head.bias - logit.mean()))
    return net


def image(rng, side, n):
    """Something with structure at every scale, zero mean and unit variance per image."""
    x = torch.zeros(n, 1, side, side)
    for part in (4, 8, 16, 32):
        x += nn.functional.interpolate(torch.randn(n, 1, part, part, generator=rng), (side, side), mode="bilinear")
    x += 0.2 * torch.randn(x.shape, generator=rng)
    return (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True, unbiased=False)
