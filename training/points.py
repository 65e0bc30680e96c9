"""What early layers of the network add to its Brixia estimates: `python -m training.points MODEL.onnx --data DATA`.

A zone's score is read from the mean of the map over it (`training.calibrate`), which says little about how dense the opacity is. The
features at 1/8 of the input say more: a linear function of them, averaged over the zone, is fitted beside the calibrated curve on the
scored radiographs and their mirror images, and goes into the model as an output `points` of its own. It counts where the map has
something (`RAMP`), so that normal radiographs keep their scores. Scored radiographs of folds that the model excludes take no part.

Most of the scored radiographs have trained the network, and its map knows them better than it will know others. Those that have not
therefore weigh more (`UNSEEN`), and the others have a curve of their own, which is forgotten. The features are read once more with
the encoder's weights rounded to 16 bits: where they move, points must not follow (`ROUNDING`). What covmap rounds besides, the inputs
of convolutions and the points' own weights, moves next to nothing on average.

MODEL.onnx must be calibrated. Its record of what brain floats change is taken out, since it was of other estimates: `training.precision`
comes after. Needs the covmap wheel and onnxruntime.
"""
import argparse

import numpy as np
import onnx
from onnx import helper, numpy_helper

from . import catalog, metadata

FEATURES = ("/net/blocks.3/", "/net/blocks.4/")     # 40 channels each, at 1/8
RAMP = 0.15         # of the map's mean, above the curve's first knot
PENALTY = 10.0      # of the squared weights of standardised features, against squared errors of zone scores
UNSEEN = 4.0        # weight of a radiograph whose patient the network has not trained on
ROUNDING = 100.0    # weight of what rounding changes, squared, against squared errors
SOLVABLE = 1.0      # penalty of the curve that is forgotten: the equations have an answer even where the network trained on all or on none
RIGHT, LEFT = 1, 2
SWAPPED = [3, 4, 5, 0, 1, 2]    # zones in the mirror


def tensors(model):
    """Names of the features' tensors."""
    return [[n.output[0] for n in model.graph.node if n.name.startswith(block)][-1] for block in FEATURES]


def remove(model):
    """Takes the output out of the graph and the metadata: of a model that has it, what was there before, but for the calibration. What brain
    floats change, which was measured of the estimates with these points, goes too."""
    graph = model.graph
    for part in (graph.node, graph.initializer, graph.output):
        for item in [i for i in part if i.name.startswith("points")]:
            part.remove(item)
    metadata.write(model, "outputs", [o for o in metadata.read(model, "outputs") if o["tensor"] != "points"])
    metadata.write(model, "training", {k: v for k, v in metadata.read(model, "training").items() if k != "points_fitted_on"})
    metadata.remove(model, "bf16")


def add(model, weights, bias):
    """The output `points` (1,1,H,W): the sum of a 1x1 convolution of each block's features, each pixel over those of the input that it stands for."""
    remove(model)
    size = metadata.read(model, "input")["size"]
    graph, total = model.graph, None

    def constant(name, value):
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    for i, (name, w) in enumerate(zip(tensors(model), np.split(weights, len(FEATURES)))):
        given = [name, constant(f"points.{i}.weight", w.reshape(1, -1, 1, 1))] + ([constant("points.bias", [bias])] if i == 0 else [])
        graph.node.append(helper.make_node("Conv", given, [f"points.{i}"], f"points.{i}.conv", kernel_shape=[1, 1]))
        if i:
            graph.node.append(helper.make_node("Add", [total, f"points.{i}"], [f"points.{i}.sum"], f"points.{i}.add"))
        total = graph.node[-1].output[0]
    graph.node.append(helper.make_node("Resize", [total, "", constant("points.factor", [1, 1, 8, 8])], ["points"], "points.resize", mode="nearest",
                                       coordinate_transformation_mode="asymmetric", nearest_mode="floor"))
    graph.output.append(helper.make_tensor_value_info("points", onnx.TensorProto.FLOAT, [1, 1, *size]))
    metadata.write(model, "outputs", [*metadata.read(model, "outputs"), dict(tensor="points", channels=["points"], activation="linear")])
    onnx.checker.check_model(model, full_check=True)


def brain_floats(x):
    """Rounded to the nearest of 16 bits."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000).astype(np.uint32).view(np.float32)


def round_weights(model):
    """As covmap does to compute with brain floats: what rounding takes from one weight of a filter is given to its next. That is exact for the
    encoder's convolutions, from which the features come."""
    for w in model.graph.initializer:
        value = numpy_helper.to_array(w)
        if value.ndim == 4 and value.shape[1] > 1 and not w.name.startswith("points"):
            flat = value.astype(np.float32).transpose(0, 2, 3, 1).reshape(len(value), -1)
            owed = np.zeros(len(flat), np.float32)
            for i in range(flat.shape[1]):
                wanted = flat[:, i] + owed
                flat[:, i] = brain_floats(wanted)
                owed = wanted - flat[:, i]
            back = flat.reshape(len(value), *value.shape[2:], value.shape[1]).transpose(0, 3, 1, 2)
            w.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(back.astype(value.dtype)), w.name))
    return model


class Reader:
    """Zone features of radiographs by a model file: what covmap would see, in its own pixels."""

    def __init__(self, path):
        import covmap
        self.covmap = covmap
        self.model = covmap.Model(path)
        self.shape = [1, 1, *self.model.input_size]
        self.sessions = [self.session(onnx.load(path)), self.session(round_weights(onnx.load(path)))]

    def session(self, model):
        import onnxruntime
        del model.graph.output[:]
        model.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors(model))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(model.SerializeToString(), options)

    def zones(self, grey):
        """Of an image: (6,) mean of the map, (6,C) mean features, (6,C) the same with rounded weights; 0 without lung."""
        stages = self.covmap.stages
        prepared = stages.preprocess(self.covmap.Radiograph(grey), self.model)
        answer = stages.network(prepared, self.model, precision="f32")
        lungs = stages.lungs(answer)
        infection = stages.fusion(answer, lungs)
        values = np.array(prepared.values, np.float32).reshape(self.shape)
        labels = lungs.labels
        zone = catalog.zone_map(labels == RIGHT, labels == LEFT)
        centres = [(2 * np.arange(m) + 1) * n // (2 * m) for m, n in zip(answer.infection.shape, labels.shape)]
        sampled = zone[np.ix_(*centres)]
        # Dark margins, which the network is not shown, have no opacity at all.
        shown = [slice(i.min(), i.max() + 1) for i in np.nonzero(answer.infection)]

        def means(session):
            features = np.concatenate(session.run(None, {"radiograph": values}), 1)[0]
            enlarge = self.shape[2] // features.shape[1]
            whole = np.zeros((len(features), *answer.infection.shape), np.float32)
            whole[(slice(None), *shown)] = features.repeat(enlarge, 1).repeat(enlarge, 2)
            return np.nan_to_num(np.stack([catalog.zone_means(sampled, f) for f in whole], 1))
        return np.nan_to_num(catalog.zone_means(zone, infection.pixels / 255)), *(means(s) for s in self.sessions)


def read(path, data, rows):
    """Means (2n,6), features and those of rounded weights (2n,6,C) of the radiographs and of their mirror images, zones as the radiograph has them."""
    reader, found = Reader(path), []
    for step in (1, -1):
        for r in rows:
            order = SWAPPED if step < 0 else slice(None)
            found.append([x[order] for x in reader.zones(catalog.image(data, r)[:, ::step])])
    return tuple(np.stack(x) for x in zip(*found))


def solve(means, features, rounded, scores, trained, knots):
    """Weight of the curve, weights and bias of the points: ridge regression of the zone scores (N,6). `trained` (N,): had a part in training."""
    curve, counts = np.interp(means, *knots).ravel(), np.clip((means.ravel() - knots[0][0]) / RAMP, 0, 1)
    flat, trained = features.reshape(-1, features.shape[-1]), np.repeat(trained, 6)
    mean, deviation = flat.mean(0), flat.std(0) + 1e-6
    design = np.column_stack([curve, counts, trained * curve, counts[:, None] * (flat - mean) / deviation])
    weight = np.where(trained, 1.0, UNSEEN)
    moved = np.column_stack([np.zeros((len(flat), 3)), counts[:, None] * (rounded.reshape(flat.shape) - flat) / deviation])
    penalty = np.diag([0.0, 0.0, SOLVABLE] + [PENALTY] * flat.shape[1]) + ROUNDING * moved.T @ moved
    w = np.linalg.solve(design.T @ (design * weight[:, None]) + penalty, design.T @ (weight * scores.ravel()))
    weights = w[3:] / deviation
    return w[0], weights, w[1] - weights @ mean


def estimate(means, features, knots, curve, weights, bias):
    """As severity.rs."""
    counts = np.clip((means - knots[0][0]) / RAMP, 0, 1)
    return np.clip(np.minimum(curve * np.interp(means, *knots), 3) + counts * (features @ weights + bias), 0, 3)


def fit(path, data, every):
    model = onnx.load(path)
    training, calibration = metadata.read(model, "training"), metadata.read(model, "calibration")
    if "ramp" in calibration["brixia"]:
        raise SystemExit(f"{path} has points already, and the curve that belongs to them: calibrate it again first")
    rows = [r for r in every if r.brixia and not r.no_derivatives and r.fold not in training["folds_excluded"]]
    knots = np.array(calibration["brixia"]["knots"]).T
    means, features, rounded = read(path, data, rows)
    scores, trained = np.array([r.readers for r in rows] * 2), np.array([r.group in training["groups"] for r in rows] * 2)
    curve, weights, bias = solve(means, features, rounded, scores, trained, knots)
    add(model, weights, bias)
    calibration["brixia"] = dict(calibration["brixia"], knots=[[float(x), float(min(max(curve, 0) * y, 3))] for x, y in knots.T], ramp=RAMP)
    metadata.write(model, "calibration", calibration)
    training["points_fitted_on"] = dict(images=len(rows), patients=len({r.group for r in rows}), folds=sorted({r.fold for r in rows}),
                                        images_trained_on=int(trained.sum()) // 2,
                                        zone_mae=float(np.abs(estimate(means, features, knots, curve, weights, bias) - scores).mean()))
    metadata.write(model, "training", training)
    onnx.save(model, path)
    print(f"{path}: {training['points_fitted_on']}, curve x {curve:.2f}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="+", help="calibrated model files, to which the output is added")
    ap.add_argument("--data", default="../shared/data")
    a = ap.parse_args()
    every = catalog.load(a.data)
    for path in a.models:
        fit(path, a.data, every)


if __name__ == "__main__":
    main()
