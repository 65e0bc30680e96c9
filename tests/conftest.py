"""What tests of several folders share."""

import os

import pytest
from native import RELEASE, Installed, run


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def dicom(tmp_path_factory):
    path = tmp_path_factory.mktemp("phantom") / "chest.dcm"
    run(RELEASE / "covmap", "phantom", "--out", path, "--dicom")
    return path


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium that asks for nothing by itself."""
    from playwright.sync_api import sync_playwright

    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=flags)
        yield browser
        browser.close()
