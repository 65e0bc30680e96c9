"""The report of one radiograph: what the controls do to the picture, and what is there without a mouse or light."""

import base64
import io
import json

import numpy
import pytest
from PIL import Image


def picture(page):
    """The canvas as it is now: height x width x 3."""
    png = page.evaluate("() => document.getElementById('view').toDataURL('image/png')").removeprefix("data:image/png;base64,")
    return numpy.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))


def put(page, control, value):
    page.evaluate(
        "([id, value]) => { const e = document.getElementById(id); if (e.type === 'checkbox') e.checked = value; else e.value = value;"
        " e.dispatchEvent(new Event('input', {bubbles: true})); return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))) }",
        [control, value],
    )


def bare(page):
    for control in ("contour", "lungs", "zones"):
        put(page, control, False)


def test_the_picture_is_the_overlay_of_the_command(place, show):
    """At native size, without outlines of the page: pixel for pixel, up to rounding."""
    page = show(place / "out/c.html")
    bare(page)
    shown = picture(page).astype(int)
    overlay = numpy.asarray(Image.open(place / "out/c.overlay.png")).astype(int)
    drawn = numpy.asarray(Image.open(place / "out/c.lung.png")) > 0
    # The file has outlines of the lungs: away from them.
    edge = numpy.zeros_like(drawn)
    for axis in (0, 1):
        for by in (-3, -2, -1, 1, 2, 3):
            edge |= numpy.roll(drawn, by, axis) != drawn
    assert shown.shape == overlay.shape
    assert numpy.abs(shown - overlay)[~edge].max() <= 2
    infection = numpy.asarray(Image.open(place / "out/c.infection.png"))
    assert (infection[~edge] >= 128).sum() > 100


def test_every_control_changes_the_picture_it_should(place, show):
    page = show(place / "out/c.html")
    infection = numpy.asarray(Image.open(place / "out/c.infection.png"))
    first = picture(page)
    put(page, "opacity", 0)
    clear = picture(page)
    changed = (first != clear).any(axis=2)
    assert changed.sum() > 1000 and not changed[infection == 0].any()
    assert page.inner_text("#opacity-value") == "0 %"
    bare(page)
    film = picture(page)
    assert (film[..., 0] == film[..., 1]).all() and (film[..., 1] == film[..., 2]).all(), "film alone is grey"
    put(page, "contour", True)
    for threshold in (128, 200):
        put(page, "threshold", threshold)
        white = (picture(page) != film).any(axis=2)
        assert white.sum() > 30 and (infection[white] >= threshold).all(), "the contour is the edge of what lies above the threshold"
    assert page.inner_text("#threshold-value") == f"{200 / 255:.2f}"
    put(page, "contour", False)
    put(page, "lungs", True)
    lungs = numpy.asarray(Image.open(place / "out/c.lung.png"))
    marked = (picture(page) != film).any(axis=2)
    assert set(numpy.unique(lungs[marked])) == {1, 2}
    put(page, "lungs", False)
    put(page, "zones", True)
    assert (picture(page) != film).any(axis=2).sum() > 500
    put(page, "zones", False)
    put(page, "opacity", 100)
    jet = picture(page)
    put(page, "colours", "cividis")
    assert ((jet != picture(page)).any(axis=2)[infection >= 128]).mean() > 0.9
    page.click("#restore")
    page.wait_for_function("() => document.getElementById('opacity-value').textContent === '60 %'")
    assert (picture(page) == first).all()


def test_the_threshold_tells_the_share_of_the_json(place, show):
    page = show(place / "out/chest.html")
    shares = json.loads((place / "out/chest.json").read_text())["infection"]
    said = page.inner_text("#reading")
    for key, words in (("share", "of both lungs"), ("right_share", "of the right"), ("left_share", "of the left")):
        assert f"{100 * shares[key]:.1f} % {words}" in said
    assert "the threshold of all figures" in said
    put(page, "threshold", 255)
    assert page.inner_text("#reading") != said and "of all figures" not in page.inner_text("#reading")
    assert max(picture(page).shape) <= 1200, "pages show large radiographs reduced"


def test_keyboard_and_readers(place, show):
    page = show(place / "out/c.html")
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.id"))
    assert reached == ["opacity", "threshold", "heat", "contour", "lungs", "zones", "colours", "restore"]
    before = picture(page)
    page.focus("#opacity")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.getElementById('opacity-value').textContent === '65 %'")
    assert (picture(page) != before).any()
    for name in ("Opacity", "Threshold"):
        assert page.get_by_role("slider", name=name).count() == 1
    for name in ("Heat map", "Contour at threshold", "Lungs", "Zones"):
        assert page.get_by_role("checkbox", name=name).count() == 1
    view = page.get_by_role("img", name="The radiograph with the opacity map")
    assert view.count() == 1 and "% of the lungs" in view.get_attribute("aria-label")
    assert page.evaluate("() => document.documentElement.lang") == "en"
    assert page.evaluate("() => [...document.images].every(i => i.hasAttribute('alt'))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_dark_and_print(place, show, scheme):
    page = show(place / "out/chest.html", color_scheme=scheme)
    light = lambda: sum(map(int, page.evaluate("() => getComputedStyle(document.body).backgroundColor").removeprefix("rgb(").removesuffix(")").split(","))) > 380
    assert light() == (scheme == "light")
    page.emulate_media(media="print")
    assert light() and not page.is_visible(".tools") and page.is_visible("#view")
    assert page.pdf().startswith(b"%PDF")


def test_the_policy_holds(place, show):
    page = show(place / "out/c.html", ready=True)
    policy = page.get_attribute("meta[http-equiv]", "content")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-") and "script-src 'sha256-" in policy and "unsafe" not in policy
    ran = page.evaluate("() => { const s = document.createElement('script'); s.textContent = 'window.injected = 1'; try { document.body.append(s) } catch {} return window.injected }")
    assert ran is None
    page.wait_for_timeout(100)
    assert any("Content Security Policy" in fault for fault in show.faults)
    show.faults.clear()


def test_the_comparison_page(place, show):
    page = show(place / "compared/compare.html", ready=False)
    numbers = json.loads((place / "compared/compare.json").read_text())["comparisons"][0]
    text = page.inner_text("main")
    for region in ("both", "right", "left"):
        assert f"{100 * numbers['regions'][region]['difference']:+.1f}" in text
    assert "2020-03-01" in page.inner_html("svg") and "7 days" in text and "not a diagnosis" in text
    assert page.evaluate("() => [...document.images].every(i => i.naturalWidth > 0 && i.alt)")
