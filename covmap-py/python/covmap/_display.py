"""An analysis as a notebook shows it."""

import base64
from html import escape
from typing import Any


def html(analysis: Any) -> str:
    """The overlay beside a table of what was read off it."""
    rows = [("input", analysis.file or "array", ""), ("size", f"{analysis.width} x {analysis.height}", "pixels")]
    if severity := analysis.severity:
        rows += [
            ("opacity", _percent(severity.share), "of the lungs"),
            ("right, left", f"{_percent(severity.right_share)}, {_percent(severity.left_share)}", "of each lung"),
            ("Brixia estimate", _number(severity.brixia_estimate), f"of 18 ({severity.grade or 'no grade'})"),
        ]
    detection = analysis.detection
    sign = {True: "positive", False: "negative", None: "unknown"}[detection.positive]
    rows.append(("detection", f"{sign} ({_number(detection.probability, 2)})", f"from {detection.threshold:.2f}"))
    rows.append(("quality", "good" if analysis.quality.good else ", ".join(analysis.quality.flags), ""))
    cells = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td><td>{escape(c)}</td></tr>" for a, b, c in rows)
    picture = base64.b64encode(analysis._repr_png_()).decode()
    return (
        '<div style="display:flex;gap:1em;align-items:center">'
        f'<img alt="infection map" style="max-height:320px" src="data:image/png;base64,{picture}">'
        f"<table>{cells}<caption>Opacity consistent with COVID-19 pneumonia. Research use, never a diagnosis.</caption></table></div>"
    )


def _percent(share: float | None) -> str:
    return "none found" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None, digits: int = 1) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"
