"""Masks that readers decided on become a labelled folder to train on: `python -m training.adopt MASKS --data DATA --out FOLDER`.

MASKS is one reader's folder, or consensus/, of what `covmap annotate --export` wrote: lung/ID.png, infection/ID.png. FOLDER is DATA
with those masks in place of its own, and nothing copied: `python -m training.train --data FOLDER` trains on it, then the new network
proposes for the rest (`covmap annotate --models`).
"""
import argparse
import csv
import os

from . import catalog

KINDS = {"lung": catalog.LUNGS, "infection": "reader"}


def adopt(masks, data, out):
    """Returns the number of masks taken, by kind. Ids that DATA does not know are refused."""
    rows = catalog.load(data)
    known = {r.id for r in rows}
    taken = {kind: sorted(n.removesuffix(".png") for n in os.listdir(os.path.join(masks, kind))) if os.path.isdir(os.path.join(masks, kind)) else []
             for kind in KINDS}
    strange = {i for ids in taken.values() for i in ids} - known
    if strange:
        raise SystemExit(f"{data} has no radiographs {', '.join(sorted(strange)[:5])}: only those of the catalogue can be trained on")
    link(os.path.join(data, "images"), os.path.join(out, "images"))
    for kind, ids in taken.items():
        for i in sorted({r.id for r in rows if os.path.exists(os.path.join(data, kind, r.id + ".png"))} | set(ids)):
            link(os.path.join(masks if i in ids else data, kind, i + ".png"), os.path.join(out, kind, i + ".png"))
    with open(os.path.join(out, "catalog.csv"), "w", newline="") as f:
        writer = csv.DictWriter(f, rows[0].text)
        writer.writeheader()
        for r in rows:
            own = {f"{kind}_mask": convention for kind, convention in KINDS.items() if r.id in taken[kind]}
            writer.writerow(r.text | own)
    return {kind: len(ids) for kind, ids in taken.items()}


def link(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.lexists(target):
        os.remove(target)
    os.symlink(os.path.abspath(source), target)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("masks")
    ap.add_argument("--data", required=True)
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    print(", ".join(f"{n} {kind} masks" for kind, n in adopt(a.masks, a.data, a.out).items()), "in", a.out)


if __name__ == "__main__":
    main()
