"""The paper's model zoo: `python -m training.zoo COMMAND --help`."""
import argparse


def bench_networks(a):
    from . import bench
    bench.write(a.out)


def main():
    ap = argparse.ArgumentParser(prog="python -m training.zoo", description=__doc__)
    commands = ap.add_subparsers(required=True)

    def command(name, run, about):
        p = commands.add_parser(name, help=about, description=about)
        p.set_defaults(run=run)
        return p

    p = command("bench-networks", bench_networks, "write full-width, untrained networks for speed figures of engines")
    p.add_argument("--out", required=True)
    a = ap.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
