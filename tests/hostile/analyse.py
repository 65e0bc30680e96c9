"""What the Python package makes of damaged files: reads paths, a line each, and says of every file "ok" or the kind of its error.

analyse.py [MODEL]
"""

import sys

import numpy

import covmap

pipeline = covmap.Pipeline(sys.argv[1] if len(sys.argv) > 1 else None, threads=1)
picture = (numpy.arange(64 * 80, dtype=numpy.uint32) * 2654435761 >> 16).astype(numpy.uint16).reshape(64, 80)
for line in sys.stdin:
    path = line.rstrip("\n")
    try:
        if path.endswith(".onnx"):
            covmap.Pipeline(path, threads=1).analyze(picture)
        else:
            pipeline.analyze(path)
        outcome = "ok"
    except covmap.CovmapError as error:
        assert str(error), path
        outcome = type(error).__name__.removesuffix("Error")
    print(outcome, flush=True)
