"""The long tests of the C library: `tests/full valgrind`."""

import os

import pytest
from native import run

C, CPP = "tests/consumers/c/every_function.c", "tests/consumers/cpp/every_class.cpp"


@pytest.mark.parametrize("compiler, source", [("gcc", C), ("g++", CPP)])
def test_valgrind_finds_nothing_with_the_bundled_network(installed, dicom, compiler, source):
    run("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect",
        "--show-leak-kinds=definite,indirect", installed.compile(compiler, source), dicom, env=os.environ | {"COVMAP_SIMD": "avx2"}, timeout=3000)


def test_sixteen_threads_share_a_pipeline_for_long(installed, dicom):
    assert run(installed.compile("gcc", "tests/consumers/c/hammer.c"), dicom, 2, 20, timeout=3000).stdout == "0 wrong\n"
