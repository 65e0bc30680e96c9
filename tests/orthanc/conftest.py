import os
from pathlib import Path

import pytest
from server import Orthanc, Radiographs, build_plugin


@pytest.fixture(scope="session")
def plugin(request, tmp_path_factory):
    # To work on the tests alone.
    if given := os.environ.get("COVMAP_ORTHANC_PLUGIN"):
        return Path(given)
    return build_plugin(request.getfixturevalue("installed"), tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="session")
def radiographs(tmp_path_factory):
    return Radiographs(tmp_path_factory.mktemp("radiographs"))


@pytest.fixture
def orthanc(plugin, tmp_path):
    """Makes servers, each with a folder of its own unless one is given; they end with the test."""
    servers = []

    def make(covmap=None, plugin=plugin, folder=None, **settings):
        folder = folder or tmp_path / f"orthanc-{len(servers)}"
        folder.mkdir(exist_ok=True)
        servers.append(Orthanc(folder, plugin, covmap, **settings).start())
        return servers[-1]

    yield make
    for server in servers:
        server.stop()
