"""Masks of several networks for every radiograph of a folder: `python -m training.propose WORKSPACE RADIOGRAPHS --model A.onnx --model B.onnx`.

Runs `covmap analyze` once a model and leaves its masks as proposals. Without --model the bundled model proposes; `--model bundled`
names it beside others. Radiographs that a model has seen already are not analysed again.
"""
import argparse
import json
import os
import re
import subprocess

import numpy as np

from .files import replace
from .workspace import Workspace, png, read


def analyse(covmap, folder, model, out):
    """What `covmap analyze` recorded of its run (run.json)."""
    command = [covmap, "analyze", folder, "--recursive", "--resume", "--quiet", "--out", out]
    code = subprocess.run(command + (["--model", model] if model != "bundled" else [])).returncode
    if code not in (0, 1):      # 1: some radiographs failed, the others are fine
        raise SystemExit(f"{covmap} ended with {code}")
    with open(os.path.join(out, "run.json")) as f:
        return json.load(f)


def identity(stem):
    """A case's id from the place of its results: unsafe characters, folders among them, become a hyphen."""
    return re.sub("^[^A-Za-z0-9]+", "", re.sub("[^A-Za-z0-9._-]", "-", stem))


def propose(workspace, folder, models, covmap="covmap"):
    """Returns (cases with a proposal, inputs that failed)."""
    rows, failed, seen = workspace.cases(), [], set()
    for model in models:
        out = workspace.path("analyses", identity(os.path.basename(model)))
        run = analyse(covmap, folder, model, out)
        sha8 = run["models"][0]["sha256"][:8]
        for file in run["files"]:
            if file["status"] != "ok":
                failed.append(file["input"])
                continue
            # Results mirror the folder of radiographs; their recorded place is an old one where the workspace has been moved.
            name = next(os.path.basename(o) for o in file["outputs"] if o.endswith(".json")).removesuffix(".json")
            place = os.path.join(os.path.dirname(os.path.relpath(file["input"], folder)), name)
            case, stem = identity(place), os.path.join(out, place)
            known = rows.setdefault(case, dict(id=case, sha256=file["sha256"], disagreement=""))
            if known["sha256"] != file["sha256"]:
                raise SystemExit(f"{file['input']}: another radiograph is called {case} already")
            infection = read(stem + ".infection.png")
            known.update(file=os.path.relpath(file["input"], workspace.folder), width=infection.shape[1], height=infection.shape[0])
            os.makedirs(workspace.path("proposals", case), exist_ok=True)
            replace(workspace.proposal_path(case, sha8, "infection"), png(infection >= 128))
            lung = read(stem + ".lung.png")
            if lung.any():      # a model without lungs leaves an empty mask
                replace(workspace.proposal_path(case, sha8, "lung"), png(np.array([0, 100, 200])[lung]))
            seen.add(case)
        workspace.save_cases(rows.values())
    return sorted(seen), failed


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("workspace")
    ap.add_argument("radiographs", help="folder")
    ap.add_argument("--model", action="append", default=[], metavar="FILE", help="ONNX file, or `bundled`")
    ap.add_argument("--covmap", default="covmap", help="the command")
    a = ap.parse_args()
    cases, failed = propose(Workspace(a.workspace), a.radiographs, a.model or ["bundled"], a.covmap)
    print(f"{len(cases)} cases with proposals in {a.workspace}")
    if failed:
        raise SystemExit("not analysed: " + ", ".join(sorted(set(failed))))


if __name__ == "__main__":
    main()
