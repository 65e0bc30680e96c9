"""All comparisons in one command: measures, and writes benches/RESULTS.md.

    python benches/peers/run.py --covmap target/release/covmap resnet18=unet_resnet18.onnx densenet121=unet_densenet121.onnx
"""
import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys

import results
from support import HERE, PROCESSORS, output, write_json

PIPELINE = ["warm", "cold", "batch", "start"]


def stretches(a):
    """Name and command of everything that is timed, each by itself short."""
    def program(name, *arguments):
        return [sys.executable, os.path.join(HERE, name), *map(str, arguments), "--covmap", a.covmap]
    yield "machine", program("machine.py")
    for name, file in (("bundled", None), *(n.split("=", 1) for n in a.networks)):
        source = [f"{name}={file}"] if file else ["--bundled"]
        for threads in sorted({1, PROCESSORS}):
            yield f"{name}-{threads}", program("networks.py", *source, "--threads", threads, "--rounds", 3 * a.rounds, "--block", a.block)
    for part in PIPELINE:
        yield part, program("pipeline.py", part, "--scratch", a.scratch, "--rounds", a.rounds if part != "batch" else min(a.rounds, 3))


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NAME=FILE", help="networks beside the bundled one; targets are known for resnet18 and densenet121")
    parser.add_argument("--covmap", default="target/release/covmap", help="the command to measure (default %(default)s)")
    parser.add_argument("--scratch", default="target/peers", help="folder for inputs, results and figures (default %(default)s)")
    parser.add_argument("--images", type=int, default=200, help="radiographs of a batch (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default %(default)s; of a network three times as many, of the batch at most 3)")
    parser.add_argument("--block", type=float, default=0.3, help="seconds of a block of runs of a network, about (default %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="PART", help="measure these parts alone (machine, NETWORK-THREADS, warm, cold, batch, start)")
    parser.add_argument("--under", default="", metavar="COMMAND", help="run every timed stretch under this command, such as one that quiets the machine")
    parser.add_argument("--out", default=os.path.join(os.path.dirname(HERE), "RESULTS.md"), help="(default %(default)s)")
    a = parser.parse_args()
    figures, binary = os.path.join(a.scratch, "figures"), digest(a.covmap)
    todo = [(name, command) for name, command in stretches(a) if not a.only or name in a.only]
    if any(name in PIPELINE for name, _ in todo):
        output(sys.executable, os.path.join(HERE, "pipeline.py"), "prepare", "--covmap", a.covmap, "--scratch", a.scratch, "--images", a.images)
    for name, command in todo:
        print(f"== {name}", flush=True)
        file = os.path.join(figures, name + ".json")
        subprocess.run([*shlex.split(a.under), *command, "--json", file], check=True)
        with open(file) as f:
            write_json(file, {"binary": binary, "figures": json.load(f)})
    results.write(a.out, load(figures, binary))
    print(a.out)


def load(folder, binary):
    """Figures by part; those of another binary must not mix in."""
    figures = {}
    for file in sorted(os.listdir(folder)):
        with open(os.path.join(folder, file)) as f:
            part = json.load(f)
        if part["binary"] == binary:
            figures[file.removesuffix(".json")] = part["figures"]
        else:
            print(f"{file} is of another binary: left out")
    return figures


if __name__ == "__main__":
    main()
