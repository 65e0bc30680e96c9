"""Every module of training/ can be imported, as far as what it needs is installed: most are used rarely, and for hours then."""
import importlib
import pkgutil

import pytest

import training

MODULES = sorted(m.name for m in pkgutil.walk_packages(training.__path__, "training.") if not m.name.startswith("training.tests"))


@pytest.mark.parametrize("name", [m for m in MODULES if not m.endswith("__main__")])
def test_import(name):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name.startswith("training"):
            raise
        pytest.skip(f"needs {missing.name}, which is not installed")
