"""Both examples as users run them, from a folder and from Parquet; one worker is killed on the way. `--images` says how many."""

import collections
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import covmap
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shards

HERE = Path(__file__).parent
COMMAND = Path(sys.executable).with_name("covmap")
SPARK = pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is for tests/full")
SHARD = 5
EXAMPLES = ["analyze_ray.py", pytest.param("analyze_spark.py", marks=SPARK)]
# What the worker processes of each call themselves.
WORKERS = {"analyze_ray.py": "Analyzer", "analyze_spark.py": "pyspark.daemon"}


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms under many names, and one file that is none."""
    count = request.config.getoption("--images")
    folder = tmp_path_factory.mktemp("images")
    for seed in range(8):
        subprocess.run([COMMAND, "phantom", "--out", folder / f"{seed:05}.png", "--size", "256", "--seed", str(seed)], check=True)
        for masks in folder.glob("*.*.png"):
            masks.unlink()
    for i in range(8, count - 1):
        shutil.copy(folder / f"{i % 8:05}.png", folder / f"{i:05}.png")
    (folder / "damaged.png").write_bytes(b"not an image")
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, float | None]:
    files = sorted(folder.iterdir())
    began = time.perf_counter()
    rows = [covmap.to_row(r) for r in covmap.Pipeline(threads=2).analyze_many(files)]
    seconds = time.perf_counter() - began
    print(f"\none process, two threads: {len(files)} images in {seconds:.1f} s, {len(files) / seconds:.1f} a second")
    return {str(f): row.get("infection_share") for f, row in zip(files, rows, strict=True)}


def start(example: str, source: Path, out: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, HERE / example, source, out, "--shard", str(SHARD)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=HERE)


def named(process: psutil.Process, part: str) -> bool:
    try:
        return part in " ".join(process.cmdline())
    except psutil.Error:  # ended meanwhile
        return False


def finish(process: subprocess.Popen) -> str:
    text = process.communicate(timeout=500)[0]
    assert process.returncode == 0
    return next(line for line in reversed(text.splitlines()) if " images in " in line)


def found(out: Path) -> dict[str, float | None]:
    rows = [row for table in shards.results(out) for row in table.select(["key", "infection_share"]).to_pylist()]
    doubled = [key for key, n in collections.Counter(row["key"] for row in rows).items() if n > 1]
    assert not doubled
    return {row["key"]: row["infection_share"] for row in rows}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_killed_worker_loses_and_doubles_nothing(example: str, folder: Path, expected: dict, tmp_path: Path) -> None:
    running = start(example, folder, tmp_path)
    while not any(tmp_path.glob("part-*.parquet")):
        assert running.poll() is None
        time.sleep(0.05)
    # Descendants of the process that this test started, and no others.
    tree = psutil.Process(running.pid).children(recursive=True)
    leaves = [p for p in tree if named(p, WORKERS[example]) and not p.children()]
    assert leaves, tree
    assert len(list(tmp_path.glob("part-*.parquet"))) * SHARD < len(expected), "there is work left"
    leaves[-1].kill()
    print(f"\n{example}, with a worker killed: {finish(running)}")
    assert found(tmp_path) == expected

    # A run that was stopped goes on where it stopped: only what is missing is done.
    parts = sorted(tmp_path.glob("part-*.parquet"))
    times = {p: p.stat().st_mtime_ns for p in parts[1:]}
    parts[0].unlink()
    assert finish(start(example, folder, tmp_path)).startswith(f"{SHARD} images")
    assert found(tmp_path) == expected
    assert {p: p.stat().st_mtime_ns for p in parts[1:]} == times


@pytest.mark.parametrize("example", EXAMPLES)
def test_parquet_of_image_bytes(example: str, folder: Path, expected: dict, tmp_path: Path) -> None:
    files = sorted(folder.iterdir())
    table = pa.table({"name": [str(f) for f in files], "image": [f.read_bytes() for f in files]})
    pq.write_table(table, tmp_path / "images.parquet", row_group_size=SHARD)
    print(f"\n{example}, Parquet: {finish(start(example, tmp_path / 'images.parquet', tmp_path / 'out'))}")
    assert found(tmp_path / "out") == expected
