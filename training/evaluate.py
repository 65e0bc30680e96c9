"""Every figure of RESULTS.md and MODEL_CARD.md from the committed weights:

    python -m training.evaluate --covmap target/release/covmap --data DATA

Each network analyses the fold that it has not seen; the five outputs go into one folder and are scored as one. Then the
same with the lungs, all but the lungs, and the border hidden (each costs two analyses; --occlude-every takes a part of the
patients). Steps whose network, command and data have not changed since they were finished are skipped, so that
a run which was cut off goes on where it stopped.
"""
import argparse
import csv
import glob
import json
import os
import subprocess
import sys
import time

from . import card, catalog, report
from .files import write_json
from .metadata import sha256

PARTS = ("lungs", "outside", "border")


def sample(rows, every):
    """Every `every`-th group of each source and finding, in the order of their names."""
    kinds = {}
    for r in sorted(rows, key=lambda r: r.group):
        kinds.setdefault((r.source, r.finding), {})[r.group] = None
    chosen = {g for groups in kinds.values() for g in list(groups)[::every]}
    return [r for r in rows if r.group in chosen]


def view(data, rows, folder):
    """A labelled folder of these rows alone, its images and masks linked."""
    os.makedirs(folder, exist_ok=True)
    for kind in ("images", "lung", "infection"):
        link = os.path.join(folder, kind)
        if not os.path.lexists(link):
            os.symlink(os.path.abspath(os.path.join(data, kind)), link)
    with open(os.path.join(folder, "catalog.csv"), "w", newline="") as f:
        out = csv.DictWriter(f, rows[0].text.keys())
        out.writeheader()
        out.writerows(r.text for r in rows)
    return folder


class Steps:
    """What is finished, and from what it was made."""

    def __init__(self, path):
        self.path, self.done = path, {}
        if os.path.exists(path):
            with open(path) as f:
                self.done = json.load(f)

    def run(self, name, made_from, work):
        if self.done.get(name) == made_from:
            return print(f"{name}: finished before", flush=True)
        start = time.time()
        work()
        self.done[name] = made_from
        write_json(self.path, self.done)
        print(f"{name}: {time.time() - start:.0f} s", flush=True)


def drop_overlays(folder):
    """Nothing here reads them, and they show radiographs."""
    for picture in glob.glob(os.path.join(folder, "*.overlay.png")):
        os.remove(picture)


def call(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\nexit status {done.returncode}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--covmap", default="target/release/covmap", help="the command (default: %(default)s)")
    ap.add_argument("--data", default="../shared/data", help="the labelled folder (default: %(default)s)")
    ap.add_argument("--score", default="../shared/tools/score.py", help="(default: %(default)s)")
    ap.add_argument("--networks", default="training/folds", help="folder of fold0.onnx to fold4.onnx (default: %(default)s)")
    ap.add_argument("--bundled", default="covmap-core/model/covmap.onnx", help="the model that the card describes (default: %(default)s)")
    ap.add_argument("--out", default="out/evaluate", help="folder for maps and scores; holds no overlays (default: %(default)s)")
    ap.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    ap.add_argument("--occlude-every", type=int, default=1, metavar="N", help="hide parts in one patient group of N, to save time (default: %(default)s, all)")
    ap.add_argument("--report", default="training", help="folder for RESULTS.md, results.json, MODEL_CARD.md and figures/ (default: %(default)s)")
    a = ap.parse_args()
    rows = [r for r in catalog.load(a.data) if r.fold in a.folds]
    os.makedirs(a.out, exist_ok=True)
    steps = Steps(os.path.join(a.out, "done.json"))
    version = subprocess.run([a.covmap, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    command = f"{version} {sha256(a.covmap)[:12]}"
    data = sha256(os.path.join(a.data, "catalog.csv"))[:12]
    hidden = view(a.data, sample(rows, a.occlude_every), os.path.join(a.out, "data-hidden"))

    made_from = {}
    for k in a.folds:
        network = os.path.join(a.networks, f"fold{k}.onnx")
        made_from[k] = [command, sha256(network), data]

        def evaluate(folder, source, *more):
            out = os.path.join(a.out, folder)
            call([a.covmap, "evaluate", "--data", source, "--split", f"fold={k}", "--model", network, "--out", out, "--quiet", *more])
            drop_overlays(out)
        steps.run(f"maps of fold {k}", made_from[k], lambda: evaluate("maps", a.data))
        for part in PARTS:
            steps.run(f"fold {k}, {part} hidden", [*made_from[k], a.occlude_every], lambda: evaluate(part, hidden, "--occlude", part))

    scores = {}
    for name, folds in (("pooled", a.folds), ("chosen", [k for k in a.folds if k]), ("confirmed", [k for k in a.folds if not k])):
        if not folds or (name == "chosen" and folds == a.folds):
            continue
        scores[name] = os.path.join(a.out, f"score-{name}.json")
        of = view(a.data, [r for r in rows if r.fold in folds], os.path.join(a.out, f"data-{name}"))
        steps.run(f"score, {name}", [made_from[k] for k in folds],
                  lambda: call([sys.executable, a.score, of, os.path.join(a.out, "maps"), "--json", scores[name]]))

    results = report.write(a.data, rows, sample(rows, a.occlude_every), a.out, scores, a.networks, a.report,
                           dict(command=version, folds=a.folds, occlude_every=a.occlude_every, catalog_sha256=data))
    card.write(results, a.data, a.bundled, os.path.join(a.report, "MODEL_CARD.md"))


if __name__ == "__main__":
    main()
