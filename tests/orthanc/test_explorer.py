"""The button in Orthanc Explorer, pressed in a headless Chromium. Screenshots go to target/orthanc-explorer."""

from io import BytesIO

import numpy
import pytest
from native import TOP
from PIL import Image
from server import until

SHOTS = TOP / "target/orthanc-explorer"


@pytest.fixture
def explorer(watched):
    """Opens an instance in Orthanc Explorer; fails where a script throws, or another host is asked."""

    def open(server, instance):
        own = f"http://127.0.0.1:{server.http}/"
        page = watched((own, "data:"), viewport={"width": 1300, "height": 900})
        page.goto(f"{own}app/explorer.html#instance?uuid={instance}")
        page.wait_for_selector("#covmap-button", state="visible")
        return page

    return open


def shot(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def test_the_button_shows_the_overlay_and_what_was_found(orthanc, radiographs, explorer):
    # No series becomes stable in time: the button alone asks for the analysis.
    server = orthanc(StableAge=3600)
    instance = server.upload(radiographs.make(1))
    page = explorer(server, instance)
    assert page.inner_text("#covmap-result") == ""
    page.click("#covmap-button")
    picture = page.wait_for_selector("#covmap-result img", state="visible")
    page.wait_for_function("picture => picture.complete && picture.naturalWidth === 512", arg=picture)
    assert server.status()["analyzed"] == 1
    share = server.get(f"/instances/{instance}/covmap")["infection"]["share"]
    text = page.inner_text("#covmap-result")
    assert f"consistent with COVID-19 pneumonia: {100 * share:.1f} % of the lungs" in text and "never a diagnosis" in text
    picture.scroll_into_view_if_needed()
    shot(page, "analysed")
    # What is on the screen is the overlay: opacity is coloured, film is grey.
    seen = numpy.asarray(Image.open(BytesIO(picture.screenshot())).convert("RGB")).astype(int)
    coloured = seen.max(axis=2) - seen.min(axis=2) > 40
    assert 0.01 < coloured.mean() < 0.5

    # The picture leads to itself in full size.
    with page.context.expect_page() as opened:
        picture.click()
    opened.value.wait_for_load_state()
    assert opened.value.url.endswith(f"/instances/{instance}/covmap/overlay")
    # Pressed again: the same result, and no second analysis.
    page.click("#covmap-button")
    page.wait_for_selector("#covmap-result img", state="visible")
    until(lambda: server.status()["known"] == 1)
    assert server.status()["analyzed"] == 1


def no_chest(data):
    data.BodyPartExamined = "HAND"


def test_the_button_says_why_there_is_no_result(orthanc, radiographs, explorer):
    server = orthanc(StableAge=3600)
    hand, chest = server.upload(radiographs.make(1, no_chest)), server.upload(radiographs.make(2))
    page = explorer(server, hand)
    page.click("#covmap-button")
    page.wait_for_selector("#covmap-result :text('HAND')")
    shot(page, "refused")
    # Another instance is shown on the same page, without what was said of the first.
    series = server.get(f"/instances/{chest}/series")["ID"]
    page.evaluate(f"$.mobile.changePage('#series?uuid={series}')")
    page.click(f"#series a[href*='{chest}']")
    page.wait_for_selector("#covmap-button", state="visible")
    assert page.inner_text("#covmap-result") == ""
    # A deleted instance is not waited for.
    server.request("DELETE", f"/instances/{chest}")
    page.click("#covmap-button")
    page.wait_for_selector("#covmap-result :text('no such instance')")
