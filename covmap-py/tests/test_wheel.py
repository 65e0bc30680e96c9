"""The wheel as it ships: size, needs, a fresh environment, and what the binding costs."""

import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path

import pytest

import covmap
from covmap import _inputs

WHEELS = sorted((Path(__file__).parents[2] / "target" / "wheels").glob("covmap-*.whl"))
QUICK_START = "import covmap; print(covmap.analyze('chest.png').severity)"


@pytest.fixture(scope="module")
def wheel() -> Path:
    assert len(WHEELS) == 1, "tests/run builds it"
    return WHEELS[0]


def test_size_and_needs(wheel: Path) -> None:
    assert wheel.stat().st_size <= 25_000_000
    assert "-cp310-abi3-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith("METADATA"))).decode()
    needs = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert [n.split(":")[1].strip().split(">")[0] for n in needs] == ["numpy"]
    assert {n.split(":")[1].strip() for n in metadata.splitlines() if n.startswith("Provides-Extra")} >= {"plot", "dicom", "ray", "all"}
    assert {"covmap/py.typed", "covmap/_covmap.pyi"} <= set(names)
    assert sum("LICENSE" in n for n in names) >= 3


def test_a_fresh_environment_runs_the_quick_start(wheel: Path, phantom: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel)], check=True)
    began = time.perf_counter()
    done = subprocess.run([python, "-c", QUICK_START], cwd=phantom.parent, check=True, capture_output=True, text=True)
    assert time.perf_counter() - began < 10
    assert done.stdout.startswith("<covmap.Severity ")


def test_the_binding_adds_less_than_a_millisecond(phantom: Path, analysis: covmap.Analysis) -> None:
    """All that happens around Rust's work on an image: input told apart, a call across, an object and its arrays made."""
    radiograph, rounds, times = covmap.Radiograph(phantom), 20, []
    for _ in range(25):
        began = time.perf_counter()
        for _ in range(rounds):
            _inputs.resolve(phantom)
            covmap.Radiograph(radiograph)
            _ = (analysis.infection_map, analysis.lung_mask, analysis.severity, analysis.detection)
        times.append((time.perf_counter() - began) / rounds)
    assert min(times) < 0.001
