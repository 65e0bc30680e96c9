"""What the quality flags catch: `python -m training.quality --covmap PATH --data DATA` writes training/QUALITY.md.

Runs `covmap analyze` over unaltered radiographs (every flag is a false one), altered ones (turned, inverted, cropped,
shrunk) and foreign images (phantoms, noise, blank and natural pictures that the installed scikit-image and matplotlib ship).
All altered images are made in a temporary folder and deleted. The default network is the one that has not seen fold 0, on
radiographs of fold 0, so that the flags which depend on the lungs are seen as they are on new patients.
"""
import argparse
import collections
import glob
import importlib.util
import json
import os
import subprocess
import tempfile

import numpy as np
from PIL import Image, ImageOps

from . import catalog
from .metadata import sha256
from .report import table

# What is done to a radiograph, and whether a flag is due.
ALTERED = {
    "turned by 90 degrees": (lambda im: im.transpose(Image.Transpose.ROTATE_90), True),
    "turned by 180 degrees": (lambda im: im.transpose(Image.Transpose.ROTATE_180), True),
    "inverted": (ImageOps.invert, True),
    "upper third alone": (lambda im: im.crop((0, 0, im.width, im.height // 3)), True),
    "lower half alone": (lambda im: im.crop((0, im.height // 2, im.width, im.height)), True),
    "one side alone": (lambda im: im.crop((0, 0, im.width // 2, im.height)), True),
    "middle quarter alone": (lambda im: im.crop((im.width // 4, im.height // 4, 3 * im.width // 4, 3 * im.height // 4)), True),
    "shrunk to 96 pixels": (lambda im: im.resize((96, 96), Image.Resampling.BILINEAR), True),
    "mirrored": (ImageOps.mirror, True),
    "turned by 10 degrees": (lambda im: im.rotate(10, Image.Resampling.BILINEAR), False),
    "border of a fifth added": (lambda im: ImageOps.expand(im, (im.width // 5, im.height // 5)), False),
}


def natural():
    """Pictures that installed packages ship: (name, path)."""
    found = []
    for package, pattern in (("skimage", "data/*.png"), ("skimage", "data/*.jpg"), ("matplotlib", "mpl-data/sample_data/*.jpg"), ("matplotlib", "mpl-data/sample_data/*.png")):
        spec = importlib.util.find_spec(package)
        if spec:
            found += sorted(glob.glob(os.path.join(spec.submodule_search_locations[0], pattern)))
    return found


def make(a, rows, folder):
    """kind -> (folder of images, whether a flag is due)."""
    kinds = {}

    def kind(name, due):
        kinds[name] = (os.path.join(folder, name.replace(" ", "-")), due)
        os.makedirs(kinds[name][0])
        return kinds[name][0]

    to = kind("unaltered radiographs", False)
    for r in rows[:a.images]:
        catalog_image(a.data, r).save(os.path.join(to, r.id + ".png"))
    step = max(1, len(rows) // a.altered)
    for name, (change, due) in ALTERED.items():
        to = kind(name, due)
        for r in rows[::step][:a.altered]:
            change(catalog_image(a.data, r)).save(os.path.join(to, r.id + ".png"))
    to = kind("phantoms", False)
    for seed in range(a.phantoms):
        subprocess.run([a.covmap, "phantom", "--out", os.path.join(to, f"phantom{seed}.png"), "--size", "512", "--seed", str(seed)], check=True, stdout=subprocess.DEVNULL)
    for mask in glob.glob(os.path.join(to, "*.lung.png")) + glob.glob(os.path.join(to, "*.infection.png")):
        os.remove(mask)
    rng, to = np.random.default_rng(0), kind("noise", True)
    for i in range(20):
        coarse = Image.fromarray(rng.integers(0, 256, (512 >> i % 6, 512 >> i % 6), np.uint8))
        coarse.resize((512, 512), Image.Resampling.BICUBIC).save(os.path.join(to, f"noise{i}.png"))
    to = kind("blank", True)
    for level in range(0, 256, 51):
        Image.new("L", (512, 512), level).save(os.path.join(to, f"blank{level}.png"))
    colour, to = kind("photographs and drawings, as shipped", True), kind("photographs and drawings, grey", True)
    for path in natural():
        picture, name = Image.open(path).convert("RGB"), os.path.splitext(os.path.basename(path))[0] + ".png"
        picture.save(os.path.join(colour, name))
        picture.convert("L").save(os.path.join(to, name))
    return kinds


def catalog_image(data, row):
    return Image.fromarray(catalog.image(data, row))


def analyse(a, folder, out):
    """(images, refused, [flags of each analysed image])."""
    subprocess.run([a.covmap, "analyze", folder, "--model", a.model, "--out", out, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    flags = []
    for path in glob.glob(os.path.join(out, "*.json")):
        if os.path.basename(path) != "run.json":
            with open(path) as f:
                flags.append(json.load(f)["quality"]["flags"])
    n = len(os.listdir(folder))
    return n, n - len(flags), flags


def line(name, due, n, refused, flags):
    count = collections.Counter(f for x in flags for f in x)
    caught = refused + sum(bool(x) for x in flags)
    share = lambda k: f"{100 * k / n:.1f} % ({k})" if n else "-"
    told = ", ".join(f"{f} {k}" for f, k in count.most_common())
    return [name, str(n), "yes" if due else "no", share(refused), share(caught), told or "-"]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--covmap", default="target/release/covmap")
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--model", default="training/folds/fold0.onnx", help="(default: %(default)s)")
    ap.add_argument("--fold", type=int, default=0, help="fold that the model has not seen (default: %(default)s)")
    ap.add_argument("--images", type=int, default=300, help="unaltered radiographs (default: %(default)s)")
    ap.add_argument("--altered", type=int, default=50, help="radiographs of each alteration (default: %(default)s)")
    ap.add_argument("--phantoms", type=int, default=20)
    ap.add_argument("--out", default="training/QUALITY.md")
    a = ap.parse_args()
    rows = [r for r in catalog.load(a.data) if r.fold == a.fold]
    order = np.random.default_rng(0).permutation(len(rows))
    rows = [rows[i] for i in order]
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (images, due) in make(a, rows, os.path.join(folder, "images")).items():
            lines.append(line(name, due, *analyse(a, images, os.path.join(folder, "results", os.path.basename(images)))))
            print(" | ".join(lines[-1]), flush=True)
    version = subprocess.run([a.covmap, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    with open(a.out, "w") as f:
        f.write(f"""# What the quality flags catch

Generated by `python -m training.quality` with {version} and {os.path.basename(a.model)} ({sha256(a.model)[:12]}) on radiographs of fold {a.fold}, which
that network has not seen. *Due* says whether an image of this kind should be flagged or refused: where it should not be, the
share is that of false flags. A flag is a reason to doubt the result; images without any are not thereby good. What carries
no sign of itself in the picture (a mirrored radiograph without its letters) can't be flagged.

""" + table(["images", "number", "due", "refused", "refused or flagged", "flags (images)"], lines))


if __name__ == "__main__":
    main()
