"""benches/RESULTS.md from the figures."""
from statistics import median, quantiles

from networks import REFERENCE
from support import ratio, ratios

HEAD = """# covmap and its peers

Written by `benches/peers/run.py`; how it measures is in [peers/README.md](peers/README.md). Ratios are covmap's time over the
peer's, below 1 where covmap is faster. Contestants took turns over several rounds; each ratio is of the medians over all rounds,
and beside it stand those of the single rounds, or where the middle half of them lies. Outputs were compared before anything was timed.
"""
DISTURBED = 0.1
TARGETS_ONE = {"resnet18": {"onnxruntime": 0.9}, "densenet121": {"onnxruntime": 0.9}}
TARGETS_ALL = {"bundled": {"onnxruntime": 0.7, "OpenVINO f32": 0.7}}


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def quiet(r):
    """How far the machine was left to the contestants."""
    took = f"\nOther processes took {r['others']:.0%} of the processors meanwhile"
    took += "." if r["others"] <= DISTURBED else ": **disturbed**."
    told = r.get("processors", {"blocks": 0})
    if told["blocks"]:
        took += f" {told['again']} of {told['blocks']} blocks were taken again: the processors were threads of one core."
    if told.get("kept"):
        took += f" **{told['kept']} blocks are kept though they were so still.**"
    return took + "\n"


def by_round(values):
    return " ".join(f"{v:.2f}" for v in values)


def middle(values):
    """Where the middle half of them lies."""
    low, _, high = quantiles(values, n=4, method="inclusive")
    return f"{low:.2f} to {high:.2f}"


def threads_text(n):
    return "one thread" if n == 1 else f"{n} threads"


class Targets:
    """Rows of the first table, collected while the others are made."""

    def __init__(self):
        self.rows = []

    def at_most(self, what, value, limit, unit=""):
        self.add(what, "at most", value, limit, unit, value <= limit)

    def at_least(self, what, value, limit, unit=""):
        self.add(what, "at least", value, limit, unit, value >= limit)

    def add(self, what, side, value, limit, unit, met):
        digits = 0 if unit in (" ms", " MB") else 2
        self.rows.append([what, f"{side} {limit:.{digits}f}{unit}", f"{value:.{digits}f}{unit}", "yes" if met else "**no**"])


def network(r, targets):
    ours = r["ms"]["covmap"]
    limits = {**TARGETS_ALL.get(r["name"], {}), **(TARGETS_ONE.get(r["name"], {}) if r["threads"] == 1 else {})}
    rows = []
    for engine, ms in r["ms"].items():
        shown = engine if engine != "OpenVINO" else f"OpenVINO by default ({r['precision'][engine]})"
        if engine == "covmap":
            rows.append([shown, f"{median(ms):.1f}", "", "", f"{r['differences'][engine]:.0e}"])
            continue
        difference = f"{r['differences'][engine]:.0e}" if engine in r["differences"] else "compared with"
        rows.append([shown, f"{median(ms):.1f}", f"{ratio(ours, ms):.2f}", middle(ratios(ours, ms)), difference])
        if engine == "OpenVINO" and r["name"] == "bundled":
            targets.at_most(f"{r['name']}, {threads_text(r['threads'])}: covmap at --precision auto / OpenVINO by default ({r['precision'][engine]})", ratio(r["ms"]["covmap auto"], ms), 0.9)
        if engine in limits:
            targets.at_most(f"{r['name']}, {threads_text(r['threads'])}, f32: covmap / {engine}", ratio(ours, ms), limits[engine])
    return (f"### {r['name']}, {threads_text(r['threads'])}\n\n"
            + table(["engine", "ms", "covmap / it", "half of the rounds", "probability differs by"], rows) + quiet(r))


def pair(r, unit="ms"):
    """Rows of covmap and Python."""
    ours, theirs = r["covmap"], r["Python"]
    return [["covmap", f"{median(ours):.0f}", "", ""], ["Python", f"{median(theirs):.0f}", f"{ratio(ours, theirs):.2f}", by_round(ratios(ours, theirs))]]


def warm(r, targets):
    targets.at_most("3000 x 3000 DICOM, warm, one thread: covmap / Python", ratio(r["ms"]["covmap"], r["ms"]["Python"]), 0.5)
    stages = [[stage, f"{ms:.0f}"] for stage, ms in r["python_stages_ms"].items()]
    return ("### A 3000 x 3000 DICOM, warm, one thread\n\n" + table(["", "ms an image", "covmap / it", "by round"], pair(r["ms"]))
            + agreement(r) + "\nWhere Python's time goes:\n\n" + table(["stage", "ms"], stages))


def cold(r, targets):
    targets.at_most("3000 x 3000 DICOM, cold: covmap / Python", ratio(r["ms"]["covmap"], r["ms"]["Python"]), 0.2)
    targets.at_most("peak memory, 3000 x 3000 DICOM", median(r["megabytes"]["covmap"]), 120, " MB")
    rows = [[*row, f"{median(r['megabytes'][row[0]]):.0f}"] for row in pair(r["ms"])]
    return ("### The same as one command, cold\n\nWall time of the process, files in the page cache, both with their default number of threads.\n\n"
            + table(["", "ms", "covmap / it", "by round", "peak memory, MB"], rows) + agreement(r))


def batch(r, targets):
    n, all_ = r["images"], r["threads"]
    one, many, python = (r["ms"][k] for k in ("covmap, 1 thread(s)", f"covmap, {all_} thread(s)", "Python"))
    targets.at_least(f"batch, covmap on {all_} threads: times one thread", ratio(one, many), 1.9)
    targets.at_least(f"batch, {all_} threads: covmap's throughput over Python's", ratio(python, many), 1.5)
    speed = lambda ms: f"{1e3 * n / median(ms):.1f}"    # noqa: E731
    rows = [["covmap, one thread", speed(one), f"{ratio(one, many):.2f}", by_round(ratios(one, many))],
            [f"covmap, {all_} threads", speed(many), "", ""],
            [f"Python, {all_} {r['python_workers']}", speed(python), f"{ratio(python, many):.2f}", by_round(ratios(python, many))]]
    kinds = ", ".join(f"{kind} {ms / r['part']:.1f} ms an image" for kind, ms in r["python_workers_ms"].items())
    return (f"### A batch of {n} radiographs of 512 x 512\n\ncovmap's time includes loading, Python's does not. Of Python's two ways the faster "
            f"one was taken ({kinds}).\n\n" + table(["", "images a second", f"covmap on {all_} threads is faster by", "by round"], rows) + agreement(r))


def start(r, targets):
    targets.at_most("loading the bundled model until ready", median(r["load_ms"]), 60, " ms")
    targets.at_most("peak memory, 512 x 512 PNG", median(r["megabytes"]), 120, " MB")
    rows = [[f"`covmap {command}`", f"{median(ms):.1f}"] for command, ms in r["ms"].items()]
    return ("### Start\n\nLoading is the median difference of both, in turn; `inspect` builds all that a run needs.\n\n" + table(["command", "ms"], rows)
            + f"\nLoading takes {median(r['load_ms']):.1f} ms; a run on a 512 x 512 PNG peaks at {median(r['megabytes']):.0f} MB.\n" + quiet(r))


def agreement(r):
    return (f"\nBoth found the same: infected shares differ by at most {100 * r['agreement']['share']:.4f} points; "
            f"Python's pictures have {r['agreement']['bytes']:.2f} of covmap's bytes.\n" + quiet(r))


def write(path, figures):
    targets, networks_, jobs = Targets(), [], []
    parts = [r for name, value in figures.items() if isinstance(value, list) for r in value]
    order = {"bundled": 0}
    for r in sorted(parts, key=lambda r: (order.get(r["name"], 1), r["name"], r["threads"])):
        networks_.append(network(r, targets))
    for name, section in (("warm", warm), ("cold", cold), ("batch", batch), ("start", start)):
        if name in figures:
            jobs.append(section(figures[name], targets))
    machine = table(["", ""], figures.get("machine", {}).items())
    page = [HEAD, "## Targets\n", table(["what", "target", "measured", "met"], targets.rows), "## Machine\n", machine,
            f"## The network alone\n\nf32 unless said otherwise; one image of 256 x 256. `{REFERENCE}` is tract alone.\n", *networks_, "## The whole job\n", *jobs]
    with open(path, "w") as f:
        f.write("\n".join(page))
