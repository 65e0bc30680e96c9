"""The long tests of the C library: `tests/full valgrind`."""

import pytest
from native import run, under_valgrind

C, CPP = "tests/consumers/c/every_function.c", "tests/consumers/cpp/every_class.cpp"


@pytest.mark.parametrize("compiler, source", [("gcc", C), ("g++", CPP)])
def test_valgrind_finds_nothing_with_the_bundled_network(installed, dicom, compiler, source):
    under_valgrind(installed.compile(compiler, source), dicom, timeout=3000)


def test_sixteen_threads_share_a_pipeline_for_long(installed, dicom):
    assert run(installed.compile("gcc", "tests/consumers/c/hammer.c"), dicom, 2, 20, timeout=3000).stdout == "0 wrong\n"
