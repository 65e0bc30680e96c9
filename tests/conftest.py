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


@pytest.fixture
def watched(browser):
    """Opens empty pages, each in a context of its own (`options`); fails where a script throws, or where anything is asked for
    whose address does not begin as `own` says. What else a test finds wrong goes to `watched.faults`."""
    contexts, faults = [], []

    def watched(own, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: faults.append(f"asked for {request.url[:200]}") if not request.url.startswith(own) else None)
        return page

    watched.faults = faults
    yield watched
    for context in contexts:
        context.close()
    assert not faults, faults
