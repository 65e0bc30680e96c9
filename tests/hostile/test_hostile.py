"""A sample of the hostile corpus; `tests/full hostile` has all of it."""

import sys

import run


def test_a_sample_of_damaged_files(tmp_path):
    assert run.main(300, stub=True, record=False, folder=tmp_path) == 0


def test_crashes_and_hangs_are_noticed(monkeypatch):
    monkeypatch.setattr(run, "HANG_S", 1)
    monkeypatch.setattr(run, "START_S", 1)
    program = """
import os, sys, time
for line in sys.stdin:
    if "abort" in line:
        os.abort()
    if "sleep" in line:
        time.sleep(60)
    print("ok", flush=True)
"""
    outcomes, _, peak = run.watched([sys.executable, "-c", program], ["a", "abort", "b", "sleep", "abort", "c"])
    assert outcomes == ["ok", "crash", "ok", "hang", "crash", "ok"]
    assert peak > 1
