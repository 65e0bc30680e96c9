"""What the comparisons share: running commands, workers that stay loaded, rounds, figures."""
import json
import os
import resource
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROCESSORS = len(os.sched_getaffinity(0))
# A child's peak memory starts at that of the process it was forked from: forked from a bare interpreter, it is its own.
MEASURE = """
import resource, subprocess, sys, time
began = time.perf_counter()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, status)
"""


def output(*command):
    """Standard output of a command that must succeed."""
    run = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(str(c) for c in command)}: exit status {run.returncode}\n{run.stderr.strip()}")
    return run.stdout


def measured(*command):
    """Wall time in ms and peak memory in MB of a whole process that must succeed."""
    seconds, peak_kib, status = output(sys.executable, "-I", "-S", "-c", MEASURE, *command).split()
    if int(status):
        sys.exit(f"{' '.join(str(c) for c in command)}: exit status {status}")
    return 1e3 * float(seconds), int(peak_kib) * 1024 / 1e6


class Others:
    """What share of the processors other processes took since this was made; children count once they have ended."""

    def __init__(self):
        self.before = self.times()

    @staticmethod
    def times():
        with open("/proc/stat") as f:
            user, nice, system, idle, wait, interrupts, soft, steal, *_ = (int(n) for n in f.readline().split()[1:])
        busy = (user + nice + system + interrupts + soft + steal) / os.sysconf("SC_CLK_TCK")
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return busy, busy + (idle + wait) / os.sysconf("SC_CLK_TCK"), sum(u.ru_utime + u.ru_stime for u in usages)

    def share(self):
        busy, total, own = (after - before for after, before in zip(self.times(), self.before))
        return max(0, busy - own) / max(total, 1e-9)


class Worker:
    """A program that stays loaded: answers each line of JSON by one. Between questions it sleeps."""

    def __init__(self, *command):
        self.process = subprocess.Popen([sys.executable, *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{' '.join(map(str, self.process.args))}: ended with {self.process.wait()}")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def serve(answer):
    """The worker's side."""
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)


class Whole:
    """Takes blocks while the processors give what they can (processors.py), as far as can be told before and after; else again."""

    ENOUGH = 0.8        # of the most they gave at the start
    TRIES = 20

    def __init__(self):
        self.blocks = self.again = self.kept = 0

    def __enter__(self):
        self.worker = Worker(os.path.join(HERE, "processors.py"))
        self.most = max(self.worker.ask() for _ in range(10))
        return self

    def __exit__(self, *_):
        self.worker.__exit__()

    def block(self, run):
        for _ in range(self.TRIES):
            for _ in range(self.TRIES):
                if self.is_whole():
                    break
            figure = run()
            self.blocks += 1
            if self.is_whole():
                return figure
            self.again += 1
        self.again -= 1
        self.kept += 1
        return figure

    def is_whole(self):
        return self.worker.ask() >= self.ENOUGH * self.most

    def told(self):
        return {"blocks": self.blocks, "again": self.again, "kept": self.kept}


def in_rounds(rounds, contestants, block=lambda run: run()):
    """Each contestant in turn, several times over, so that a change of the machine's speed meets all alike: {name: [by round]}."""
    figures = {name: [] for name in contestants}
    names = list(contestants)
    for i in range(rounds):
        for name in names if i % 2 == 0 else names[::-1]:
            figures[name].append(block(contestants[name]))
    return figures


def in_whole_rounds(rounds, contestants):
    """The same on cores of their own (`Whole`), and how often blocks were taken again for that."""
    with Whole() as processors:
        return in_rounds(rounds, contestants, processors.block), processors.told()


def times_of(run, count):
    """Milliseconds of each of `count` calls."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - began))
    return times


def ratios(ours, theirs):
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def ratio(ours, theirs):
    """Of the medians over all rounds."""
    return statistics.median(ours) / statistics.median(theirs)


def write_json(path, value):
    if path:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "w") as f:
            json.dump(value, f, indent=1)
            f.write("\n")
