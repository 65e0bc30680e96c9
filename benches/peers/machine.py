"""What the figures were taken on: processor, memory, kernel, versions, and what one core can multiply."""
import argparse
import glob
import hashlib
import os
import platform

for library in ("OPENBLAS", "MKL", "OMP"):
    os.environ[library + "_NUM_THREADS"] = "1"

from importlib.metadata import version  # noqa: E402

import numpy as np  # noqa: E402

from support import PROCESSORS, output, times_of, write_json  # noqa: E402

PACKAGES = ["onnxruntime", "openvino", "opencv-python-headless", "numpy", "pillow", "pydicom"]
EXTENSIONS = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile"]
SIDE = 2048


def text(path):
    with open(path) as f:
        return f.read().strip()


def processor():
    lines = [line.split(":", 1) for line in text("/proc/cpuinfo").split("\n\n")[0].splitlines()]
    return {key.strip(): value.strip() for key, value in lines}


def caches():
    for folder in sorted(glob.glob("/sys/devices/system/cpu/cpu0/cache/index*")):
        level, kind, size, shared = (text(os.path.join(folder, f)) for f in ("level", "type", "size", "shared_cpu_list"))
        letter = {"Data": "d", "Instruction": "i"}.get(kind, "")
        yield f"L{level}{letter} {size} (processors {shared})"


def sgemm_gflops():
    """One thread of numpy's sgemm, the best of some runs."""
    a, b = (np.random.default_rng(i).standard_normal((SIDE, SIDE), np.float32) for i in (0, 1))
    return 2 * SIDE ** 3 / 1e6 / min(times_of(lambda: a @ b, 8))


def describe(covmap):
    cpu = processor()
    flags = cpu.get("flags", "").split()
    with open(covmap, "rb") as f:
        sha256 = hashlib.sha256(f.read()).hexdigest()
    return {
        "processor": f"{cpu.get('model name', platform.machine())}, family {cpu.get('cpu family')} model {cpu.get('model')} "
                     f"stepping {cpu.get('stepping')}" + (", virtual machine" if "hypervisor" in flags else ""),
        "extensions": " ".join(e for e in EXTENSIONS if e in flags),
        "processors": PROCESSORS,
        "caches": ", ".join(caches()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2 ** 30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "covmap": f"{output(covmap, '--version').split()[-1]}, SHA-256 {sha256[:16]}",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{p} {version(p)}" for p in PACKAGES),
        f"numpy sgemm of {SIDE} x {SIDE}, one thread": f"{sgemm_gflops():.0f} GFLOP/s",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--covmap", default="target/release/covmap")
    parser.add_argument("--json", metavar="FILE")
    a = parser.parse_args()
    write_json(a.json, describe(a.covmap))


if __name__ == "__main__":
    main()
