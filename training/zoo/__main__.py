"""The paper's model zoo: `python -m training.zoo COMMAND --help`."""
import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed


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
    import torch

    from .network import PAPER_ENCODERS, Configuration, paper
    from .results import record
    from .results import table as write
    from .train import PRETRAINED, Zoo, described
    zoo = Zoo(a.data, a.runs, a.weights, a.seed)
    chosen = [c for c in paper() if not a.encoders or c.encoder in a.encoders]
    if strange := set(a.encoders or []) - {c.encoder for c in chosen}:
        raise SystemExit(f"no encoder {', '.join(sorted(strange))}; there are {', '.join(PAPER_ENCODERS)}")
    options = ["--data", a.data, "--runs", a.runs, "--seed", str(a.seed), *(["--weights", a.weights] if a.weights else [])]
    environment = dict(os.environ, OMP_NUM_THREADS=str(max(1, torch.get_num_threads() // a.jobs)))

    def one(command):
        subprocess.run([sys.executable, "-m", "training.zoo", *command, *options], check=True, env=environment)

    def all_of(commands):
        with ThreadPoolExecutor(a.jobs) as pool:
            try:
                for done in as_completed([pool.submit(one, command) for command in commands]):
                    done.result()
                    write(a.runs, a.out)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def trained(networks, minutes):
        """Those that the record has already are left; the others start from pretrained encoders, so these come first."""
        measured = record(a.runs, a.out)

        def has(c):
            file = zoo.weights_file(c.encoder)
            return any(r.get("network") == c.name and r["minutes"] >= minutes and r["seed"] == a.seed and (not file or r["start"] == described(file))
                       for r in measured)
        missing = [c for c in networks if not has(c)]
        encoders = [e for e in PRETRAINED if e in {c.encoder for c in missing} and not zoo.weights_file(e)]
        all_of(["pretrain", "--encoder", e, "--minutes", str(a.pretrain_minutes)] for e in encoders)
        all_of(["train", c.name, "--minutes", str(minutes)] for c in missing)

    trained(chosen, a.minutes)
    # The best by training loss: the held-out fold, on which they are reported, may not choose.
    names = {c.name for c in chosen}
    short = [r for r in record(a.runs, a.out) if r.get("network") in names and r["seed"] == a.seed and a.minutes <= r["minutes"] < a.best_minutes]
    best = list(dict.fromkeys(r["network"] for r in sorted(short, key=lambda r: r["loss"])))[:a.best]
    trained([Configuration.parse(name) for name in best], a.best_minutes)
    write(a.runs, a.out)


def table(a):
    from .results import table as write
    n = write(a.runs, a.out)
    print(f"{a.out}: {n} networks" if n else f"no results under {a.runs}")


def bench_networks(a):
    from . import untrained
    untrained.bench_networks(a.graphs or ["unet-resnet18", "unet-densenet121"], a.side, a.out)


def compare(a):
    from . import compare, network
    if a.runs:
        from .train import Zoo
        compare.trained(Zoo(a.data, a.runs), a.covmap, a.radiographs)
    else:
        compare.graphs(a.graphs or [c.graph for c in network.graphs() if c.encoder != "chexnet"], a.side, a.covmap)


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
    p = training(run_all, "Pretrain the encoders, train all 24 networks and write the table after each.", 10)
    p.add_argument("--pretrain-minutes", type=float, default=30, help="of training an encoder (default %(default)s)")
    p.add_argument("--best", type=int, default=3, help="networks of the lowest training loss that train on (default %(default)s)")
    p.add_argument("--best-minutes", type=float, default=60, help="of training each of these, in all (default %(default)s)")
    p.add_argument("--encoders", nargs="+", help="only networks on these (default: all)")
    p.add_argument("--jobs", type=int, default=1, help="trainings at a time, which share the processors (default %(default)s)")
    p.add_argument("--out", default="training/zoo/RESULTS.md")
    p = command(table, "Write the table from the runs' results.")
    p.add_argument("--runs", default="training/runs/zoo")
    p.add_argument("--out", default="training/zoo/RESULTS.md")
    p = command(bench_networks, "Write full-width, untrained networks for speed figures of engines.")
    p.add_argument("--out", required=True)
    p.add_argument("--graphs", nargs="*", help="DECODER-ENCODER (default unet-resnet18 unet-densenet121)")
    p.add_argument("--side", type=int, default=256)
    p = command(compare, "Run full-width networks by covmap, PyTorch and onnxruntime, and compare the probabilities: untrained ones, or those of --runs.")
    p.add_argument("--covmap", default="covmap", help="the command")
    p.add_argument("--graphs", nargs="*", help="DECODER-ENCODER (default all; CheXNet's graph is DenseNet-121's)")
    p.add_argument("--side", type=int, default=224)
    p.add_argument("--runs", help="folder of trained networks, to be compared on radiographs of the held-out fold")
    p.add_argument("--radiographs", type=int, default=4, help="how many of them (default %(default)s)")
    p.add_argument("--data", default="../shared/data")
    p = command(fixtures, "Write narrow, untrained networks and PyTorch's answers for tests/tests/zoo.rs.")
    p.add_argument("--out", default="tests/fixtures/zoo")
    a = ap.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
