"""Threads overlap; processes fork and spawn."""

import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import covmap

GREY = np.add.outer(np.arange(1200), np.arange(1100)).astype(np.uint16) * 25
SHARED = covmap.Pipeline(threads=2)


def test_another_thread_runs_during_one_analysis(pipeline: covmap.Pipeline) -> None:
    """With the interpreter held, nothing of this loop would happen between the call's begin and end."""
    began, ended = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        pipeline.analyze(GREY)
        ended.set()

    worker = threading.Thread(target=work)
    worker.start()
    began.wait()
    rounds = 0
    while not ended.is_set():
        time.sleep(0.0005)
        rounds += 1
    worker.join()
    # The pixels are copied with the interpreter held: a moment, and the loop may miss it.
    assert rounds > 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_two_analyses_are_under_way_at_once(pipeline: covmap.Pipeline, phantom: Path, tmp_path: Path) -> None:
    """Each waits in Rust for its pipe: both pipes can be written only while both calls are inside. No clock decides."""
    content, pipes = phantom.read_bytes(), [tmp_path / name for name in "ab"]
    for pipe in pipes:
        os.mkfifo(pipe)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(pipeline.analyze, pipe) for pipe in pipes]
        # Opening for writing waits until Rust has opened for reading.
        writers = [pipe.open("wb") for pipe in pipes]
        assert not any(future.done() for future in running)
        for writer in writers:
            with writer:
                writer.write(content)
        results = [future.result(timeout=60) for future in running]
    assert np.array_equal(results[0].infection_map, results[1].infection_map)


def fraction(x: object) -> float:
    """What a child makes of the parent's pipeline, of its own, of a batch, and of a picture."""
    analysis = SHARED.analyze(x)
    assert covmap.analyze(x) == analysis
    assert covmap.Pipeline(threads=2).analyze(x) == analysis
    assert [r == analysis for r in SHARED.analyze_many([x, x])] == [True, True]
    assert analysis.overlay().shape == (*analysis.infection_map.shape, 3)
    return float(analysis.infection_map.mean())


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_child_processes(method: str) -> None:
    expected = fraction(GREY)  # whatever the parent has started by now is lost in a forked child
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        futures = [pool.submit(fraction, GREY) for _ in range(4)]
        assert [future.result(timeout=120) for future in futures] == [expected] * 4


def test_pipelines_and_results_travel() -> None:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(SHARED.analyze, GREY).result(timeout=120) == SHARED.analyze(GREY)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is POSIX")
def test_a_batch_stays_with_its_process() -> None:
    batch = SHARED.analyze_many([GREY] * 8)
    next(batch)
    child = os.fork()
    if child == 0:
        try:
            next(batch)
        except covmap.ParameterError:
            del batch
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert len(list(batch)) == 7


def test_import_is_quick_and_brings_nothing_but_numpy() -> None:
    code = (
        "import numpy, sys, time; before = set(sys.modules); t = time.perf_counter(); import covmap;"
        "print(time.perf_counter() - t, *{m.split('.')[0] for m in set(sys.modules) - before})"
    )
    runs = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split() for _ in range(3)]
    assert min(float(run[0]) for run in runs) < 0.15
    assert not set(runs[0][1:]) & {"PIL", "pydicom", "matplotlib", "pandas", "tqdm", "torch"}
