"""A scripted reader whose server is killed at random moments: what was acknowledged is there again, and nothing else is
but the stroke in flight."""

import http.client
import random
import threading
import time
import urllib.error

import numpy
from annotating import Served, pack, phantoms

SIZE = 256


def stroke(rng, mask):
    """A disc somewhere, in some value; and the mask with it."""
    y, x, r = rng.randrange(SIZE), rng.randrange(SIZE), rng.randrange(3, 30)
    x0, x1, y0, y1 = max(0, x - r), min(SIZE, x + r), max(0, y - r), min(SIZE, y + r)
    drawn = mask.copy()
    rows, columns = numpy.mgrid[y0:y1, x0:x1]
    drawn[y0:y1, x0:x1][(rows - y) ** 2 + (columns - x) ** 2 < r * r] = rng.randrange(3)
    return [x0, y0, x1 - x0, y1 - y0], pack(drawn[y0:y1, x0:x1]), drawn


def edit_under_fire(folder, kills, seed=1):
    """Returns (strokes acknowledged, strokes that were in flight at a kill and are there)."""
    rng = random.Random(seed)
    served = Served(phantoms(folder / "radiographs", "a.png", size=SIZE), folder / "w", "--models", "none", "--reader", "anna")
    path, mask, version, survived = "api/readers/anna/cases/a/changes", numpy.zeros((SIZE, SIZE), numpy.uint8), 0, 0
    for _ in range(kills):
        served.ask("api/readers/anna/cases/a")
        killer = threading.Timer(rng.uniform(0.0, 0.4), served.process.kill)
        killer.start()
        while True:
            box, runs, drawn = stroke(rng, mask)
            change = dict(part="infection", key=f"{version + 1}-{rng.random()}", version=version + 1, seconds=0.1, tool="brush", source="hand", box=box, runs=runs)
            try:
                served.ask(path, change)
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError):
                break
            mask, version = drawn, version + 1
        killer.join()
        served.kill()
        served.start()
        found = served.ask("api/readers/anna/cases/a")["draft"]["versions"]["infection"]
        assert found in (version, version + 1), f"{version} strokes were acknowledged, {found} are there"
        if found == version + 1:
            mask, version, survived = drawn, found, survived + 1
            # The page does not know that it was saved, and sends it again: it counts once.
            assert served.ask(path, change) == {"version": version}
        assert (served.draft("anna", "a") == mask).all(), "the mask is not what was acknowledged"
        time.sleep(0.01)
    assert served.status("api/readers/anna/cases/a/accept", dict(versions=[0, version, 0, 0], seconds=0, key="k")) == 200
    assert (served.mask("anna", "a") == mask).all()
    served.kill()
    return version, survived
