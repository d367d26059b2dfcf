"""Measure the CPU that the installed plugin adds to a pytest start that does not use it.

Runs one trivial test with the plugin and without, in turn, many times, and compares the medians
of the processes' CPU times (user and system). Without: ``-p no:gradcheck``, and Hypothesis, which
pytest imports at the end, does not look for the types that gradcheck registers.

    python tests/plugin/measure_start.py [rounds]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def cpu_seconds(arguments: list[str], folder: str, **environment: str) -> float:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    child = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, env={**os.environ, **environment}
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"pytest ended with status {status}")
    return usage.ru_utime + usage.ru_stime


def measure(rounds: int, extra: list[str]) -> tuple[float, float]:
    """Median milliseconds without and with the plugin."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_trivial.py").write_text("def test_trivial(): pass\n")
        without, installed = [], []
        for _ in range(rounds):
            blocked = ["-p", "no:gradcheck", *extra]
            without.append(cpu_seconds(blocked, folder, HYPOTHESIS_NO_PLUGINS="1"))
            installed.append(cpu_seconds(extra, folder))
    return 1e3 * statistics.median(without), 1e3 * statistics.median(installed)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    for extra in ([], ["-p", "no:hypothesispytest"]):
        without, installed = measure(rounds, extra)
        name = " ".join(extra) or "all plugins"
        sys.stdout.write(f"{name}: {without:.1f} ms without, {installed:.1f} ms with gradcheck")
        sys.stdout.write(f", added {installed - without:.1f} ms (medians of {rounds} rounds)\n")


if __name__ == "__main__":
    main()
