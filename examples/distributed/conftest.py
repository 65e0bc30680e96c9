import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--images", type=int, default=40)
