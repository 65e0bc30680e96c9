"""What an early layer of the network adds to its Brixia estimates: `python -m training.points fit MODEL.onnx --data DATA`.

A zone's score is read from the mean of the map over it (`training.calibrate`), which says little about how dense the opacity is. The
features at 1/8 of the input say more: a linear function of them, averaged over the zone, is fitted beside the calibrated curve on the
scored radiographs and their mirror images, and goes into the model as an output `points` of its own. It counts where the map has
something (`RAMP`), so that normal radiographs keep their scores. Scored radiographs of folds that the model excludes take no part.

MODEL.onnx must be calibrated. Needs the covmap wheel and onnxruntime.
"""
import argparse

import numpy as np
import onnx
from onnx import helper, numpy_helper

from . import catalog, metadata

FEATURES = "/net/blocks.4/"     # 40 channels at 1/8
RAMP = 0.15         # of the map's mean, above the curve's first knot
PENALTY = 20.0      # of the squared weights of standardised features, against squared errors of zone scores
RIGHT, LEFT = 1, 2
SWAPPED = [3, 4, 5, 0, 1, 2]    # zones in the mirror


def tensor(model):
    """Name of the features' tensor."""
    return [n.output[0] for n in model.graph.node if n.name.startswith(FEATURES)][-1]


def remove(model):
    """Takes the output out of the graph and the description: of a model that has it, what was there before, but for the calibration."""
    graph = model.graph
    for part in (graph.node, graph.initializer, graph.output):
        for item in [i for i in part if i.name.startswith("points")]:
            part.remove(item)
    metadata.write(model, "outputs", [o for o in metadata.read(model, "outputs") if o["tensor"] != "points"])


def add(model, weights, bias):
    """The output `points` (1,1,H,W): a 1x1 convolution of the features, each of its pixels over those of the input that it stands for."""
    remove(model)
    size = metadata.read(model, "input")["size"]
    graph = model.graph
    factor = np.array([1, 1, 8, 8], np.float32)
    graph.initializer.extend([numpy_helper.from_array(weights.astype(np.float32).reshape(1, -1, 1, 1), "points.weight"),
                              numpy_helper.from_array(np.array([bias], np.float32), "points.bias"), numpy_helper.from_array(factor, "points.factor")])
    graph.node.extend([helper.make_node("Conv", [tensor(model), "points.weight", "points.bias"], ["points.coarse"], "points.conv", kernel_shape=[1, 1]),
                       helper.make_node("Resize", ["points.coarse", "", "points.factor"], ["points"], "points.resize", mode="nearest",
                                        coordinate_transformation_mode="asymmetric", nearest_mode="floor")])
    graph.output.append(helper.make_tensor_value_info("points", onnx.TensorProto.FLOAT, [1, 1, *size]))
    metadata.write(model, "outputs", [*metadata.read(model, "outputs"), dict(tensor="points", channels=["points"], activation="linear")])
    onnx.checker.check_model(model, full_check=True)


class Reader:
    """Zone features of radiographs by a model file: what covmap would see, in its own pixels."""

    def __init__(self, path):
        import covmap
        import onnxruntime
        self.covmap = covmap
        self.model, onnx_model = covmap.Model(path), onnx.load(path)
        name = tensor(onnx_model)
        onnx_model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(onnx_model.SerializeToString(), options)
        self.name, self.shape = name, [1, 1, *self.model.input_size]

    def zones(self, grey):
        """Of an image: (6,) mean of the map, (6,C) mean features; 0 without lung."""
        stages = self.covmap.stages
        prepared = stages.preprocess(self.covmap.Radiograph(grey), self.model)
        seen = stages.network(prepared, self.model, precision="f32")
        lungs = stages.lungs(seen)
        infection = stages.fusion(seen, lungs)
        values = np.array(prepared.values, np.float32).reshape(self.shape)
        features = self.session.run([self.name], {"radiograph": values})[0][0]
        # Dark margins, which the network is not shown, have no opacity at all.
        shown = np.nonzero(seen.infection)
        whole = np.full((len(features), *seen.infection.shape), 0, np.float32)
        enlarge = self.shape[2] // features.shape[1]
        whole[:, shown[0].min():shown[0].max() + 1, shown[1].min():shown[1].max() + 1] = features.repeat(enlarge, 1).repeat(enlarge, 2)
        labels = lungs.labels
        zone = catalog.zone_map(labels == RIGHT, labels == LEFT)
        centres = [(2 * np.arange(m) + 1) * n // (2 * m) for m, n in zip(seen.infection.shape, labels.shape)]
        sampled = zone[np.ix_(*centres)]
        means = np.stack([catalog.zone_means(sampled, f) for f in whole], 1)
        return np.nan_to_num(catalog.zone_means(zone, infection.pixels / 255)), np.nan_to_num(means)


def read(path, data, rows):
    """Means (2n,6) and features (2n,6,C) of the radiographs and of their mirror images, zones as the radiograph has them."""
    reader, found = Reader(path), []
    for step in (1, -1):
        for r in rows:
            mean, features = reader.zones(catalog.image(data, r)[:, ::step])
            order = SWAPPED if step < 0 else slice(None)
            found.append((mean[order], features[order]))
    return tuple(np.stack(x) for x in zip(*found))


def solve(means, features, scores, knots):
    """Weight of the curve, weights and bias of the points: ridge regression of the zone scores (N,6)."""
    curve, counts = np.interp(means, *knots).ravel(), np.clip((means.ravel() - knots[0][0]) / RAMP, 0, 1)
    flat = features.reshape(-1, features.shape[-1])
    mean, deviation = flat.mean(0), flat.std(0) + 1e-6
    design = np.column_stack([curve, counts, counts[:, None] * (flat - mean) / deviation])
    penalty = np.diag([0.0, 0.0] + [PENALTY] * flat.shape[1])
    w = np.linalg.solve(design.T @ design + penalty, design.T @ scores.ravel())
    weights = w[2:] / deviation
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
    means, features = read(path, data, rows)
    scores = np.array([r.readers for r in rows] * 2)
    curve, weights, bias = solve(means, features, scores, knots)
    add(model, weights, bias)
    calibration["brixia"] = dict(calibration["brixia"], knots=[[float(x), float(min(max(curve, 0) * y, 3))] for x, y in knots.T], ramp=RAMP)
    metadata.write(model, "calibration", calibration)
    training["points_fitted_on"] = dict(images=len(rows), patients=len({r.group for r in rows}), folds=sorted({r.fold for r in rows}),
                                        zone_mae=float(np.abs(estimate(means, features, knots, curve, weights, bias) - scores).mean()))
    metadata.write(model, "training", training)
    onnx.save(model, path)
    print(f"{path}: {training['points_fitted_on']}, curve x {curve:.2f}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = ap.add_subparsers(dest="what", required=True)
    p = what.add_parser("fit", help="add the output, or renew it after a calibration")
    p.add_argument("models", nargs="+")
    p.add_argument("--data", default="../shared/data")
    a = ap.parse_args()
    every = catalog.load(a.data)
    for path in a.models:
        fit(path, a.data, every)


if __name__ == "__main__":
    main()
