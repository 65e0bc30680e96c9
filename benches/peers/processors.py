"""What the processors give together. Two of a virtual machine may be threads of one core for a while, and compute no more
than one then, whoever uses them.
"""
import os
import threading

for library in ("OPENBLAS", "MKL", "OMP"):
    os.environ[library + "_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402

from support import serve, times_of  # noqa: E402

SIDE, RUNS = 512, 6


def products(processors):
    """Milliseconds of some matrix products, on each of these processors at the same time."""
    a, took, together = np.ones((SIDE, SIDE), np.float32), {}, threading.Barrier(len(processors), timeout=60)

    def on(processor):
        os.sched_setaffinity(0, {processor})    # of this thread alone
        a @ a
        together.wait()
        took[processor] = sum(times_of(lambda: a @ a, RUNS))
    threads = [threading.Thread(target=on, args=(p,)) for p in processors]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return took


def given():
    """All processors at the same time, in numbers of one that has the machine for itself."""
    processors = sorted(os.sched_getaffinity(0))
    alone = min(products([p])[p] for p in processors)
    return sum(alone / ms for ms in products(processors).values())


if __name__ == "__main__":
    serve(given)
