"""The Segmentation in a web viewer: Cornerstone3D lays its segments over the source, in a headless Chromium.

Installs the viewer from npm into target/viewer. Slow, so a part of tests/full. No patient data.
"""

import functools
import os
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PLACE = ROOT / "target/viewer"
COVMAP = os.environ.get("COVMAP", str(ROOT / "target/release/covmap"))
# The viewer draws with WebGL: by software, where a test machine has no graphics.
FLAGS = ["--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
NODE_ONLY = ("fs", "path", "crypto", "url", "http", "util", "buffer")


def run(*command, cwd=PLACE):
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def site():
    """The bundled viewer with a phantom and its Segmentation."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "viewer.js", "empty.js", "index.html"):
        shutil.copy(HERE / name, PLACE / name)
    run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    worker = "node_modules/@cornerstonejs/dicom-image-loader/dist/esm/decodeImageFrameWorker.js"
    run("npx", "esbuild", "viewer.js", worker, "--bundle", "--format=esm", "--outdir=site", "--entry-names=[name]", "--log-level=error",
        "--define:global=globalThis", *(f"--alias:{name}=./empty.js" for name in NODE_ONLY))
    shutil.copy(PLACE / "index.html", PLACE / "site/index.html")
    run(COVMAP, "phantom", "--out", "site/chest.dcm", "--dicom", "--size", "512")
    run(COVMAP, "analyze", "site/chest.dcm", "--out", "site", "--dicom", "seg", "--quiet")
    return PLACE / "site"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def shown(site):
    """What the viewer says, and the picture that it draws."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 720, "height": 720})
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        page.wait_for_function("window.result", timeout=180_000)
        result = page.evaluate("window.result")
        page.screenshot(path=PLACE / "screenshot.png")
        browser.close()
    server.shutdown()
    assert "error" not in result, result["error"]
    return result, numpy.asarray(Image.open(PLACE / "screenshot.png").convert("RGB")).astype(int)


def test_the_viewer_knows_the_segments(shown):
    result, _ = shown
    assert result["segments"] == ["Right lung", "Left lung", "Opacity"]
    assert result["groups"] == 2, "opacity overlaps the lungs: a labelmap of its own"


def test_coloured_pixels_lie_where_the_masks_are(site, shown):
    result, picture = shown
    lungs, infection = (numpy.asarray(Image.open(site / f"chest.{kind}.png")) for kind in ("lung", "infection"))
    rows, columns = lungs.shape
    (left, top), (right, bottom) = result["first"], result["last"]
    # The middle of every pixel of the radiograph on the screen.
    across = numpy.rint(left + (right - left) * numpy.arange(columns) / (columns - 1)).astype(int)
    down = numpy.rint(top + (bottom - top) * numpy.arange(rows) / (rows - 1)).astype(int)
    seen = picture[numpy.ix_(down, across)]
    red, green, blue = (seen[..., channel] for channel in range(3))
    # Film is grey; what is coloured is a segment. An outline is two pixels wide, so pixels next to an edge may be either.
    coloured = seen.max(axis=2) - seen.min(axis=2) > 12
    edge = numpy.zeros_like(coloured)
    for plane in (lungs, infection >= 128):
        for axis in (0, 1):
            for by in range(-3, 4):
                edge |= numpy.roll(plane, by, axis) != plane
    inside = (lungs > 0) | (infection >= 128)
    assert (inside & ~edge).sum() > 20_000 and ((infection >= 128) & ~edge).sum() > 500
    assert (coloured == inside)[~edge].all(), f"{(coloured != inside)[~edge].sum()} pixels are coloured otherwise than the mask says"
    opacity = infection >= 128
    plain_right, plain_left = (lungs == 1) & ~opacity & ~edge, (lungs == 2) & ~opacity & ~edge
    assert (blue > red)[plain_right].all() and (green > blue)[plain_left].all(), "right and left have their own colours"
    # Red over a lung: redder than the lung's own colour leaves the film.
    warmth = red - (green + blue) / 2
    assert warmth[opacity & ~edge].mean() > warmth[(plain_right | plain_left)].mean() + 30
