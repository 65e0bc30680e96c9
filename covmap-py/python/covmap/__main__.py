"""The `covmap` command, the same as that of the Rust binary; also `python -m covmap`."""

import signal
import sys

from ._covmap import run_command


def main() -> int:
    # Python only notes Ctrl-C and acts on it back in Python code, which here is after the run.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return run_command(["covmap", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
