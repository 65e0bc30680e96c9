"""The whole job: covmap's command against the same job in Python (radiograph_job.py), on phantoms.

    warm   a 3000 x 3000 DICOM, again and again in one process, one thread: ms an image
    cold   the same as one command: wall time and peak memory of the process
    batch  small radiographs in one process, on two threads and on one: ms a batch
    start  until the bundled model is ready

`prepare` writes the inputs and must come first. Nothing is timed unless both find the same in them.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

from support import HERE, Others, Worker, in_rounds, in_whole_rounds, measured, output, serve, write_json

AGREEMENT = 0.005       # largest difference of the infected share
SIZES = 0.1             # largest relative difference of the pictures' bytes
LARGE, SMALL = 3000, 512
COPIES = 4              # of the large radiograph in a warm round
WORKERS = 2             # of a batch
PICTURES = (".overlay.png", ".infection.png", ".lung.png")


def prepare(a):
    """Inputs in `a.scratch`: a large DICOM under several names, small PNG radiographs, and the network for the peer."""
    large, small = (fresh(a, d) for d in ("large", "small"))
    first = os.path.join(large, "0.dcm")
    output(a.covmap, "phantom", "--dicom", "--size", LARGE, "--out", first)
    for name in os.listdir(large):
        if not name.endswith(".dcm"):
            os.remove(os.path.join(large, name))
    for i in range(1, COPIES):
        os.link(first, os.path.join(large, f"{i}.dcm"))
    masks = fresh(a, "masks")
    for seed in range(a.images):
        path = os.path.join(masks, f"{seed}.png")
        output(a.covmap, "phantom", "--size", SMALL, "--seed", seed, "--out", path)
        os.rename(path, os.path.join(small, f"{seed}.png"))
    shutil.rmtree(masks)
    output(a.covmap, "model", "extract", "--out", model(a))


def fresh(a, name):
    path = os.path.join(a.scratch, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def model(a):
    return os.path.join(a.scratch, "bundled.onnx")


def inputs(a, name):
    folder = os.path.join(a.scratch, name)
    return [os.path.join(folder, f) for f in sorted(os.listdir(folder))]


def analyze(a, paths, *options):
    """covmap on many inputs: run.json."""
    out = os.path.join(a.scratch, "covmap")
    output(a.covmap, "analyze", *paths, "--out", out, "--quiet", *options)
    with open(os.path.join(out, "run.json")) as f:
        return json.load(f)


def agreement(a, paths):
    """How far the results of both lie apart: the largest difference of the share, the ratio of the pictures' bytes. Ours are
    in f32, as the peer's are: what brain floats change is measured where the model is made."""
    analyze(a, paths, "--precision", "f32")

    def of(who, path, ending):
        return os.path.join(a.scratch, who, os.path.splitext(os.path.basename(path))[0] + ending)

    def share(who, path):
        with open(of(who, path, ".json")) as f:
            return json.load(f)["infection"]["share"]
    apart = max(abs(share("covmap", p) - share("peer", p)) for p in paths)
    ours, theirs = (sum(os.path.getsize(of(who, p, e)) for p in paths for e in PICTURES) for who in ("covmap", "peer"))
    if not apart <= AGREEMENT or not abs(theirs / ours - 1) <= SIZES:
        raise SystemExit(f"infected shares differ by {apart:.4f}, the peer's pictures have {theirs / ours:.3f} of covmap's bytes: no times are quoted")
    return {"share": apart, "bytes": theirs / ours}


def peer(a):
    """Serves the Python job: lists of files, on one thread or several workers."""
    from radiograph_job import Job
    out = os.path.join(a.scratch, "peer")
    os.makedirs(out, exist_ok=True)
    job = Job(model(a), threads=1)
    pools = {"threads": ThreadPoolExecutor(WORKERS),
             "processes": ProcessPoolExecutor(WORKERS, get_context("spawn"), initializer=start_job, initargs=(model(a), out))}

    def answer(paths, workers=None):
        began = time.perf_counter()
        if workers == "processes":
            list(pools[workers].map(one, paths, chunksize=4))
        elif workers == "threads":
            list(pools[workers].map(lambda p: job.run(p, out), paths))
        else:
            return [job.run(p, out) for p in paths]
        return 1e3 * (time.perf_counter() - began)
    serve(answer)
    for pool in pools.values():
        pool.shutdown()


def start_job(model, out):
    from radiograph_job import Job
    global one_job
    one_job = Job(model, threads=1), out


def one(path):
    job, out = one_job
    job.run(path, out)


def python_job(a):
    return Worker(os.path.join(HERE, "pipeline.py"), "serve", "--scratch", a.scratch)


def warm(a):
    paths, stages = inputs(a, "large"), []
    with python_job(a) as python:
        python.ask(paths=paths)
        agrees = agreement(a, paths)

        def theirs():
            runs = python.ask(paths=paths)
            stages.extend(runs)
            return statistics.median(sum(run.values()) for run in runs)

        def ours():
            # The first file of a process pays for fresh memory.
            return statistics.median(f["ms"] for f in analyze(a, paths, "--threads", 1)["files"][1:])
        rounds = in_rounds(a.rounds, {"covmap": ours, "Python": theirs})
    by_stage = {s: statistics.median(run[s] for run in stages) for s in stages[0]}
    return {"ms": rounds, "agreement": agrees, "python_stages_ms": by_stage}


def cold(a):
    path = inputs(a, "large")[0]
    commands = {
        "covmap": (a.covmap, "analyze", path, "--out", os.path.join(a.scratch, "covmap"), "--quiet"),
        "Python": (sys.executable, os.path.join(HERE, "radiograph_job.py"), model(a), path, "--out", os.path.join(a.scratch, "peer")),
    }
    for command in commands.values():
        measured(*command)
    agrees = agreement(a, [path])
    rounds, processors = in_whole_rounds(a.rounds, {who: lambda c=c: measured(*c) for who, c in commands.items()})
    return {"ms": {who: [ms for ms, _ in r] for who, r in rounds.items()}, "megabytes": {who: [mb for _, mb in r] for who, r in rounds.items()},
            "agreement": agrees, "processors": processors}


def batch(a):
    paths = inputs(a, "small")
    with python_job(a) as python:
        # The faster way to use several processors in Python, found on a part of the batch that also warms it up.
        part = paths[:len(paths) // 4 + 1]
        kinds = {kind: min(python.ask(paths=part, workers=kind) for _ in range(2)) for kind in ("threads", "processes")}
        faster = min(kinds, key=kinds.get)
        agrees = agreement(a, part)
        ours = {f"covmap, {n} thread(s)": lambda n=n: analyze(a, paths, "--threads", n)["ms"] for n in (1, WORKERS)}
        rounds, processors = in_whole_rounds(a.rounds, {**ours, "Python": lambda: python.ask(paths=paths, workers=faster)})
    return {"ms": rounds, "images": len(paths), "threads": WORKERS, "python_workers": faster, "python_workers_ms": kinds, "part": len(part),
            "agreement": agrees, "processors": processors}


def start(a):
    def wall(*command):
        return lambda: measured(a.covmap, *command)[0]
    ready, empty = "model inspect", "--version"
    wall("model", "inspect")()
    rounds = in_rounds(4 * a.rounds, {ready: wall("model", "inspect"), empty: wall("--version")})
    small = inputs(a, "small")[0]
    memory = [measured(a.covmap, "analyze", small, "--out", os.path.join(a.scratch, "covmap"), "--quiet")[1] for _ in range(a.rounds)]
    return {"ms": rounds, "load_ms": [r - e for r, e in zip(rounds[ready], rounds[empty])], "megabytes": memory}


PARTS = {"warm": warm, "cold": cold, "batch": batch, "start": start}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["prepare", *PARTS, "serve"])
    parser.add_argument("--covmap", default="target/release/covmap", help="the command to measure (default %(default)s)")
    parser.add_argument("--scratch", default="target/peers", help="folder for inputs and results (default %(default)s)")
    parser.add_argument("--images", type=int, default=200, help="small radiographs to prepare (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="write the figures here")
    a = parser.parse_args()
    if a.part == "prepare":
        return prepare(a)
    if a.part == "serve":
        return peer(a)
    others = Others()
    result = PARTS[a.part](a)
    result["others"] = others.share()
    print(json.dumps(result, indent=1))
    write_json(a.json, result)


if __name__ == "__main__":
    main()
