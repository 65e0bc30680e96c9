"""The network alone: covmap, onnxruntime and OpenVINO on the same ONNX file, in turn, over several rounds.

First all of them run the same random input; nothing is timed unless they agree. Every figure is the median of a block of runs.
"""
import argparse
import json
import os
import statistics
import tempfile

import numpy as np

from support import HERE, PROCESSORS, Others, Worker, in_rounds, in_whole_rounds, output, ratio, serve, times_of, write_json

TOLERANCE = 1e-3    # largest difference of a pixel's probability, f32 to f32
REFERENCE = "covmap reference"
AUTO = "covmap auto"     # the precision that covmap chooses itself
PEERS = ["onnxruntime", "OpenVINO f32", "OpenVINO"]
# An engine's own choice of precision may be bf16: its difference is told, not judged.
INEXACT = ["OpenVINO", AUTO]


def onnxruntime_run(model, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})


def openvino_run(model, threads, **hints):
    import openvino
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, **hints}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    request, precision = compiled.create_infer_request(), compiled.get_property("INFERENCE_PRECISION_HINT").to_string()

    def run(x):
        answer = request.infer([x], share_inputs=True, share_outputs=True)
        return [answer[i] for i in range(len(answer))]
    return run, precision


def peer(engine, model, threads):
    """Serves one engine: the median time of a block of runs, and the precision used. Can save the outputs."""
    precision = "f32"
    if engine == "onnxruntime":
        run = onnxruntime_run(model, threads)
    else:
        run, precision = openvino_run(model, threads, **({"INFERENCE_PRECISION_HINT": "f32"} if engine == "OpenVINO f32" else {}))

    def answer(input, shape, runs, save=None):
        x = np.fromfile(input, "<f4").reshape(shape)
        if save:
            np.concatenate([np.ravel(y) for y in run(x)]).astype("<f4").tofile(save)
        return {"ms": statistics.median(times_of(lambda: run(x), runs)), "precision": precision}
    serve(answer)


def description(model):
    """Input shape; activation and number of values of each output."""
    import onnxruntime
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    known = {o["tensor"]: o["activation"] for o in json.loads(session.get_modelmeta().custom_metadata_map["covmap.outputs"])}
    sizes = [(known[o.name], int(np.prod(o.shape))) for o in session.get_outputs()]
    return session.get_inputs()[0].shape, sizes


def probabilities(path, sizes):
    y, parts = np.fromfile(path, "<f4").astype(np.float64), []
    if y.size != sum(n for _, n in sizes):
        raise SystemExit(f"{y.size} output values, not {sum(n for _, n in sizes)}")
    for activation, n in sizes:
        part, y = y[:n], y[n:]
        parts.append(1 / (1 + np.exp(-part)) if activation == "logit" else part)
    return np.concatenate(parts)


def compare(name, model, threads, a, scratch):
    """The figures of one network at one number of threads."""
    others = Others()
    shape, sizes = description(model)
    image, answer = os.path.join(scratch, "x.f32"), os.path.join(scratch, "y.f32")
    np.random.default_rng(1).standard_normal(shape).astype("<f4").tofile(image)

    def covmap(engine, runs, *more, exactly="f32"):
        return lambda: bench(a.covmap, model, threads, engine, runs, "--precision", exactly, "--input", image, *more)

    def worker(engine):
        return Worker(os.path.join(HERE, "networks.py"), model, "--serve", engine, "--threads", threads)

    with worker(PEERS[0]) as ort, worker(PEERS[1]) as f32, worker(PEERS[2]) as free:
        peers = dict(zip(PEERS, (ort, f32, free)))
        outputs, block, precision = {}, {}, {}
        for engine, option, exactly in (("covmap", "auto", "f32"), (AUTO, "auto", "auto"), (REFERENCE, "reference", "f32")):
            block[engine] = covmap(option, 1, "--output", answer, exactly=exactly)()
            outputs[engine] = probabilities(answer, sizes)
        for engine, w in peers.items():
            w.ask(input=image, shape=shape, runs=2)
            asked = w.ask(input=image, shape=shape, runs=1, save=answer)
            block[engine], precision[engine] = asked["ms"], asked["precision"]
            outputs[engine] = probabilities(answer, sizes)
        differences = {e: float(np.abs(y - outputs[PEERS[0]]).max()) for e, y in outputs.items() if e != PEERS[0]}
        for engine, d in differences.items():
            if not d <= TOLERANCE and engine not in INEXACT:
                raise SystemExit(f"{name}: {engine} differs from onnxruntime by {d:.1e} in probability: no times are quoted")
        # covmap bench warms up by three runs of its own; a worker by two, since it stays loaded.
        runs = runs_of(block["covmap"], a.block)
        contestants = {"covmap": covmap("auto", runs), AUTO: covmap("auto", runs, exactly="auto"), REFERENCE: covmap("reference", 1)}
        for engine, w in peers.items():
            runs = runs_of(block[engine], a.block)

            def timed(w=w, runs=runs):
                w.ask(input=image, shape=shape, runs=2)
                return w.ask(input=image, shape=shape, runs=runs)["ms"]
            contestants[engine] = timed
        if threads > 1:
            rounds, processors = in_whole_rounds(a.rounds, contestants)
        else:
            rounds, processors = in_rounds(a.rounds, contestants), {"blocks": 0}
    return {"name": name, "threads": threads, "ms": rounds, "processors": processors,
            "differences": differences, "precision": precision, "others": others.share(),
            "range": [float(outputs["covmap"].min()), float(outputs["covmap"].max())]}


def runs_of(ms, block):
    return max(3, min(100, round(1e3 * block / ms)))


def bench(covmap, model, threads, engine, runs, *more):
    text = output(covmap, "model", "bench", model, "--threads", threads, "--engine", engine, "--runs", runs, "--json", *more)
    return json.loads(text)["median_ms"]


def arguments(parser):
    parser.add_argument("--covmap", default="target/release/covmap", help="the command to measure (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--block", type=float, default=0.3, help="seconds of a block of runs, about (default %(default)s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="NAME=FILE", help="ONNX files (NAME= may be left out)")
    parser.add_argument("--bundled", action="store_true", help="also the bundled network, extracted with f32 weights")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, PROCESSORS}))
    parser.add_argument("--json", metavar="FILE", help="write the figures here")
    parser.add_argument("--serve", metavar="ENGINE", help=argparse.SUPPRESS)
    arguments(parser)
    a = parser.parse_args()
    if a.serve:
        return peer(a.serve, a.models[0], a.threads[0])
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        models = [m.split("=", 1) if "=" in m else (os.path.splitext(os.path.basename(m))[0], m) for m in a.models]
        if a.bundled:
            bundled = os.path.join(scratch, "bundled.onnx")
            output(a.covmap, "model", "extract", "--out", bundled)
            models.insert(0, ("bundled", bundled))
        for name, model in models:
            for threads in a.threads:
                result = compare(name, model, threads, a, scratch)
                results.append(result)
                report(result)
    write_json(a.json, results)


def report(r):
    print(f"{r['name']}, {r['threads']} thread(s); probabilities {r['range'][0]:.3f} to {r['range'][1]:.3f}; others took {r['others']:.0%}")
    ours = r["ms"]["covmap"]
    for engine, ms in r["ms"].items():
        print(f"  {engine:<17} median {statistics.median(ms):8.1f} ms   covmap / it {ratio(ours, ms):.2f}   "
              f"by round {' '.join(f'{o / t:.2f}' for o, t in zip(ours, ms))}   differs by {r['differences'].get(engine, 0):.1e}", flush=True)


if __name__ == "__main__":
    main()
