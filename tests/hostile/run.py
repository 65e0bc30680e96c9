"""A corpus of damaged files through Rust, Python and C: no crash, no hang, bounded memory, and every refusal a typed error,
the same one in each language.

run.py COUNT [--stub] [--record]      --stub: with a little network; --record: figures into tests/reliability/hostile.json
"""

import argparse
import collections
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
from native import RELEASE, Installed, run  # noqa: E402

SEED = 20200401
HANG_S = 10
# More for the first answer, which waits for the network too.
START_S = 20
ADDRESS_SPACE = 2 << 30
# A damaged file is at fault itself, or beyond a limit, or has no such frame. Anything else is a finding.
TYPED = {"ok", "Input", "Model", "LimitsExceeded", "Parameter"}


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def watched(command, files):
    """Outcome and seconds per file, and the peak of resident memory in MiB over all processes. One that ends early, or says
    nothing for HANG_S, has found something: the file is named, and another process goes on behind it."""
    outcomes, seconds, peak = [], [], 0
    while len(outcomes) < len(files):
        rest = files[len(outcomes) :]
        with tempfile.TemporaryFile("w+") as paths, tempfile.TemporaryFile() as errors:
            paths.writelines(f"{path}\n" for path in rest)
            paths.seek(0)
            # Unbuffered: what select does not see is not there.
            process = subprocess.Popen(list(map(str, command)), stdin=paths, stdout=subprocess.PIPE, stderr=errors, preexec_fn=limit, bufsize=0)
            fault = None
            for path in rest:
                start = time.monotonic()
                patience = HANG_S + (START_S if path == rest[0] else 0)
                ready, _, _ = select.select([process.stdout], [], [], patience)
                line = process.stdout.readline() if ready else b""
                if not line:
                    fault = "crash" if ready else "hang"
                    break
                outcomes.append(line.decode().strip())
                if path != rest[0]:
                    seconds.append(time.monotonic() - start)
            # Not by Popen, which would take away what wait4 tells.
            if fault:
                os.kill(process.pid, signal.SIGKILL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = max(peak, usage.ru_maxrss / 1024)
            if fault:
                errors.seek(0)
                print(f"{fault}: {command[0]}: {rest[len(outcomes) - len(files)]}: {process.returncode}\n{errors.read()[-2000:].decode(errors='replace')}")
                outcomes.append(fault)
    return outcomes, seconds, peak


def languages(folder):
    program = Installed(folder).compile("gcc", "tests/hostile/hostile.c")
    return {"Rust": [RELEASE / "hostile", "run"], "Python": [sys.executable, TOP / "tests/hostile/analyse.py"], "C": [program]}


def main(count, stub, record, folder):
    corpus = folder / "corpus"
    run(RELEASE / "hostile", "make", corpus, count, SEED)
    model = [corpus / "stub.onnx"] if stub else []
    files = sorted(path for path in corpus.iterdir() if path.name != "stub.onnx")
    assert len(files) == count
    found, figures, faults = {}, {}, 0
    for language, command in languages(folder).items():
        start = time.monotonic()
        outcomes, seconds, peak = watched([*command, *model], files)
        found[language] = outcomes
        counts = dict(sorted(collections.Counter(outcomes).items()))
        figures[language] = {
            "outcomes": counts,
            "crashes": outcomes.count("crash"),
            "hangs": outcomes.count("hang"),
            "untyped": sum(outcome not in TYPED | {"crash", "hang"} for outcome in outcomes),
            "slowest_s": round(max(seconds), 3),
            "peak_mib": round(peak),
        }
        told = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
        print(f"{language}: {count} files in {time.monotonic() - start:.0f} s: {told}; slowest {max(seconds):.2f} s, peak {peak:.0f} MiB")
        for path, outcome in zip(files, outcomes, strict=True):
            if outcome not in TYPED:
                faults += 1
                print(f"{language}: {path.name}: {outcome}")
    for path, *outcomes in zip(files, *found.values(), strict=True):
        if len(set(outcomes)) > 1:
            faults += 1
            print(f"{path.name}: {dict(zip(found, outcomes, strict=True))}")
    kinds = dict(sorted(collections.Counter(path.suffix for path in files).items()))
    if record:
        git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=TOP, check=True)
        report = {
            "subject": "hostile corpus",
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "commit": git.stdout.strip(),
            "files": count,
            "seed": SEED,
            "kinds": kinds,
            "network": "stub" if stub else "bundled",
            "limit_s": HANG_S,
            "limit_address_space_mib": ADDRESS_SPACE >> 20,
            "languages": figures,
            "languages_disagree_on": sum(len(set(outcomes)) > 1 for outcomes in zip(*found.values(), strict=True)),
        }
        (TOP / "tests/reliability/hostile.json").write_text(json.dumps(report, indent=1) + "\n")
    return faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--stub", action="store_true")
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(1 if main(arguments.count, arguments.stub, arguments.record, Path(folder)) else 0)
