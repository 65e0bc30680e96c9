"""The paper's model zoo: `python -m training.zoo COMMAND --help`."""
import argparse


def pretrain(a):
    from .train import Zoo
    from .train import pretrain as run
    run(Zoo(a.data, a.runs, a.weights, a.seed), a.encoder, a.minutes)


def train(a):
    from .network import Configuration
    from .train import Zoo
    from .train import train as run
    configurations = [Configuration.parse(name) for name in a.names]
    zoo = Zoo(a.data, a.runs, a.weights, a.seed)
    for c in configurations:
        run(zoo, c, a.minutes)


def run_all(a):
    from . import results, train
    from .network import paper
    zoo = train.Zoo(a.data, a.runs, a.weights, a.seed)
    if not zoo.weights_file("chexnet"):
        train.pretrain(zoo, "chexnet", a.pretrain_minutes)
    for c in paper():
        train.train(zoo, c, a.minutes)
        results.table(a.runs, a.out)


def table(a):
    from .results import table as write
    n = write(a.runs, a.out)
    print(f"{a.out}: {n} networks" if n else f"no results under {a.runs}")


def bench_networks(a):
    from . import untrained
    untrained.bench_networks(a.graphs or ["unet-resnet18", "unet-densenet121"], a.side, a.out)


def compare(a):
    from . import network, untrained
    untrained.compare(a.graphs or [c.graph for c in network.graphs() if c.encoder != "chexnet"], a.side, a.covmap)


def fixtures(a):
    from .fixtures import write
    write(a.out)


def main():
    ap = argparse.ArgumentParser(prog="python -m training.zoo", description=__doc__)
    commands = ap.add_subparsers(required=True, metavar="COMMAND")

    def command(run, about):
        p = commands.add_parser(run.__name__.replace("_", "-"), help=about, description=about)
        p.set_defaults(run=run)
        return p

    def training(run, about, minutes):
        p = command(run, about + " A run that was cut off goes on when the same command is given again.")
        p.add_argument("--data", default="../shared/data")
        p.add_argument("--runs", default="training/runs/zoo")
        p.add_argument("--weights", help="folder of classifiers' state dicts, ENCODER.pt each, to start from: ImageNet's, or CheXNet's own")
        p.add_argument("--minutes", type=float, default=minutes, help="of training a network (default %(default)s)")
        p.add_argument("--seed", type=int, default=0)
        return p

    p = training(pretrain, "Pretrain an encoder on the catalogue's findings.", 30)
    p.add_argument("--encoder", default="chexnet")
    p = training(train, "Train networks by name, such as unet-densenet121-frozen or dla-resnet50-tuned.", 10)
    p.add_argument("names", nargs="+")
    p = training(run_all, "Pretrain CheXNet's stand-in, train all 24 networks and write the table after each.", 10)
    p.add_argument("--pretrain-minutes", type=float, default=30)
    p.add_argument("--out", default="training/zoo/RESULTS.md")
    p = command(table, "Write the table from the runs' results.")
    p.add_argument("--runs", default="training/runs/zoo")
    p.add_argument("--out", default="training/zoo/RESULTS.md")
    p = command(bench_networks, "Write full-width, untrained networks for speed figures of engines.")
    p.add_argument("--out", required=True)
    p.add_argument("--graphs", nargs="*", help="DECODER-ENCODER (default unet-resnet18 unet-densenet121)")
    p.add_argument("--side", type=int, default=256)
    p = command(compare, "Run full-width, untrained networks by covmap, PyTorch and onnxruntime, and compare the probabilities.")
    p.add_argument("--covmap", default="covmap", help="the command")
    p.add_argument("--graphs", nargs="*", help="DECODER-ENCODER (default all; CheXNet's graph is DenseNet-121's)")
    p.add_argument("--side", type=int, default=224)
    p = command(fixtures, "Write narrow, untrained networks and PyTorch's answers for tests/tests/zoo.rs.")
    p.add_argument("--out", default="tests/fixtures/zoo")
    a = ap.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
