"""The README's Python, run as it stands beside a `chest.dcm`."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[2] / "README.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(SNIPPETS) == 1
    command = str(Path(sys.executable).with_name("covmap"))
    subprocess.run([command, "phantom", "--dicom", "--out", tmp_path / "chest.dcm"], check=True)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(SNIPPETS[0], str(README), "exec"), names)
    opacity, result = names["opacity"], names["analysis"].to_dict()
    assert (opacity.dtype, np.count_nonzero(opacity)) == (bool, result["infection"]["area_px"])
    assert capsys.readouterr().out == f"{names['analysis'].severity!r}\n"
