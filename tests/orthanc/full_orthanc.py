"""The long tests of the plugin: `tests/full orthanc`. They print what they measure."""

import resource
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
from native import RELEASE, run
from server import analyzed_once, until


def test_two_hundred_studies_at_the_speed_of_the_command(orthanc, radiographs, tmp_path):
    files = [radiographs.make(i) for i in range(200)]
    folder = tmp_path / "files"
    folder.mkdir()
    for i, file in enumerate(files):
        (folder / f"{i}.dcm").write_bytes(file)
    server = orthanc({"Workers": 2}, StableAge=3600)
    with ThreadPoolExecutor(4) as pool:
        instances = list(pool.map(server.upload, files))
    seconds = {"command": [], "plugin": []}
    # Of processor, which says more than a clock where other work runs beside.
    process = psutil.Process(server.process.pid)
    before = resource.getrusage(resource.RUSAGE_CHILDREN), process.cpu_times()
    # In turn, as other work comes and goes on the machine: quarters of the studies.
    for quarter in range(4):
        part = [folder / f"{i}.dcm" for i in range(quarter, 200, 4)]
        began = time.monotonic()
        out = tmp_path / f"out-{quarter}"
        run(RELEASE / "covmap", "analyze", *part, "--out", out, "--dicom", "seg,sr,sc", "--threads", 2, "--quiet")
        seconds["command"].append(time.monotonic() - began)
        began = time.monotonic()
        server.post("/covmap/analyze", {"Resources": instances[quarter::4]})
        until(lambda: server.status()["analyzed"] == 50 * (quarter + 1), 500, 0.01)
        seconds["plugin"].append(time.monotonic() - began)
    after = resource.getrusage(resource.RUSAGE_CHILDREN), process.cpu_times()
    command = sum(getattr(after[0], name) - getattr(before[0], name) for name in ["ru_utime", "ru_stime"])
    plugin = sum(getattr(after[1], name) - getattr(before[1], name) for name in ["user", "system"])
    assert analyzed_once(server, instances)
    relative = sum(seconds["command"]) / sum(seconds["plugin"])
    print(f"\n200 studies: command {sum(seconds['command']):.1f} s, plugin {sum(seconds['plugin']):.1f} s, {relative:.2f} times its speed")
    print(f"processor time of 200 studies: command {command:.1f} s, plugin {plugin:.1f} s, a ratio of {command / plugin:.2f}")
    assert relative >= 0.8


def test_memory_stays_flat_over_a_thousand_instances(orthanc, radiographs):
    server = orthanc({"Workers": 2}, StableAge=3600)

    def resident():
        with open(f"/proc/{server.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    memory = []
    for batch in range(10):
        instances = [server.upload(radiographs.make(100 * batch + i)) for i in range(100)]
        server.post("/covmap/analyze", {"Resources": instances})
        until(lambda: server.status()["analyzed"] == 100 * (batch + 1), 500)
        memory.append(resident())
    print("\nMiB after each hundred instances:", " ".join(f"{m:.0f}" for m in memory))
    # What the allocator and SQLite's cache settle at is reached after a few hundred.
    assert memory[-1] < 1.15 * memory[2] + 16
