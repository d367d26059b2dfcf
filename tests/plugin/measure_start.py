"""Measure the CPU that the installed package adds to a pytest start that does not use it.

Two parts. The plugin: one trivial test with it and with ``-p no:gradcheck``, in turn, many times;
the CPU times of the two processes of a round (user and system) are compared, and the median of the
differences is told: once with all bytecode at hand, once without that of this package, as on a
build server or on the first run after an upgrade. The entry point that Hypothesis runs, since
pytest imports Hypothesis at the end of every session: loaded and called in processes that have
imported Hypothesis and nothing else.

    python tests/plugin/measure_start.py [rounds]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

OFF = ["-p", "no:gradcheck"]
REGISTER = """
import importlib.metadata, sys, time
import hypothesis
found = importlib.metadata.entry_points(group="hypothesis", name="gradcheck")
(entry,) = found
start = time.process_time()
entry.load()()
sys.stdout.write(str(time.process_time() - start))
"""


def start_seconds(arguments: list[str], folder: Path, environment: Mapping[str, str]) -> float:
    """CPU of one pytest process."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    child = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"pytest ended with status {status}")
    return usage.ru_utime + usage.ru_stime


def measure_plugin(rounds: int, *, bytecode: bool) -> tuple[float, float]:
    """Median milliseconds of a start without the plugin, and of what the plugin adds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_trivial.py").write_text("def test_trivial(): pass\n")
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        # Hypothesis's own plugins are off: its entry point would compile a part of the package.
        environment = {
            **kept,
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
            "HYPOTHESIS_NO_PLUGINS": "1",
        }
        start_seconds([] if bytecode else OFF, folder, environment)
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        pairs = [
            (start_seconds(OFF, folder, environment), start_seconds([], folder, environment))
            for _ in range(rounds)
        ]
    without = statistics.median(one for one, _ in pairs)
    return 1e3 * without, 1e3 * statistics.median(other - one for one, other in pairs)


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
    registration = measure_registration(rounds)
    for bytecode in (True, False):
        without, added = measure_plugin(rounds, bytecode=bytecode)
        sys.stdout.write(
            f"{'with' if bytecode else 'without'} bytecode of gradcheck: pytest starts in "
            f"{without:.1f} ms of CPU, the plugin adds {added:.1f}, Hypothesis's entry point "
            f"{registration:.1f}: in all {added + registration:.1f} ms (of {rounds} rounds)\n"
        )


if __name__ == "__main__":
    main()
