"""The `covmap.*` metadata of a model file: how covmap, and whoever looks into the file, knows what it is."""
import glob
import hashlib
import json
import os

import onnx


def read(model, key):
    return json.loads(next(e.value for e in model.metadata_props if e.key == "covmap." + key))


def remove(model, key):
    for entry in [e for e in model.metadata_props if e.key == "covmap." + key]:
        model.metadata_props.remove(entry)


def write(model, key, value):
    remove(model, key)
    model.metadata_props.add(key="covmap." + key, value=value if isinstance(value, str) else json.dumps(value))


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Networks:
    """The networks of a folder by SHA-256, so that every map can be traced to the network that made it."""

    def __init__(self, folder):
        self.by_sha256 = {}
        for path in sorted(glob.glob(os.path.join(folder, "*.onnx"))):
            with open(path, "rb") as f:
                data = f.read()
            model = onnx.load_from_string(data)
            self.by_sha256[hashlib.sha256(data).hexdigest()] = dict(
                file=os.path.basename(path), threshold=read(model, "thresholds")["infection"], training=read(model, "training"),
                calibration=read(model, "calibration") if any(e.key == "covmap.calibration" for e in model.metadata_props) else None)

    def origin(self, maps, row):
        """The network behind a map; refuses maps of unknown networks and of networks that saw the patient."""
        with open(os.path.join(maps, row.id + ".json")) as f:
            models = json.load(f)["model"]
        known = self.by_sha256.get(models[0]["sha256"]) if len(models) == 1 else None
        if not known:
            raise SystemExit(f"{maps}/{row.id}.json was not made by one of the networks")
        if row.group in known["training"]["groups"] or row.fold in known["training"]["folds"]:
            raise SystemExit(f"{known['file']} has seen the patient of {row.id}")
        return known
