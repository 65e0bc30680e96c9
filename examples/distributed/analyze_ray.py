"""Radiographs to a table of results on a Ray cluster: `python analyze_ray.py SOURCE OUT [--workers N] [--shard N]`.

SOURCE is a folder of images, or of Parquet files with the columns `name` and `image`, at the same place on every node. Start it
again after any failure: it goes on where it stopped. An actor that dies is replaced and its shard done again.
"""

import argparse
import logging
import time
from pathlib import Path

import ray
import shards


class Analyzer:
    """Loads the pipeline before the first shard; Ray makes one per worker."""

    def __init__(self, out: str) -> None:
        self.out = Path(out)
        shards.pipeline()

    def __call__(self, batch: dict) -> dict:
        return {"images": [shards.analyze(shard, self.out) for shard in batch["item"]]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard", type=int, default=100, help="images a shard, for folders")
    arguments = parser.parse_args()

    ray.init(logging_level=logging.ERROR, runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}})
    source, out = arguments.source.resolve(), arguments.out.resolve()
    todo = shards.missing(shards.plan(source, out, arguments.shard), out)
    began, images = time.perf_counter(), 0
    if todo:
        work = ray.data.from_items([{"item": shard} for shard in todo], override_num_blocks=len(todo)).map_batches(
            Analyzer,
            fn_constructor_args=(str(out),),
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=min(arguments.workers, len(todo))),
        )
        images = sum(row["images"] for row in work.iter_rows())
    seconds = time.perf_counter() - began
    print(f"{images} images in {seconds:.1f} s, {images / seconds:.1f} a second")


if __name__ == "__main__":
    main()
