"""Measure the CPU that the installed package adds to a pytest start that does not use it.

Two parts. The plugin: one trivial test with it and with ``-p no:gradcheck``, in turn, many times;
the medians of the CPU times of the processes (user and system) are compared. The entry point that
Hypothesis runs, since pytest imports Hypothesis at the end of every session: loaded and called in
processes that have imported Hypothesis and nothing else.

    python tests/plugin/measure_start.py [rounds]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REGISTER = """
import importlib.metadata, sys, time
import hypothesis
found = importlib.metadata.entry_points(group="hypothesis", name="gradcheck")
(entry,) = found
start = time.process_time()
entry.load()()
sys.stdout.write(str(time.process_time() - start))
"""


def start_seconds(arguments: list[str], folder: str) -> float:
    """CPU of one pytest process."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"pytest ended with status {status}")
    return usage.ru_utime + usage.ru_stime


def measure_plugin(rounds: int) -> tuple[float, float]:
    """Median milliseconds without and with the plugin."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_trivial.py").write_text("def test_trivial(): pass\n")
        without, installed = [], []
        for _ in range(rounds):
            without.append(start_seconds(["-p", "no:gradcheck"], folder))
            installed.append(start_seconds([], folder))
    return 1e3 * statistics.median(without), 1e3 * statistics.median(installed)


def measure_registration(rounds: int) -> float:
    """Median milliseconds of Hypothesis's entry point."""
    environment = {**os.environ, "HYPOTHESIS_NO_PLUGINS": "1"}
    command = [sys.executable, "-c", REGISTER]
    return 1e3 * statistics.median(
        float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
        for _ in range(rounds)
    )


def main() -> None:
    """Print what was measured."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    without, installed = measure_plugin(rounds)
    registration = measure_registration(rounds)
    added = installed - without
    sys.stdout.write(
        f"pytest start {without:.1f} ms of CPU without the plugin, {installed:.1f} with it: "
        f"{added:.1f} added\nHypothesis entry point {registration:.1f}\n"
        f"in all {added + registration:.1f} ms (medians of {rounds} rounds)\n"
    )


if __name__ == "__main__":
    main()
