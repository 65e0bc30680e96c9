"""The figures beyond score.py's: occlusion, sources, views, readers, grades, operating points and the worst cases."""
import json
import os

import numpy as np

from . import bootstrap, cases, catalog, metadata
from .bootstrap import figure
from .cases import FINDINGS

# How much worse than the second radiologist still counts as not inferior: fixed before the networks were scored.
MARGINS = {"brixia.global.r": 0.05, "brixia.global.mae": 0.5, "brixia.zone.mae": 0.05}
PARTS = {"nothing": "maps", "lungs": "lungs", "all but the lungs": "outside", "border": "border"}
GRADES = ("none", "mild", "moderate", "severe")
BANDS_IN_WORDS = "none below 1, mild below 7.5, moderate below 11.5, else severe."


def grade(score):
    """As severity.rs grades; `grades` checks that it still does."""
    return 0 if score < 1 else 1 if score < 7.5 else 2 if score < 11.5 else 3


def of(cs, finding):
    return [c for c in cs if c.row.finding == finding]


def groups(cs):
    return np.array([c.row.group for c in cs])


def mean(cs, value):
    return figure(groups(cs), bootstrap.mean([value(c) for c in cs]))


def auc(cs, value):
    """COVID-19 against the rest of `cs`."""
    if len({c.row.finding == "covid" for c in cs}) < 2:
        return None
    return figure(groups(cs), bootstrap.auc([value(c) for c in cs], [c.row.finding == "covid" for c in cs]))


def pixel_f1(cs):
    tp, fp, fn, _ = np.array([c.counts for c in cs]).T
    return figure(groups(cs), bootstrap.ratio(2 * tp, 2 * tp + fp + fn))


def probability(c):
    return c.probability


def aspect(c):
    return c.aspect


def comparisons(cs):
    """name -> cases whose detection figures are quoted."""
    out = {f"covid_vs_{other}": of(cs, "covid") + of(cs, other) for other in FINDINGS[1:]}
    out["within_cohen.covid_vs_rest"] = [c for f in FINDINGS for c in of(cs, f) if c.row.source == "cohen"]
    return out


def occlusion(data, out, rows):
    """part -> figures on `rows` with that part hidden, and how far they lie from the same images with nothing hidden."""
    table, plain = {}, None
    for part, folder in PARTS.items():
        cs = cases.load(data, os.path.join(out, folder), rows, labels=False)
        if plain and len(cs) != len(plain):
            raise SystemExit(f"{out}/{folder} has {len(cs)} of {len(plain)} images")
        plain = plain or cs
        entry = {}
        for name, chosen in comparisons(cs).items():
            entry[f"detection.auc.{name}"] = auc(chosen, probability)
            entry[f"detection.auc_of_aspect_ratio_alone.{name}"] = auc(chosen, aspect)
            if cs is not plain and entry[f"detection.auc.{name}"]:
                covid = [c.row.finding == "covid" for c in chosen]
                before = comparisons(plain)[name]
                stat = bootstrap.difference(*(bootstrap.auc([c.probability for c in x], covid) for x in (chosen, before)))
                entry[f"detection.auc.{name}.minus_nothing_hidden"] = figure(groups(chosen), stat)
        for f in FINDINGS:
            entry[f"detection.positive_rate.{f}"] = mean(of(cs, f), lambda c: c.positive)
            entry[f"infection.mean_in_lungs.{f}"] = mean(of(cs, f), lambda c: c.mean)
        table[part] = entry
    return table


def readers(score):
    """The estimate beside the second radiologist, with a verdict from the interval of the paired difference."""
    out = {}
    for name, margin in MARGINS.items():
        f = score["figures"]
        if name not in f:
            continue
        d = f[f"{name}.minus_second_radiologist"]
        low, high = (d["low"], d["high"]) if "mae" in name else (-d["high"], -d["low"])     # positive is worse
        verdict = "better" if high < 0 else "not inferior" if high <= margin else "inferior" if low > 0 else "undecided"
        out[name] = dict(model=f[name], second=f[f"{name}.second_radiologist"], difference=d, margin=margin, verdict=verdict)
    return out


def grades(cs):
    for c in cs:
        if c.grade and GRADES[grade(c.brixia)] != c.grade:
            raise SystemExit(f"{c.row.id}: severity.rs grades {c.brixia} as {c.grade}, figures.grade as {GRADES[grade(c.brixia)]}")
    scored = [c for c in cs if c.senior]
    model, senior, junior = ([grade(x(c)) for c in scored] for x in (lambda c: c.brixia, lambda c: sum(c.senior), lambda c: sum(c.junior)))
    kappas = [bootstrap.kappa(x, senior, 4) for x in (model, junior)]
    confusion = np.zeros((4, 4), int)
    np.add.at(confusion, (senior, model), 1)
    count = {f: np.bincount([GRADES.index(c.grade) for c in of(cs, f) if c.grade], minlength=4).tolist() for f in FINDINGS}
    return dict(kappa=figure(groups(scored), kappas[0]), kappa_second=figure(groups(scored), kappas[1]),
                kappa_difference=figure(groups(scored), bootstrap.difference(*kappas)), confusion=confusion.tolist(), count=count)


def subgroup(cs):
    """Figures of one source or view: name -> figure, empty ones left out."""
    lungs = [c for c in cs if c.lung_convention == catalog.LUNGS]
    outlined, scored = [c for c in cs if c.inside is not None], [c for c in cs if c.senior]
    out = {"lung Dice": mean(lungs, lambda c: c.lung_dice), "opacity, pixel F1": pixel_f1(outlined) if outlined else None,
           "opacity, Dice": mean(outlined, lambda c: c.dice), "false share on normals": mean(of(cs, "normal"), lambda c: c.marked),
           "Brixia global MAE": mean(scored, lambda c: abs(c.brixia - sum(c.senior))),
           "Brixia zone MAE": mean(scored, lambda c: np.abs(np.subtract(c.estimate, c.senior)).mean())}
    out.update({f"positive of {f}": mean(of(cs, f), lambda c: c.positive) for f in FINDINGS})
    return {k: v for k, v in out.items() if v and v["n"]}


def by(cs, key):
    return {name: subgroup([c for c in cs if key(c) == name]) for name in sorted({key(c) for c in cs})}


def detection_by_source(cs):
    """Each source's images of one finding against all of the opposite finding: AUC, and that of the aspect ratio alone."""
    out = {}
    for source in sorted({c.row.source for c in cs}):
        for f in FINDINGS:
            here = [c for c in of(cs, f) if c.row.source == source]
            against = "normal" if f == "covid" else "covid"
            if len({c.row.group for c in here}) >= 10:
                both = here + of(cs, against)
                out[f"{source} {f} against {against} of all"] = dict(auc=auc(both, probability), aspect=auc(both, aspect))
    inside = comparisons(cs)["within_cohen.covid_vs_rest"]
    if auc(inside, probability):
        out["within cohen: covid against the rest"] = dict(auc=auc(inside, probability), aspect=auc(inside, aspect))
    return out


def operating_points(cs, networks):
    """What the two operating points give on unseen patients; each network has its own thresholds."""
    out = {}
    for point in ("sensitivity95", "specificity95"):
        positive = lambda c: c.probability >= networks.by_sha256[c.model]["calibration"]["detection"][point]
        out[point] = {f: mean(of(cs, f), positive) for f in FINDINGS}
    return out


def worst(cs, n=6):
    outlined, scored = [c for c in cs if c.inside is not None], [c for c in cs if c.senior]
    tell = lambda c: dict(id=c.row.id, source=c.row.source, view=c.row.text["view"] or "view not stated", finding=c.row.finding,
                          fold=c.row.fold, flags=c.flags, lung_dice=c.lung_dice)
    return dict(
        dice=[dict(tell(c), dice=c.dice, outlined=c.inside.sum(), marked=c.counts[:2].sum()) for c in sorted(outlined, key=lambda c: c.dice)[:n]],
        false_share=[dict(tell(c), marked=c.marked, share=c.share, probability=c.probability) for c in sorted(of(cs, "normal"), key=lambda c: -c.marked)[:n]],
        brixia=[dict(tell(c), estimate=c.brixia, senior=sum(c.senior), junior=sum(c.junior)) for c in sorted(scored, key=lambda c: -abs(c.brixia - sum(c.senior)))[:n]])


def compute(data, rows, hidden, out, scores, networks, run):
    """(results for RESULTS.md and MODEL_CARD.md, cases for the plots)."""
    known, cs = metadata.Networks(networks), cases.load(data, os.path.join(out, "maps"), rows)
    for c in cs:
        known.origin(os.path.join(out, "maps"), c.row)
    score = {}
    for name, path in scores.items():
        with open(path) as f:
            score[name] = json.load(f)
    used = {c.model for c in cs}
    models = [dict(sha256=s, file=m["file"], threshold=m["threshold"], images=m["training"]["images"], calibrated_on=m["training"].get("calibrated_on"))
              for s, m in known.by_sha256.items() if s in used]
    results = dict(run=dict(run, images=len(cs), hidden_images=len(hidden), networks=models), score=score, readers=readers(score["pooled"]), grades=grades(cs),
                   sources=by(cs, lambda c: c.row.source), views=by(cs, lambda c: c.row.text["view"] or "not stated"),
                   detection_by_source=detection_by_source(cs), operating_points=operating_points(cs, known),
                   occlusion=occlusion(data, out, hidden), worst=worst(cs))
    return results, cs
