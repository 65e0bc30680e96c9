"""A user's program, for type checkers alone."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

import pydicom
from PIL import Image

import covmap
from covmap import stages


def infected(path: Path) -> float:
    pipeline = covmap.Pipeline(threads=2, fusion="mean", precision="f32")
    analysis = pipeline.analyze(path)
    opacity: npt.NDArray[np.uint8] = analysis.infection_map
    lungs: npt.NDArray[np.uint8] | None = analysis.lung_mask
    if lungs is None or analysis.severity is None:
        return 0.0
    share: float | None = analysis.severity.share
    return share or float((opacity >= 128).mean())


def every_input(path: Path, image: Image.Image, dataset: pydicom.Dataset) -> list[covmap.Analysis]:
    covmap.analyze(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with path.open("rb") as file:
        return [covmap.analyze(x) for x in (str(path), path.read_bytes(), file, image, dataset, np.zeros((9, 9)))]


def table(paths: list[Path]) -> list[dict[str, object]]:
    return [covmap.to_row(result) for result in covmap.analyze_many(paths, progress=True)]


def by_hand(x: npt.NDArray[np.float64]) -> covmap.Detection:
    model = covmap.Model()
    prediction = stages.network(stages.preprocess(covmap.Radiograph(x), model), model)
    lungs = stages.lungs(prediction)
    infection = stages.fusion(prediction, lungs)
    severity = stages.severity(infection, lungs, model) if lungs else None
    return stages.detection(infection, severity, model)
