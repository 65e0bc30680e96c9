"""Pages that the built command (COVMAP, else target/release/covmap) makes of phantoms, shown without network."""

from pathlib import Path

import pytest
from command import covmap


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A batch of three radiographs, one with a name that wants to be markup, and one file that is none; a comparison."""
    place = tmp_path_factory.mktemp("pages")
    covmap("phantom", "--out", place / "in/chest.dcm", "--dicom", "--size", "1250")
    covmap("phantom", "--out", place / "in/sub/b #1 <i>?.png", "--size", "256", "--seed", "3")
    covmap("phantom", "--out", place / "in/c.png", "--size", "300", "--seed", "4")
    for mask in (place / "in").rglob("*.*.png"):
        mask.unlink()
    (place / "in/broken.png").write_bytes(b"no picture at all")
    covmap("analyze", place / "in", "--recursive", "--out", place / "out", "--html", "--quiet", status=1)
    covmap("compare", place / "in/c.png", place / "in/sub/b #1 <i>?.png", "--dates", "2020-03-01,2020-03-08", "--out", place / "compared", "--quiet")
    return place


@pytest.fixture
def show(watched):
    """Opens a page and fails where it logs an error, breaks its policy, throws, or asks for anything but files."""

    def show(path, ready=True, **options):
        page = watched(("file:", "data:"), viewport={"width": 1300, "height": 900}, **options)
        page.on("console", lambda message: watched.faults.append(message.text) if message.type in ("error", "warning") else None)
        page.on("requestfailed", lambda request: watched.faults.append(f"failed: {request.url[:200]}"))
        page.goto(Path(path).as_uri())
        if ready:
            page.wait_for_selector("body[data-ready]")
        return page

    show.faults = watched.faults
    return show
