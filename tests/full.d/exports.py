"""Networks exported by their frameworks (examples/python/export_*.py) answer in covmap as they do at home.

`exports.py SCRIPT INTERPRETER`: the interpreter has the framework; this one has covmap.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import covmap
from covmap import stages

LIMIT = 1e-4

script, interpreter = sys.argv[1:]
with tempfile.TemporaryDirectory() as place:
    folder = Path(place)
    subprocess.run([interpreter, script, folder], check=True)
    model = covmap.Model(folder / "own.onnx")
    worst, images = 0.0, 4
    for seed in range(images):
        image = folder / f"{seed}.png"
        phantom = [str(Path(sys.executable).with_name("covmap")), "phantom", "--out", image, "--size", "256", "--seed", str(seed)]
        subprocess.run(phantom, check=True, stdout=subprocess.DEVNULL)
        prepared = stages.preprocess(covmap.Radiograph(image), model)
        np.save(folder / "input.npy", prepared.values)
        subprocess.run([interpreter, script, folder, "--answer", folder / "input.npy", folder / "output.npy"], check=True)
        theirs = np.load(folder / "output.npy")
        seen = stages.network(prepared, model, precision="f32")
        ours = np.stack([seen.right_lung, seen.left_lung, seen.infection])
        # An answer that says nothing would agree with anything.
        # Phantoms have no dark margins.
        assert ours.shape == theirs.shape and theirs.std() > 0.01, (ours.shape, theirs.shape, theirs.std())
        worst = max(worst, float(np.abs(ours - theirs).max()))
    analysis = covmap.Pipeline(folder / "own.onnx").analyze(image)
    assert analysis.models[0][0] == analysis.to_dict()["model"][0]["name"]
    print(f"{analysis.models[0][0]}, {images} images: covmap's maps and the framework's differ by {worst:.1e} at most (limit {LIMIT})")
    sys.exit(worst > LIMIT)
