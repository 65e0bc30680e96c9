"""The installed wheel on a phantom: every input, every result, every way to fail that needs no damaged file."""

import gc
import json
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import covmap

COMMAND = str(Path(sys.executable).with_name("covmap"))


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phantom") / "chest.png"
    subprocess.run([COMMAND, "phantom", "--out", path, "--size", "512"], check=True)
    return path


@pytest.fixture(scope="session")
def pipeline() -> covmap.Pipeline:
    return covmap.Pipeline(threads=1)


@pytest.fixture(scope="session")
def analysis(pipeline: covmap.Pipeline, phantom: Path) -> covmap.Analysis:
    return pipeline.analyze(phantom)


def test_command(phantom: Path, tmp_path: Path, analysis: covmap.Analysis) -> None:
    out = subprocess.run([COMMAND, "--version"], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["covmap", covmap.__version__]
    module = [sys.executable, "-m", "covmap"]
    assert subprocess.run([*module, "analyze"], capture_output=True).returncode == 2
    subprocess.run([*module, "analyze", phantom, "--out", tmp_path, "--quiet"], check=True)
    assert json.loads((tmp_path / "chest.json").read_text()) == analysis.to_dict()


def test_maps_are_views_that_live_on(pipeline: covmap.Pipeline, phantom: Path) -> None:
    analysis = pipeline.analyze(phantom)
    for map in (analysis.infection_map, analysis.lung_mask):
        assert (map.shape, map.dtype, map.flags.writeable) == ((512, 512), np.uint8, False)
        with pytest.raises(ValueError):
            map.flags.writeable = True
    assert np.shares_memory(analysis.infection_map, analysis.infection_map)
    assert set(np.unique(analysis.lung_mask)) <= {0, 1, 2}
    infected = analysis.to_dict()["infection"]["area_px"]
    map = analysis.infection_map
    del analysis
    gc.collect()
    [bytearray(512 * 512) for _ in range(8)]
    assert np.count_nonzero(map >= 128) == infected


def test_every_input_is_the_same_radiograph(pipeline: covmap.Pipeline, analysis: covmap.Analysis, phantom: Path) -> None:
    for x in (str(phantom), phantom.read_bytes(), bytearray(phantom.read_bytes())):
        assert np.array_equal(pipeline.analyze(x).infection_map, analysis.infection_map)
    assert np.array_equal(covmap.analyze(phantom).infection_map, analysis.infection_map)


def test_arrays_of_any_layout(pipeline: covmap.Pipeline) -> None:
    grey = np.add.outer(np.arange(120), np.arange(200)).astype(np.uint8)
    expected = pipeline.analyze(grey).infection_map
    assert expected.shape == (120, 200)
    wide = np.zeros((120, 400), np.uint8)
    wide[:, ::2] = grey
    for same in (np.asfortranarray(grey), wide[:, ::2], grey.astype(np.uint16) * 257):
        assert np.array_equal(pipeline.analyze(same).infection_map, expected)


def test_results(analysis: covmap.Analysis) -> None:
    result = analysis.to_dict()
    assert (result["schema"], result["input"]["file"]) == ("covmap/1", "chest.png")
    assert json.loads(analysis.to_json()) == result
    assert repr(analysis).startswith("<covmap.Analysis 512 x 512")
    assert repr(covmap.Pipeline()).startswith("<covmap.Pipeline ")


def test_errors_by_kind(pipeline: covmap.Pipeline, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.png"
    with pytest.raises(covmap.IoError) as caught:
        pipeline.analyze(nowhere)
    assert isinstance(caught.value, OSError) and caught.value.errno == 2
    assert Path(caught.value.filename) == nowhere
    with pytest.raises(covmap.InputError, match="but a PDF document"):
        pipeline.analyze(b"%PDF-1.7")
    with pytest.raises(covmap.InputError):
        pipeline.analyze(np.zeros((0, 5), np.uint8))
    with pytest.raises(covmap.ParameterError, match=r"\[5, 5, 3\]"):
        pipeline.analyze(np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(covmap.LimitsExceededError):
        pipeline.analyze(np.broadcast_to(np.uint8(0), (1, 1 << 30)))
    model = tmp_path / "model.onnx"
    model.write_bytes(b"no model")
    with pytest.raises(covmap.ModelError):
        covmap.Pipeline([model])
    with pytest.raises(covmap.IoError):
        covmap.Pipeline(nowhere)
    for wrong in ({"fusion": "median"}, {"threads": 0}, {"models": []}):
        with pytest.raises(covmap.ParameterError):
            covmap.Pipeline(**wrong)


@pytest.mark.parametrize("x", [None, 3, [[1, 2], [3, 4]], np.zeros((5, 5)), np.zeros((5, 5), ">u2")])
def test_other_types(pipeline: covmap.Pipeline, x: object) -> None:
    with pytest.raises(TypeError, match="uint8 or uint16"):
        pipeline.analyze(x)


def test_exceptions_have_one_root() -> None:
    kinds = ["Io", "Input", "Model", "Parameter", "LimitsExceeded", "Cancelled", "Internal"]
    assert {c.__name__ for c in covmap.CovmapError.__subclasses__()} == {f"{kind}Error" for kind in kinds}
    assert repr(pickle.loads(pickle.dumps(covmap.InputError("x")))) == "InputError('x')"
    assert covmap.InputError.__module__ == "covmap"
    assert issubclass(covmap.ParameterError, ValueError)


def test_other_threads_run_meanwhile(pipeline: covmap.Pipeline) -> None:
    """With the interpreter held, this thread would not wake once before the analyses end."""
    grey = np.zeros((2000, 2000), np.uint8)
    worker = threading.Thread(target=lambda: [pipeline.analyze(grey) for _ in range(3)])
    worker.start()
    wakes = 0
    while worker.is_alive():
        time.sleep(0.002)
        wakes += 1
    assert wakes > 10
