"""Runs a command for as long as the process lives that asked for it: ``python lifeline.py PID COMMAND…``.

A server that still imports its libraries cannot look after itself, and one with workers of its own would leave them.
"""

import os
import signal
import subprocess
import sys
import time


def main() -> int:
    """Starts the command in this process's group, which ends as one when the process PID has died."""
    asked, *command = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: None)  # it reaches the command too, which may need its time
    process = None
    while process is None or process.poll() is None:
        if os.getppid() != int(asked):
            os.killpg(0, signal.SIGKILL)
        process = process or subprocess.Popen(command)
        time.sleep(0.1)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


if __name__ == "__main__":
    sys.exit(main())
