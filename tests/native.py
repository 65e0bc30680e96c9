"""The installed tree, and programs built against it."""

import os
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
RELEASE = TOP / "target/release"
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-O1", "-pthread"]


def run(*command, fails=False, timeout=300, **kwargs):
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, timeout=timeout, **kwargs)
    assert (done.returncode != 0) == fails, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def under_valgrind(program, *arguments, timeout=300):
    """It knows no AVX-512. Fair: a thread that computes would else be let keep its one processor. What stays reachable at the
    end belongs to statics."""
    leaks = "definite,indirect"
    watched = ["valgrind", "--quiet", "--fair-sched=try", "--error-exitcode=9", "--leak-check=full", f"--errors-for-leak-kinds={leaks}", f"--show-leak-kinds={leaks}"]
    found = run(*watched, program, *arguments, env=os.environ | {"COVMAP_SIMD": "avx2"}, timeout=timeout)
    assert "ERROR" not in found.stderr


class Installed:
    """What covmap-capi/install put under one folder."""

    def __init__(self, folder):
        self.prefix, self.lib = folder / "inst", folder / "inst/lib"
        self.folder = folder
        self.said = run(TOP / "covmap-capi/install", "--prefix", self.prefix).stdout
        self.environment = os.environ | {"PKG_CONFIG_PATH": str(self.lib / "pkgconfig"), "CMAKE_PREFIX_PATH": str(self.prefix)}

    def flags(self, *which):
        return run("pkg-config", *which, "covmap", env=self.environment).stdout.split()

    def compile(self, compiler, source, static=False, extra=()):
        """The program, built from a path in the repository with a C or C++ compiler, against either library."""
        standard = "-std=c++17" if "++" in compiler else "-std=c11"
        kind = "-".join([compiler, "static" if static else "dynamic", *(e.strip("-").replace("=", "-") for e in extra)])
        program = self.folder / f"{Path(source).stem}-{kind}"
        if static:
            libraries = [f for f in self.flags("--libs", "--static") if f != "-lcovmap"]
            libraries = [self.lib / "libcovmap.a", *libraries]
        else:
            libraries = [*self.flags("--libs"), f"-Wl,-rpath,{self.lib}"]
        posix = "-D_POSIX_C_SOURCE=200809L"
        run(compiler, standard, posix, *STRICT, *extra, *self.flags("--cflags"), TOP / source, "-o", program, *libraries, "-ldl")
        return program
