"""What tests of several folders share."""

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
