"""Time, memory and the machine: what a figure depends on besides the code."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

SHORTEST = 0.02
"""Seconds that one timing lasts at least: the CPU clock of a process is not finer than 1 us, but a
single call of a few of them says nothing."""


def cpu_seconds(action: Callable[[], Any], repetitions: int = 1) -> float:
    """CPU seconds of this process for one call."""
    started = time.process_time()
    for _ in range(repetitions):
        action()
    return (time.process_time() - started) / repetitions


def interleaved(
    actions: Mapping[str, Callable[[], Any]], rounds: int, *, keep_freed_memory: bool = True
) -> dict[str, list[float]]:
    """CPU seconds per call of every action, one timing each per round.

    In turn, because a machine gets slower and faster while it measures.
    """
    if keep_freed_memory:
        _keep_freed_memory()
    repetitions = {name: _repetitions(action) for name, action in actions.items()}
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            seconds[name].append(cpu_seconds(action, repetitions[name]))
    return seconds


def _keep_freed_memory():
    """Make glibc's allocator keep what is freed, as in any process that once freed 32 MiB.

    Else the time of a call on large arrays depends on what was freed in this process before it:
    an allocator that gives everything back pays for every page again, and that is half of the time.
    """
    np.empty(LARGEST_KEPT, np.uint8)


LARGEST_KEPT = 2**25 - 2**13
"""Bytes of the largest block whose release raises glibc's M_MMAP_THRESHOLD (and twice that, its
M_TRIM_THRESHOLD): mallopt(3)."""


def _repetitions(action):
    action()  # the first call pays for imports and caches
    return max(1, min(1000, round(SHORTEST / max(cpu_seconds(action), 1e-6))))


def in_a_child(module: str, *arguments: object) -> Any:
    """What a module prints last, as JSON, when it is run in a process of its own."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in seconds.items()}


@dataclass(frozen=True)
class Budget:
    """How much is measured.

    Attributes
    ----------
    cases : int
        Right subjects of each kind, for every peer.
    ours : int
        Right networks for gradcheck alone.
    rounds : int
        Interleaved timings of which the median is taken.
    entries : tuple of int
        Sizes of the networks, in parameters.
    full : int
        More entries than this are not measured one by one by anybody.
    lengths : tuple of int
        Sizes of the generated arrays.
    examples : int
        Generated arrays per timing.
    seeds : int
        Runs of a property test.
    spot : int
        Entries of the largest blind spot.
    twins : int
        Bugs of the corpus, from the first.
    starts : int
        Starts of pytest.
    """

    cases: int = 100
    ours: int = 6_000
    rounds: int = 7
    entries: tuple[int, ...] = (100, 1_000, 10_000, 100_000, 1_000_000)
    full: int = 1_000
    lengths: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)
    examples: int = 100
    seeds: int = 1
    spot: int = 10_000
    twins: int = 1_000
    starts: int = 21


QUICK = Budget(
    cases=20, ours=600, rounds=3, entries=(100, 1_000, 10_000, 100_000), full=100,
    lengths=(10, 100, 1_000), examples=30, twins=20, starts=5,
)  # fmt: skip
TINY = Budget(
    cases=2, ours=4, rounds=1, entries=(100,), full=100, lengths=(10,), examples=5, spot=400,
    twins=2, starts=1,
)  # fmt: skip

PACKAGES = ("numpy", "scipy", "hypothesis", "pytest", "torch", "jax", "autograd", "numdifftools")


def load() -> str:
    """The date, and how busy the machine is."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{now}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def machine() -> str:
    """Processor, memory, system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}"
    )


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions() -> str:
    """Versions of gradcheck's dependencies and of the peers."""
    return ", ".join(f"{name} {_version(name)}" for name in PACKAGES)


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
