"""Phantoms, and a pipeline that all tests share."""

import subprocess
import sys
from pathlib import Path

import pytest

import covmap

COMMAND = str(Path(sys.executable).with_name("covmap"))


def draw(path: Path, *options: str) -> Path:
    subprocess.run([COMMAND, "phantom", "--out", path, *options], check=True)
    return path


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("phantom") / "chest.png", "--size", "512")


@pytest.fixture(scope="session")
def phantom_dicom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("phantom") / "chest.dcm", "--size", "512", "--dicom")


@pytest.fixture(scope="session")
def pipeline() -> covmap.Pipeline:
    return covmap.Pipeline(threads=1)


@pytest.fixture(scope="session")
def analysis(pipeline: covmap.Pipeline, phantom: Path) -> covmap.Analysis:
    return pipeline.analyze(phantom)
