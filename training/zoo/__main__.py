"""The paper's model zoo: `python -m training.zoo COMMAND --help`."""
import argparse


def bench_networks(a):
    from . import untrained
    untrained.bench_networks(a.graphs or ["unet-resnet18", "unet-densenet121"], a.side, a.out)


def compare(a):
    from . import network, untrained
    untrained.compare(a.graphs or [c.graph for c in network.graphs() if c.encoder != "chexnet"], a.side, a.covmap)


def fixtures(a):
    from . import fixtures
    fixtures.write(a.out)


def main():
    ap = argparse.ArgumentParser(prog="python -m training.zoo", description=__doc__)
    commands = ap.add_subparsers(required=True)

    def command(name, run, about):
        p = commands.add_parser(name, help=about, description=about)
        p.set_defaults(run=run)
        return p

    p = command("bench-networks", bench_networks, "write full-width, untrained networks for speed figures of engines")
    p.add_argument("--out", required=True)
    p.add_argument("--graphs", nargs="*", help="DECODER-ENCODER (default unet-resnet18 unet-densenet121)")
    p.add_argument("--side", type=int, default=256)
    p = command("compare", compare, "run full-width networks by covmap, PyTorch and onnxruntime, and compare the probabilities")
    p.add_argument("--covmap", default="covmap", help="the command")
    p.add_argument("--graphs", nargs="*", help="DECODER-ENCODER (default all; CheXNet's graph is DenseNet-121's)")
    p.add_argument("--side", type=int, default=224)
    p = command("fixtures", fixtures, "write narrow, untrained networks and PyTorch's answers for tests/tests/zoo.rs")
    p.add_argument("--out", default="tests/fixtures/zoo")
    a = ap.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
