"""C11 and C++17 programs, built as users build them and watched by valgrind and the sanitizers."""

import json
import os
import re

import numpy
import pytest
from native import TOP, run, under_valgrind
from PIL import Image

C, CPP = "tests/consumers/c/every_function.c", "tests/consumers/cpp/every_class.cpp"
SMALL = TOP / "tests/fixtures/zoo/dla-resnet50.onnx"
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
@pytest.mark.parametrize("compiler, source", [("gcc", C), ("clang", C), ("g++", CPP), ("clang++", CPP)])
def test_programs_use_all_of_the_library(installed, dicom, compiler, source, static):
    run(installed.compile(compiler, source, static), dicom)


@pytest.mark.parametrize("compiler, source", [("gcc", C), ("clang", C), ("g++", CPP)])
def test_address_and_leak_sanitizer_find_nothing(installed, dicom, compiler, source):
    program = installed.compile(compiler, source, static=compiler == "clang", extra=SANITIZED)
    run(program, dicom, env=os.environ | {"ASAN_OPTIONS": "detect_leaks=1"})


@pytest.mark.parametrize("compiler, source", [("gcc", C), ("g++", CPP)])
def test_valgrind_finds_nothing(installed, dicom, compiler, source):
    program = installed.compile(compiler, source, static=compiler == "gcc")
    # Fifty times slower: the network is a small one (`tests/full` has the bundled one).
    under_valgrind(program, dicom, SMALL)


@pytest.mark.parametrize("pool", ["1", "2"])
def test_sixteen_threads_share_a_pipeline(installed, dicom, pool):
    assert run(installed.compile("gcc", "tests/consumers/c/hammer.c"), dicom, pool, 3).stdout == "0 wrong\n"


def test_the_library_can_be_loaded_again_and_again(installed):
    print(run(installed.compile("gcc", "tests/consumers/c/reload.c"), installed.lib / "libcovmap.so", 30).stdout)


def test_cmake_finds_the_package(installed, dicom, tmp_path):
    environment = installed.environment
    run("cmake", "-S", TOP / "tests/consumers/cmake", "-B", tmp_path, env=environment)
    run("cmake", "--build", tmp_path, "-j2", env=environment)
    for kind in ["covmap", "covmap_static"]:
        run(tmp_path / f"with_{kind}", dicom)
    project = tmp_path / "other/CMakeLists.txt"
    project.parent.mkdir()
    project.write_text("cmake_minimum_required(VERSION 3.20)\nproject(other C)\nfind_package(covmap 7 REQUIRED)\n")
    assert "covmap" in run("cmake", "-S", project.parent, "-B", tmp_path / "no", env=environment, fails=True).stderr


def test_the_shared_library_is_named_and_versioned(installed):
    dynamic = run("readelf", "-dW", installed.lib / "libcovmap.so").stdout
    assert "[libcovmap.so.0.1]" in dynamic and "NODELETE" in dynamic
    assert os.readlink(installed.lib / "libcovmap.so.0.1") == "libcovmap.so.0.1.0"
    symbols = run("nm", "-D", "--defined-only", installed.lib / "libcovmap.so").stdout
    names = {line.split()[2] for line in symbols.splitlines() if " T " in line}
    declared = set(re.findall(r"\b(covmap_\w+)\(", (TOP / "include/covmap.h").read_text()))
    assert names == {f"{name}@@libcovmap.so.0.1" for name in declared}
    others = {line for line in symbols.splitlines() if " T " not in line and " A " not in line}
    assert not others
    in_archive = run("nm", "-g", "--defined-only", installed.lib / "libcovmap.a").stdout
    assert {line.split()[2] for line in in_archive.splitlines() if len(line.split()) == 3} == declared


def test_programs_keep_a_stack_that_is_no_code(installed):
    for file in [installed.compile("gcc", "examples/c/analyze.c", static=True), installed.lib / "libcovmap.so"]:
        stack = next(line for line in run("readelf", "-lW", file).stdout.splitlines() if "GNU_STACK" in line)
        assert " RW " in stack


def test_the_abi_is_that_of_the_baseline(installed, tmp_path):
    """Types and signatures from the header, which the library's symbols match (test above). A wanted change, before a
    release: run with COVMAP_BLESS=1 and review what changes in tests/consumers/covmap.abi."""
    header = run("gcc", "-E", "-P", TOP / "include/covmap.h").stdout
    functions = re.findall(r"^[\w\s]+?[\s*]covmap_\w+\([^;{}]*\);", header, re.M)
    stub = tmp_path / "stub.c"
    bodies = [re.sub(r"\s+", " ", f).rstrip(";") + " { __builtin_trap(); }" for f in functions if "typedef" not in f]
    stub.write_text('#include "covmap.h"\n' + "\n".join(bodies) + "\n")
    library = tmp_path / "libcovmap.so"
    run("gcc", "-g", "-w", "-shared", "-fPIC", "-Wl,-soname,libcovmap.so.0.1", "-I", TOP / "include", stub, "-o", library)
    exported = run("nm", "-D", "--defined-only", library).stdout
    assert set(re.findall(r"covmap_\w+", exported)) == set(re.findall(r"\b(covmap_\w+)\(", (TOP / "include/covmap.h").read_text()))
    baseline = TOP / "tests/consumers/covmap.abi"
    if os.environ.get("COVMAP_BLESS") == "1":
        run("abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--out-file", baseline, library)
    # Additions are compatible; what a program built before relies on may not change.
    run("abidiff", "--no-added-syms", baseline, library)
    broken = tmp_path / "broken.c"
    broken.write_text(stub.read_text().replace("size_t covmap_bytes_size", "int covmap_bytes_size").replace('#include "covmap.h"', header.replace("size_t covmap_bytes_size", "int covmap_bytes_size")))
    run("gcc", "-g", "-w", "-shared", "-fPIC", "-Wl,-soname,libcovmap.so.0.1", broken, "-o", library)
    run("abidiff", "--no-added-syms", baseline, library, fails=True)


def test_the_c_example_prints_json_and_writes_the_map(installed, dicom, tmp_path):
    program = installed.compile("gcc", "examples/c/analyze.c")
    found = json.loads(run(program, dicom, tmp_path / "map.pgm").stdout)
    assert (found["schema"], found["input"]["file"]) == ("covmap/1", "chest.dcm")
    head, pixels = (tmp_path / "map.pgm").read_bytes().split(b"\n255\n", 1)
    assert head == b"P5\n%d %d" % (found["input"]["width"], found["input"]["height"])
    assert sum(value >= 128 for value in pixels) == found["infection"]["area_px"]
    assert "/nowhere.png" in run(program, "/nowhere.png", fails=True).stderr


def test_the_readme_says_what_compiles_and_runs(installed, dicom, tmp_path):
    [snippet] = re.findall(r"\n```c\n(.*?)\n```\n", (TOP / "README.md").read_text(), re.S)
    lines = snippet.splitlines()
    includes = [line for line in lines if line.startswith("#")]
    body = [line for line in lines if not line.startswith("#")]
    source = tmp_path / "readme.c"
    source.write_text("\n".join(["#include <stdio.h>", *includes, "int main(void) {", *body, "return 0;", "}", ""]))
    program = installed.compile("gcc", source)
    assert "chest.dcm" in run(program, cwd=tmp_path).stderr
    assert run(program, cwd=dicom.parent).stderr == ""


def test_the_readme_in_cpp_compiles_and_runs(installed, dicom, tmp_path):
    [snippet] = re.findall(r"\n```cpp\n(.*?)\n```\n", (TOP / "README.md").read_text(), re.S)
    source = tmp_path / "readme.cpp"
    source.write_text("#include <covmap.hpp>\nint main() {\n" + snippet + "\nreturn map.width == analysis.width() && report.size() ? 0 : 1;\n}\n")
    run(installed.compile("g++", source), cwd=dicom.parent)


def test_the_size_is_reported(installed):
    print(installed.said)
    assert re.search(r"libcovmap\.so\.0\.1\.0: \d+ bytes", installed.said)


def test_a_viewer_with_dcmtk_shows_the_overlay(installed, dicom, tmp_path):
    run("cmake", "-S", TOP / "examples/cpp", "-B", tmp_path, env=installed.environment)
    run("cmake", "--build", tmp_path, env=installed.environment)
    assert run(tmp_path / "overlay", dicom, tmp_path / "overlay.png").stdout == "1024 x 1024\n"
    picture = Image.open(tmp_path / "overlay.png").convert("RGB")
    assert picture.size == (1024, 1024)
    pixels = numpy.asarray(picture).astype(int)
    assert (pixels.max(2) - pixels.min(2) > 40).mean() > 0.01
    assert "overlay:" in run(tmp_path / "overlay", TOP / "README.md", tmp_path / "no.png", fails=True).stderr
