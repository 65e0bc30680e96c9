"""The result: arrays, values, pictures, files, pickles."""

import copy
import gc
import io
import json
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from conftest import COMMAND
from PIL import Image

import covmap


def test_maps_are_views_that_live_on(pipeline: covmap.Pipeline, phantom: Path) -> None:
    analysis = pipeline.analyze(phantom)
    for map in (analysis.infection_map, analysis.lung_mask):
        assert (map.shape, map.dtype, map.flags.writeable) == ((512, 512), np.uint8, False)
        with pytest.raises(ValueError):
            map.flags.writeable = True
    assert np.shares_memory(analysis.infection_map, analysis.infection_map)
    assert np.shares_memory(analysis.radiograph.pixels, analysis.radiograph.pixels)
    assert set(np.unique(analysis.lung_mask)) <= {0, 1, 2}
    infected = analysis.to_dict()["infection"]["area_px"]
    map = analysis.infection_map
    del analysis
    gc.collect()
    [bytearray(512 * 512) for _ in range(8)]
    assert np.count_nonzero(map >= 128) == infected


def test_values_are_those_of_the_json(analysis: covmap.Analysis) -> None:
    result = analysis.to_dict()
    assert (result["schema"], result["input"]["file"]) == ("covmap/1", analysis.file)
    assert json.loads(analysis.to_json()) == result
    severity, detection = analysis.severity, analysis.detection
    assert severity is not None
    assert (severity.share, severity.zone_shares) == (result["infection"]["share"], result["infection"]["zones"])
    assert (severity.right_share, severity.left_share) == (result["infection"]["right_share"], result["infection"]["left_share"])
    expected = {"brixia_estimate": severity.brixia_estimate, "zones": severity.zone_scores, "grade": severity.grade}
    assert expected == result["severity"]
    names = ("probability", "operating_point", "threshold", "positive")
    assert {name: getattr(detection, name) for name in names} == result["detection"]
    assert {"good": analysis.quality.good, "flags": analysis.quality.flags} == result["quality"]
    assert [{"name": name, "sha256": hash} for name, hash in analysis.models] == result["model"]
    assert (analysis.width, analysis.height, analysis.spacing_mm, analysis.view) == (512, 512, None, "unknown")
    infected = (analysis.infection_map >= 128) & (analysis.lung_mask > 0)
    assert severity.share == infected.sum() / (analysis.lung_mask > 0).sum()


def test_representations(analysis: covmap.Analysis, pipeline: covmap.Pipeline) -> None:
    assert repr(analysis).startswith("<covmap.Analysis 512 x 512, ")
    assert repr(analysis.severity).startswith("<covmap.Severity ")
    assert repr(analysis.detection).startswith("<covmap.Detection ")
    assert repr(analysis.quality) == "<covmap.Quality good>"
    assert repr(analysis.radiograph) == "<covmap.Radiograph chest.png, 512 x 512, view unknown>"
    assert repr(pipeline).startswith("<covmap.Pipeline ")
    page = analysis._repr_html_()
    assert "chest.png" in page and "never a diagnosis" in page and f"{analysis.severity.brixia_estimate:.1f}" in page
    picture = np.asarray(Image.open(io.BytesIO(analysis._repr_png_())))
    assert np.array_equal(picture, analysis.overlay())
    large = covmap.analyze(np.zeros((1500, 100), np.uint8))
    assert Image.open(io.BytesIO(large._repr_png_())).size == (50, 750)
    assert "<html" in analysis.to_html()


def test_overlay(analysis: covmap.Analysis) -> None:
    overlay = analysis.overlay()
    assert (overlay.shape, overlay.dtype) == ((512, 512, 3), np.uint8)
    grey = analysis.overlay(opacity=0)
    free = analysis.infection_map == 0
    assert np.array_equal(overlay[free], grey[free]) and not np.array_equal(overlay, grey)
    assert not np.array_equal(analysis.overlay(colormap="cividis"), overlay)
    assert not np.array_equal(analysis.overlay(contour=True), overlay)
    assert analysis.overlay(legend=True).shape[0] > 512
    for wrong in ({"opacity": 2}, {"colormap": "rainbow"}, {"radiograph": covmap.Radiograph(np.zeros((9, 9), np.uint8))}):
        with pytest.raises(covmap.ParameterError):
            analysis.overlay(**wrong)


def test_plot(analysis: covmap.Analysis) -> None:
    pytest.importorskip("matplotlib")
    figure = analysis.plot()
    assert [axes.get_title() for axes in figure.axes][:3] == ["chest.png", "probability of opacity", "infected share of each zone"]
    file = io.BytesIO()
    figure.savefig(file)
    assert len(file.getvalue()) > 10_000


def test_files_are_those_of_the_command(analysis: covmap.Analysis, phantom: Path, phantom_dicom: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    kinds = ["seg", "map", "sr", "sc"]
    covmap.analyze(phantom_dicom).save(ours, dicom=kinds, html=True)
    command = [COMMAND, "analyze", phantom_dicom, "--out", theirs, "--dicom", ",".join(kinds), "--html", "--quiet"]
    subprocess.run(command, check=True)
    (theirs / "run.json").unlink()
    assert {f.name: f.read_bytes() for f in ours.iterdir()} == {f.name: f.read_bytes() for f in theirs.iterdir()}
    analysis.save(ours, stem="other")
    assert json.loads((ours / "other.json").read_text()) == analysis.to_dict()
    with pytest.raises(covmap.ParameterError, match="stem"):
        covmap.analyze(phantom.read_bytes()).save(ours)
    with pytest.raises(covmap.InputError):
        analysis.to_dicom()
    with pytest.raises(covmap.ParameterError, match="known: seg, map, sr, sc"):
        analysis.to_dicom("rtstruct")


def test_dicom_object(phantom_dicom: Path) -> None:
    analysis = covmap.analyze(phantom_dicom)
    segmentation = pydicom.dcmread(io.BytesIO(analysis.to_dicom("seg")))
    assert segmentation.Modality == "SEG" and segmentation.NumberOfFrames == 3
    assert analysis.to_dicom("sr") == analysis.to_dicom("sr")


def test_pickle(phantom_dicom: Path) -> None:
    analysis = covmap.analyze(phantom_dicom)
    restored = pickle.loads(pickle.dumps(analysis))
    assert restored == analysis and restored.to_json() == analysis.to_json()
    assert np.array_equal(restored.infection_map, analysis.infection_map)
    assert np.array_equal(restored.probability, analysis.probability)
    assert restored.radiograph is None
    with pytest.raises(covmap.ParameterError, match="radiograph="):
        restored.overlay()
    radiograph = covmap.Radiograph(phantom_dicom)
    assert np.array_equal(restored.overlay(radiograph=radiograph), analysis.overlay())
    assert restored.to_dicom("sc", radiograph=radiograph) == analysis.to_dicom("sc")
    assert restored._repr_png_() and restored._repr_html_()
    assert copy.deepcopy(analysis) == analysis


def test_dataframe(analysis: covmap.Analysis) -> None:
    pytest.importorskip("pandas")
    table = covmap.to_dataframe([analysis, covmap.InputError("damaged")])
    assert table["severity_brixia_estimate"][0] == analysis.severity.brixia_estimate
    assert table["infection_zones_A"][0] == analysis.severity.zone_shares["A"]
    assert (table["model"][0], table["error"][1]) == (analysis.models[0][1], "InputError: damaged")
    assert table["error"].isna().tolist() == [True, False]
    with pytest.raises(covmap.InputTypeError):
        covmap.to_row(3)
