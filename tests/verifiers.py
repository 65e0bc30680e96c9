"""Programs of the system that judge DICOM objects."""

import shutil
import subprocess

import pytest


def tool(name):
    """A program that a package of the system brings."""
    return shutil.which(name) or pytest.fail(f"{name} is not installed (Debian: dicom3tools, dcmtk); tests/run does it")


def said(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout, done.stderr


def dciodvfy(file):
    """All lines of its verdict, among them what it takes the object for, and those of them that are faults."""
    _, out, err = said(tool("dciodvfy"), file)
    lines = (out + err).splitlines()
    return lines, [line for line in lines if line.startswith(("Error", "Abort"))]
