"""A sample of the hostile corpus; `tests/full hostile` has all of it."""

import run


def test_a_sample_of_damaged_files(tmp_path):
    assert run.main(300, stub=True, record=False, folder=tmp_path) == 0
