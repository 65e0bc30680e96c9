"""Record what 16-bit brain floats change: `python -m training.precision MODEL.onnx F32 BF16 --data DATA`.

F32 and BF16 are folders of `covmap evaluate --precision f32|bf16` with out-of-fold networks on the same patients. Pixel F1, mean lung
Dice and the mean absolute difference of the Brixia estimates go into the metadata of MODEL.onnx (`covmap.bf16`), by which
`--precision auto` decides.
"""
import argparse
import json
import os

import numpy as np
import onnx

from . import catalog, metadata
from .cases import grey


def figures(data, folder, rows):
    """Pixel F1 of the outlined images (each of the same weight) and mean Dice of the lungs in the product's convention."""
    counts, dice = np.zeros(3), []
    for r in rows:
        if r.outlined:
            found, truth = grey(os.path.join(folder, r.id + ".infection.png")) >= 128, catalog.mask(data, r, "infection") > 0
            counts += np.array([(found & truth).mean(), (found & ~truth).mean(), (~found & truth).mean()])
        if r.lung_mask.startswith(catalog.LUNGS):
            found, truth = grey(os.path.join(folder, r.id + ".lung.png")) > 0, catalog.mask(data, r, "lung") > 50
            dice.append(2 * (found & truth).sum() / max(found.sum() + truth.sum(), 1))
    return 2 * counts[0] / (2 * counts[0] + counts[1] + counts[2]), np.mean(dice)


def brixia(folder, row):
    with open(os.path.join(folder, row.id + ".json")) as f:
        return json.load(f)["severity"]["brixia_estimate"]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model")
    ap.add_argument("f32")
    ap.add_argument("bf16")
    ap.add_argument("--data", default="../shared/data")
    a = ap.parse_args()
    both = [{name[:-5] for name in os.listdir(folder) if name.endswith(".json")} for folder in (a.f32, a.bf16)]
    rows = [r for r in catalog.load(a.data) if r.id in both[0] & both[1]]
    (f1, dice), (f1_short, dice_short) = figures(a.data, a.f32, rows), figures(a.data, a.bf16, rows)
    estimates = [(brixia(a.f32, r), brixia(a.bf16, r)) for r in rows]
    change = dict(infection_f1=f1_short - f1, lung_dice=dice_short - dice,
                  brixia=float(np.mean([abs(x - y) for x, y in estimates if x is not None and y is not None])))
    model = onnx.load(a.model)
    metadata.write(model, "bf16", change)
    onnx.save(model, a.model)
    print(f"{len(rows)} images: F1 {f1:.4f} and {f1_short:.4f}, Dice {dice:.4f} and {dice_short:.4f}")
    print(json.dumps(change))


if __name__ == "__main__":
    main()
