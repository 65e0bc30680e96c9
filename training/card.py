"""MODEL_CARD.md from card.template.md, the figures in results.json, the catalogue and the bundled model's metadata.

`training.evaluate` calls this; `python -m training.card --data DATA` writes the card again from training/results.json.
"""
import argparse
import collections
import hashlib
import json
import os
import string

import onnx

import numpy as np

from . import catalog, figures, metadata
from .report import VERDICTS, number, table

SHOWN = {"lung.dice.mean.lungs_with_retrocardiac": "lungs, Dice (mean)", "infection.pixel.f1": "opacity, pixel F1 on outlined radiographs",
         "infection.dice.mean": "opacity, Dice (mean)", "infection.pixel.sensitivity": "opacity, pixel sensitivity", "infection.pixel.precision": "opacity, pixel precision",
         "infection.false_share.on_normals": "share of the image marked on normals", "brixia.global.r": "Brixia, Pearson's r with the senior reader",
         "brixia.global.mae": "Brixia, mean absolute error of 18", "brixia.zone.mae": "Brixia zone, mean absolute error of 3", "extent.r": "infected share and extent score, Pearson's r",
         "detection.auc.covid_vs_normal": "detection, AUC covid against normal", "detection.auc_of_aspect_ratio_alone.covid_vs_normal": "the same from the aspect ratio alone",
         "detection.sensitivity": "detection, sensitivity", "detection.specificity.normal": "detection, specificity on normals",
         "detection.specificity.other_pneumonia": "detection, specificity on other pneumonia"}


def licence_kind(text):
    """What a publisher's terms allow, by their wording."""
    words = text.upper().replace("-", " ").replace("/", " ").split()
    if not words:
        return "not stated"
    if "ND" in words:
        return "NoDerivatives"
    if "NC" in words:
        return "NonCommercial"
    permissive = {"CC0", "PUBLIC"} & set(words) or (words[:2] == ["CC", "BY"] and "SA" not in words)
    return "permissive" if permissive else "unclear"


def trained_on(rows, training):
    """The images that `train.pools` chose for a model that saw these groups."""
    groups = set(training["groups"])
    unlabelled = any("unlabelled" in t.get("counts", {}) for t in (training, training.get("before", {})))
    return [r for r in rows if r.group in groups and not r.no_derivatives
            and (r.outlined or r.finding == "normal" or r.lung_mask.startswith(catalog.LUNGS) or (unlabelled and r.unlabelled))]


def labels(rows):
    return [len(rows), sum(r.outlined for r in rows), sum(bool(r.brixia) for r in rows), sum(r.lung_mask.startswith(catalog.LUNGS) for r in rows),
            sum(r.finding == "normal" for r in rows)]


def counts(rows, key, name):
    kinds = collections.defaultdict(list)
    for r in rows:
        kinds[key(r)].append(r)
    return table([name, "images", "outlined", "Brixia scored", "lung masks", "normals"],
                 [[k, *map(str, labels(v))] for k, v in sorted(kinds.items(), key=lambda kv: -len(kv[1]))])


def percent(x):
    return f"{100 * x:.1f} %"


def where(case):
    flags = f", flagged {', '.join(case['flags'])}" if case["flags"] else ""
    lungs = f", lungs Dice {case['lung_dice']:.2f}" if case["lung_dice"] is not None else ""
    return f"`{case['id']}` ({case['source']}, {case['finding']}, {case['view']}, fold {case['fold']}{lungs}{flags})"


def dice_words(c):
    ratio = c["marked"] / c["outlined"] if c["outlined"] else np.inf     # outlined by a reader who found nothing
    kind = "nothing is marked" if c["marked"] == 0 else "most is missed" if ratio < 0.5 else "far more is marked" if ratio > 2 else "about as much is marked, partly elsewhere"
    return f"- {where(c)}: Dice {c['dice']:.2f}; {percent(c['outlined'])} of the image is outlined, {percent(c['marked'])} marked: {kind}."


def false_words(c):
    return f"- {where(c)}: {percent(c['marked'])} of the image and {percent(c['share'])} of the lungs are marked; detection probability {c['probability']:.2f}."


def brixia_words(c):
    kind = "over" if c["estimate"] > c["senior"] else "under"
    return (f"- {where(c)}: estimate {c['estimate']:.1f}, {kind} the senior reader's {c['senior']:.0f} by {abs(c['estimate'] - c['senior']):.1f}; "
            f"the second radiologist said {c['junior']:.0f}.")


def subgroups(results):
    out = []
    for what in ("sources", "views"):
        names = [n for n in ("lung Dice", "opacity, pixel F1", "Brixia global MAE", "false share on normals", "positive of covid", "positive of normal")
                 if any(n in e for e in results[what].values())]
        out.append(table([what[:-1], *names], [[k, *(number(e.get(n), digits=3) for n in names)] for k, e in results[what].items()]))
    return "\n".join(out)


def occlusion(o):
    auc, rate = "detection.auc.covid_vs_normal", "detection.positive_rate.covid"
    text = table(["hidden", "AUC covid against normal", "called positive: covid", "normal", "other pneumonia"],
                 [[part, number(e[auc], digits=3, n=False), *(number(e[f"detection.positive_rate.{f}"], digits=3, n=False) for f in figures.FINDINGS)] for part, e in o.items()])
    low = o["lungs"][auc]["low"]
    if low is None:
        return text
    lesson = ("something outside the lungs, or the shape of what is hidden, still tells the two apart: a part of the detection does not come from the lungs"
              if low > 0.5 else "what is left outside the lungs does not tell the two apart beyond chance")
    return text + (f"\nWith the lungs hidden the AUC is {number(o['lungs'][auc], digits=3, n=False)}: {lesson}. "
                   f"{percent(o['lungs'][rate]['value'])} of COVID-19 images are then still called positive.")


def trained_sentence(rows, training):
    text = f"{len(rows)} chest radiographs of {len({r.group for r in rows})} patients of open collections."
    if len(rows) != training["images"]:
        text += f" (The model's own record counts {training['images']}.)"
    return text


def calibrated(training):
    c = training.get("calibrated_on")
    if not c:
        return "nothing: this model has no calibration."
    text = (f"{c['images']} radiographs with Brixia scores, and {c['covid']} of COVID-19 and {c['normal']} normals"
            + (f"; maps: {c['maps']}." if "maps" in c else "."))
    p = training.get("points_fitted_on")
    return text + (f" The points were fitted on {p['images']} scored radiographs of {p['patients']} patients, {p['images_trained_on']} of which had trained the network." if p else "")


def write(results, data, bundled, path):
    rows, model = catalog.load(data), onnx.load(bundled)
    training, size = metadata.read(model, "training"), metadata.read(model, "input")["size"]
    used, usable = trained_on(rows, training), [r for r in rows if licence_kind(r.license) == "permissive"]
    score = results["score"]["pooled"]["figures"]
    everything, permissive = (dict(zip(("images", "outlined", "scored", "lungs", "normals"), labels(x))) for x in (rows, usable))
    shortcut, within = (score.get(f"detection.{n}") for n in ("auc_of_aspect_ratio_alone.covid_vs_normal", "auc.within_cohen.covid_vs_rest"))
    with open(bundled, "rb") as f:
        data = f.read()
    fields = dict(
        name=next(e.value for e in model.metadata_props if e.key == "covmap.name"), size=" x ".join(map(str, size)), gmac=f"{training['macs'] / 1e9:.2f}",
        megabytes=f"{len(data) / 1e6:.1f}", sha256=hashlib.sha256(data).hexdigest()[:16], trained_sentence=trained_sentence(used, training),
        no_derivatives=sum(r.no_derivatives for r in rows), trained_sources=counts(used, lambda r: r.source, "source"),
        trained_licences=counts(used, lambda r: f"{r.license.strip() or 'not stated'} ({r.source})", "licence"), calibrated=calibrated(training),
        figures=table(["figure", "pooled out of fold [95 % interval]", "fold 0 (confirmation)"],
                      [[text, *(number(results["score"].get(k, {"figures": {}})["figures"].get(n)) for k in ("pooled", "confirmed"))] for n, text in SHOWN.items() if n in score]),
        readers="".join(f"- `{n}`: {VERDICTS[e['verdict']]} (difference {number(e['difference'], n=False)}, margin {e['margin']:g}).\n" for n, e in results["readers"].items()),
        subgroups=subgroups(results), occlusion=occlusion(results["occlusion"]), grade_bands=figures.BANDS_IN_WORDS,
        grades=f"Agreement with the senior reader's grade (quadratic kappa): covmap {number(results['grades']['kappa'])}, second radiologist {number(results['grades']['kappa_second'], n=False)}.",
        worst_dice="\n".join(map(dice_words, results["worst"]["dice"])), worst_false="\n".join(map(false_words, results["worst"]["false_share"])),
        worst_brixia="\n".join(map(brixia_words, results["worst"]["brixia"])),
        shortcut=f"The image's aspect ratio alone tells them apart with AUC {number(shortcut, n=False)}. Detection figures overstate what would be seen in one hospital." if shortcut else "",
        within_cohen=number(within),
        **{f"permissive_{k}": v for k, v in permissive.items()}, **{f"all_{k}": v for k, v in everything.items()})
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "card.template.md")) as f:
        template = string.Template(f.read())
    with open(path, "w") as f:
        f.write(template.substitute(fields))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--bundled", default="covmap-core/model/covmap.onnx")
    ap.add_argument("--results", default="training/results.json")
    ap.add_argument("--out", default="training/MODEL_CARD.md")
    a = ap.parse_args()
    with open(a.results) as f:
        write(json.load(f), a.data, a.bundled, a.out)


if __name__ == "__main__":
    main()
