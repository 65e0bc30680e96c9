"""Stubs: the same names, signatures and texts as the compiled module; the package and its users type-check."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import covmap
from covmap import _covmap

PACKAGE = Path(covmap.__file__).parent
TESTS = Path(__file__).parent


def run(*command: object) -> None:
    done = subprocess.run([sys.executable, "-m", *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_stub_and_module_agree() -> None:
    run("mypy.stubtest", "covmap._covmap")


def test_mypy() -> None:
    options = ("--strict", "--config-file", TESTS.parent / "pyproject.toml")
    run("mypy", *options, "-p", "covmap")
    run("mypy", *options, TESTS / "typed_user.py")


def test_pyright() -> None:
    run("pyright", "--pythonpath", sys.executable, TESTS / "typed_user.py", PACKAGE)


def test_documentation_is_the_same_in_stub_and_module() -> None:
    for node in ast.parse((PACKAGE / "_covmap.pyi").read_text()).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and hasattr(_covmap, node.name):
            item = getattr(_covmap, node.name)
            methods = [n for n in getattr(node, "body", []) if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
            pairs = [(node, item)] + [(n, getattr(item, n.name)) for n in methods if isinstance(node, ast.ClassDef)]
            for written, compiled in pairs:
                if text := ast.get_docstring(written):
                    assert inspect.getdoc(compiled) == text, written.name


def test_everything_public_is_documented() -> None:
    for name in set(covmap.__all__) - {"__version__"}:
        assert inspect.getdoc(getattr(covmap, name)), name
