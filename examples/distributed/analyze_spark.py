"""The same as `analyze_ray.py` on Spark: `python analyze_spark.py SOURCE OUT [--master local[2,4]] [--shard N]`.

`mapInPandas` gets shards, so that Spark may do one again after a task has failed (the 4 of `local[2,4]` is how often).
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pandas
import shards
from pyspark.sql import SparkSession


def analyzer(out: str):
    def analyze(batches: Iterator[pandas.DataFrame]) -> Iterator[pandas.DataFrame]:
        for batch in batches:
            done = [shards.analyze(json.loads(shard), Path(out)) for shard in batch["shard"]]
            yield pandas.DataFrame({"images": done})

    return analyze


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--master", default="local[2,4]")
    parser.add_argument("--shard", type=int, default=100, help="images a shard, for folders")
    arguments = parser.parse_args()

    spark = SparkSession.builder.master(arguments.master).config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    spark.sparkContext.addPyFile(shards.__file__)
    source, out = arguments.source.resolve(), arguments.out.resolve()
    todo = shards.missing(shards.plan(source, out, arguments.shard), out)
    began, images = time.perf_counter(), 0
    if todo:
        rows = spark.createDataFrame([(json.dumps(shard),) for shard in todo], "shard string").repartition(len(todo))
        images = sum(row.images for row in rows.mapInPandas(analyzer(str(out)), "images long").collect())
    seconds = time.perf_counter() - began
    print(f"{images} images in {seconds:.1f} s, {images / seconds:.1f} a second")
    spark.stop()


if __name__ == "__main__":
    main()
