"""`Analysis.plot`; matplotlib is imported when it is called."""

from typing import Any

import numpy as np

from ._errors import ParameterError


def plot(analysis: Any, radiograph: Any = None) -> Any:
    """Radiograph, infection map with its colour bar, and zone shares, as a matplotlib Figure."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plot needs matplotlib: pip install covmap[plot]") from error
    radiograph = radiograph or analysis.radiograph
    if radiograph is None:
        raise ParameterError("an unpickled analysis carries no radiograph: pass radiograph=covmap.Radiograph(...)")

    figure = Figure(figsize=(12, 4), layout="constrained")
    film, picture, zones = figure.subplots(1, 3)
    for axes, title in ((film, analysis.file or "radiograph"), (picture, "probability of opacity")):
        axes.set_title(title)
        axes.set_axis_off()
    grey = radiograph.display()
    film.imshow(grey, cmap="gray", vmin=0, vmax=255)
    picture.imshow(grey, cmap="gray", vmin=0, vmax=255)
    probability = np.ma.masked_equal(analysis.infection_map, 0) / 255
    shown = picture.imshow(probability, cmap="jet", vmin=0, vmax=1, alpha=0.6)
    figure.colorbar(shown, ax=picture)
    if analysis.lung_mask is not None:
        lungs = analysis.lung_mask
        for axes in (film, picture):
            if lungs.min() < lungs.max() and min(lungs.shape) > 1:
                axes.contour(lungs > 0, [0.5], colors="white", linewidths=0.8)
    _zones(zones, analysis.severity)
    return figure


def _zones(axes: Any, severity: Any) -> None:
    """The six zones as they lie in the picture: A, B, C at its left."""
    axes.set_title("infected share of each zone")
    axes.set_axis_off()
    if severity is None:
        return
    shares = severity.zone_shares
    grid = np.array([[shares["A"], shares["D"]], [shares["B"], shares["E"]], [shares["C"], shares["F"]]], dtype=float)
    axes.imshow(grid, cmap="Reds", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(grid):
        zone = "ABC"[row] if column == 0 else "DEF"[row]
        text = "no lung" if np.isnan(share) else f"{100 * share:.0f} %"
        axes.text(column, row, f"{zone}\n{text}", ha="center", va="center", color="white" if share > 0.6 else "black")
