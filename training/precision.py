"""Record what 16-bit brain floats change: `python -m training.precision MODEL.onnx F32 BF16 --data DATA`.

F32 and BF16 are folders of `covmap evaluate --precision f32|bf16` with out-of-fold networks on the same patients. Pixel F1, mean lung
Dice and the mean absolute difference of the Brixia estimates go into the metadata of MODEL.onnx (`covmap.bf16`), by which
`--precision auto` decides.
"""
import argparse
import json

import numpy as np
import onnx

from . import cases, catalog, metadata


def figures(found):
    """Pixel F1 of the outlined images (each of the same weight) and mean Dice of the lungs in the product's convention."""
    tp, fp, fn, _ = sum(c.counts for c in found if c.row.outlined)
    lungs = [c.lung_dice for c in found if c.lung_convention == catalog.LUNGS]
    return 2 * tp / (2 * tp + fp + fn), np.mean(lungs)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model")
    ap.add_argument("f32")
    ap.add_argument("bf16")
    ap.add_argument("--data", default="../shared/data")
    a = ap.parse_args()
    rows = catalog.load(a.data)
    long, short = ({c.row.id: c for c in cases.load(a.data, folder, rows)} for folder in (a.f32, a.bf16))
    both = [(long[i], short[i]) for i in long if i in short]
    (f1, dice), (f1_short, dice_short) = (figures(found) for found in zip(*both))
    change = dict(infection_f1=f1_short - f1, lung_dice=dice_short - dice,
                  brixia=float(np.mean([abs(x.brixia - y.brixia) for x, y in both])))
    model = onnx.load(a.model)
    metadata.write(model, "bf16", change)
    onnx.save(model, a.model)
    print(f"{len(both)} images: F1 {f1:.4f} and {f1_short:.4f}, Dice {dice:.4f} and {dice_short:.4f}")
    print(json.dumps(change))


if __name__ == "__main__":
    main()
