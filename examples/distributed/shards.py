"""What Ray and Spark share: images in shards, a shard in one Parquet file that is whole or absent.

Whoever does the work may die at any moment and a shard may be done twice: its file has one name, is written beside and renamed into
place. So a run that is started again does what is missing, and no image is lost or doubled. The division is written down once
(`plan.json`), so that a folder that grows meanwhile does not shift it.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import covmap
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Shard = dict[str, Any]

ENDINGS = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm"}
TRUTHS = {"quality_good", "detection_positive"}
TEXTS = {
    *("schema", "input_file", "input_sha256", "input_spacing_mm", "input_view", "quality_flags"),
    *("severity_grade", "detection_operating_point", "model", "error"),
}


def plan(source: Path, out: Path, size: int) -> list[Shard]:
    """The shards of a folder of images (`size` files each) or of Parquet files (a row group each); the same in every run."""
    out.mkdir(parents=True, exist_ok=True)
    written = out / "plan.json"
    if not written.exists():
        tables = [source] if source.suffix == ".parquet" else sorted(source.rglob("*.parquet"))
        if tables:
            shards = [{"table": str(t), "group": g} for t in tables for g in range(pq.ParquetFile(t).num_row_groups)]
        else:
            files = sorted(str(f) for f in source.rglob("*") if f.suffix.lower() in ENDINGS)
            shards = [{"files": files[i : i + size]} for i in range(0, len(files), size)]
        whole(written, lambda file: file.write(json.dumps([{"id": i, **s} for i, s in enumerate(shards)]).encode()))
    return json.loads(written.read_text())


def missing(shards: list[Shard], out: Path) -> list[Shard]:
    """Those without a result."""
    return [s for s in shards if not result(s, out).exists()]


@cache
def pipeline() -> covmap.Pipeline:
    """One per process, with one thread: processes are what runs in parallel."""
    return covmap.Pipeline(threads=1)


def result(shard: Shard, out: Path) -> Path:
    return out / f"part-{shard['id']:08}.parquet"


def inputs(shard: Shard) -> tuple[list[str], list[Any]]:
    """Keys and images: paths of files, or the columns `name` and `image` (the bytes of a file) of a row group."""
    if "files" in shard:
        return shard["files"], [Path(f) for f in shard["files"]]
    group = pq.ParquetFile(shard["table"]).read_row_group(shard["group"], columns=["name", "image"])
    return group["name"].to_pylist(), group["image"].to_pylist()


def analyze(shard: Shard, out: Path) -> int:
    """Analyses a shard and writes its file; the number of images."""
    keys, images = inputs(shard)
    rows = [{"key": key, **covmap.to_row(r)} for key, r in zip(keys, pipeline().analyze_many(images), strict=True)]
    table = pa.Table.from_pylist(rows, schema=schema())
    whole(result(shard, out), lambda file: pq.write_table(table, file))
    return len(rows)


@cache
def schema() -> pa.Schema:
    """One schema, also for a shard of which every image fails: the columns of any analysis."""
    columns = covmap.to_row(pipeline().analyze(np.zeros((64, 64), np.uint8)))
    kinds = {name: pa.string() if name in TEXTS else pa.bool_() if name in TRUTHS else pa.float64() for name in columns}
    return pa.schema([("key", pa.string()), *kinds.items()])


def whole(path: Path, write: Any) -> None:
    """Writes a file that is whole or absent."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".covmap-", delete=False) as file:
        try:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, path)


def results(out: Path) -> Iterator[pa.Table]:
    """The results, shard by shard."""
    for part in sorted(out.glob("part-*.parquet")):
        yield pq.read_table(part)
