"""Pipelines, their options and errors, batches, and the stages one by one."""

import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import COMMAND

import covmap
from covmap import stages


def test_command_is_the_same_command(phantom: Path, tmp_path: Path, analysis: covmap.Analysis) -> None:
    out = subprocess.run([COMMAND, "--version"], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["covmap", covmap.__version__]
    module = [sys.executable, "-m", "covmap"]
    assert subprocess.run([*module, "analyze"], capture_output=True).returncode == 2
    subprocess.run([*module, "analyze", phantom, "--out", tmp_path, "--quiet"], check=True)
    assert (tmp_path / "chest.json").read_text() == analysis.to_json() + "\n"


def test_options(phantom: Path, analysis: covmap.Analysis) -> None:
    assert covmap.Pipeline(precision="f32", threads=2).threads == 2
    sensitive = covmap.Pipeline(threads=1, operating_point="sensitivity95").analyze(phantom)
    assert sensitive.detection.operating_point == "sensitivity95"
    assert sensitive.detection.threshold != analysis.detection.threshold
    flipped = covmap.Pipeline(threads=1, views="flip").analyze(phantom)
    assert not np.array_equal(flipped.probability, analysis.probability)


def test_wrong_options(tmp_path: Path) -> None:
    wrong = {"fusion": "median", "threads": 0, "model": [], "precision": "int8", "views": "all", "operating_point": "best"}
    for name, value in wrong.items():
        with pytest.raises(covmap.ParameterError):
            covmap.Pipeline(**{name: value})
    model = tmp_path / "model.onnx"
    model.write_bytes(b"no model")
    for make in (covmap.Pipeline, covmap.Model):
        with pytest.raises(covmap.ModelError):
            make(model)
        with pytest.raises(covmap.IoError):
            make(tmp_path / "nowhere.onnx")


def test_pickle(tmp_path: Path, phantom: Path, analysis: covmap.Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    restored = pickle.loads(pickle.dumps(covmap.Pipeline(threads=1)))
    assert restored.threads == 1 and restored.analyze(phantom) == analysis
    path = tmp_path / "model.onnx"
    subprocess.run([COMMAND, "model", "extract", "--out", path], check=True)
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(covmap.Pipeline("model.onnx", views="flip"))
    monkeypatch.chdir("/")
    assert pickle.loads(pickled).models == covmap.Pipeline(path).models
    content = path.read_bytes()
    path.write_bytes(content.replace(b"covmap.name", b"covmap.name", 1) + b"\x0a\x00")
    with pytest.raises(covmap.ModelError):
        pickle.loads(pickled)


def test_an_analysis_is_cancelled_from_another_thread(pipeline: covmap.Pipeline) -> None:
    token, grey = covmap.CancelToken(), np.zeros((64, 80), np.uint8)
    assert not token.cancelled and pipeline.analyze(grey, cancel=token).width == 80
    threading.Timer(0.1, token.cancel).start()
    with pytest.raises(covmap.CancelledError):
        for _ in range(100_000):
            pipeline.analyze(grey, cancel=token)
    assert token.cancelled
    assert [type(r).__name__ for r in pipeline.analyze_many([grey] * 3, cancel=token)] == ["CancelledError"] * 3


def test_time_and_memory_are_bounded(pipeline: covmap.Pipeline) -> None:
    grey = np.zeros((64, 80), np.uint8)
    with pytest.raises(covmap.CancelledError, match="deadline"):
        pipeline.analyze(grey, timeout=0)
    with pytest.raises(covmap.LimitsExceededError, match=r"needs \d+ bytes of memory; the limit is 1000"):
        covmap.analyze(grey, max_memory=1000)
    assert pipeline.analyze(grey, timeout=3600, max_memory=1 << 31).width == 80
    for seconds in (-1, float("nan"), float("inf")):
        with pytest.raises(covmap.ParameterError):
            pipeline.analyze(grey, timeout=seconds)
    batch = list(pipeline.analyze_many([grey, grey], timeout=0))
    assert [type(r).__name__ for r in batch] == ["CancelledError"] * 2


def test_batch(pipeline: covmap.Pipeline, phantom: Path, analysis: covmap.Analysis, tmp_path: Path) -> None:
    grey = np.zeros((64, 80), np.uint8)
    results = list(pipeline.analyze_many([phantom, tmp_path / "nowhere.png", grey, None, phantom]))
    assert [type(r).__name__ for r in results] == ["Analysis", "IoError", "Analysis", "InputTypeError", "Analysis"]
    assert results[0] == results[4] == analysis and results[2].width == 80
    batch = covmap.analyze_many([None, phantom], errors="raise")
    with pytest.raises(covmap.InputTypeError):
        next(batch)
    assert [r.file for r in batch] == ["chest.png"]
    assert list(covmap.analyze_many([])) == []
    with pytest.raises(TypeError):
        covmap.analyze_many(3)
    with pytest.raises(covmap.ParameterError):
        covmap.analyze_many([], errors="ignore")


def test_batch_draws_a_bounded_number_ahead(pipeline: covmap.Pipeline) -> None:
    drawn = 0

    def inputs() -> object:
        nonlocal drawn
        while True:
            drawn += 1
            yield np.full((64, 64), drawn % 256, np.uint8)

    batch = pipeline.analyze_many(inputs())
    for taken in range(1, 6):
        assert next(batch).width == 64
        assert drawn <= taken + 2 * pipeline.threads
    del batch  # ends, though the inputs do not


def test_batch_of_a_faulty_iterable(pipeline: covmap.Pipeline) -> None:
    def inputs() -> object:
        yield np.zeros((64, 64), np.uint8)
        raise RuntimeError("no more")

    batch = pipeline.analyze_many(inputs())
    assert isinstance(next(batch), covmap.Analysis)
    with pytest.raises(RuntimeError, match="no more"):
        next(batch)
    assert list(batch) == []


def test_batch_with_a_bar(pipeline: covmap.Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    results = pipeline.analyze_many([np.zeros((64, 64), np.uint8)] * 3, progress=True)
    assert [r.width for r in results] == [64] * 3
    assert "3/3" in capsys.readouterr().err


def test_stages_are_the_pipeline(phantom: Path, analysis: covmap.Analysis) -> None:
    model, radiograph = covmap.Model(), covmap.Radiograph(phantom)
    model_input = stages.preprocess(radiograph, model)
    assert model_input.native_size == (512, 512) and model_input.values.dtype == np.float32
    prediction = stages.network(model_input, model)
    assert prediction.infection.shape == prediction.right_lung.shape == model.input_size
    lungs = stages.lungs(prediction)
    infection = stages.fusion([prediction], lungs)
    severity = stages.severity(infection, lungs, model)
    detection = stages.detection(infection, severity, model)
    assert np.array_equal(lungs.labels, analysis.lung_mask)
    assert np.array_equal(infection.pixels, analysis.infection_map)
    assert (severity, detection) == (analysis.severity, analysis.detection)
    assert radiograph.quality.good
    assert (model.name, model.sha256) == analysis.models[0]
    assert list(model.describe()["input"]["size"]) == list(model.input_size)
    with pytest.raises(covmap.ParameterError):
        stages.fusion([], lungs)
    with pytest.raises(covmap.ParameterError):
        stages.fusion(prediction, stages.LungMask(np.ones((3, 3), np.uint8)))


def test_other_lungs(pipeline: covmap.Pipeline, analysis: covmap.Analysis) -> None:
    right_alone = np.where(analysis.lung_mask == 1, 1, 0).astype(np.uint8)
    within = pipeline.within(analysis, stages.LungMask(right_alone))
    assert within.severity.right_share == analysis.severity.right_share
    assert within.severity.left_share is None and not within.infection_map[right_alone == 0].any()
    with pytest.raises(covmap.ParameterError):
        stages.LungMask(np.full((4, 4), 3, np.uint8))
    with pytest.raises(covmap.ParameterError):
        pipeline.within(analysis, stages.LungMask(np.ones((4, 4), np.uint8)))


def test_exceptions_have_one_root() -> None:
    kinds = ["Io", "Input", "Model", "Parameter", "LimitsExceeded", "Cancelled", "Internal"]
    assert {c.__name__ for c in covmap.CovmapError.__subclasses__()} == {f"{kind}Error" for kind in kinds}
    assert repr(pickle.loads(pickle.dumps(covmap.InputTypeError("x")))) == "InputTypeError('x')"
    assert covmap.InputError.__module__ == "covmap"
    assert issubclass(covmap.ParameterError, ValueError) and issubclass(covmap.InputTypeError, TypeError)
