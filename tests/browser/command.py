"""The built command (COVMAP, else target/release/covmap)."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COVMAP = os.environ.get("COVMAP", str(ROOT / "target/release/covmap"))


def covmap(*arguments, status=0):
    done = subprocess.run([COVMAP, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done
