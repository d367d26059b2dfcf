"""A whole suite with one and two workers, and what the plugin adds to a start of pytest."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.page import Table, ahead
from tests.plugin.measure_start import measure_plugin, measure_registration

ROOT = Path(__file__).resolve().parent.parent.parent
SUITES = {"gradcheck": "ours", "Hypothesis + naive loop": "naive"}


def tables(budget):
    return [_suite(min(budget.twins, 92)), _start(budget.starts)]


def _suite(twins):
    """Wall and CPU time of one property test per right function of the corpus."""
    rows, walls = [], {}
    for name, which in SUITES.items():
        timed = [_run(which, workers, twins) for workers in (1, 2)]
        walls[name] = timed
        cells = [f"{value:.1f}" for pair in timed for value in pair[:2]]
        rows.append([name, timed[0][2], *cells, f"{timed[0][0] / timed[1][0]:.2f}"])
    failures = {name: _failures(timed[0][2]) for name, timed in walls.items()}
    fewer = [name for name, count in failures.items() if count < failures["gradcheck"]]
    cheaper = [name for name, timed in walls.items() if timed[0][1] < walls["gradcheck"][0][1]]
    return Table(
        "6. A suite of property tests",
        "One property test per right function of the corpus, in pytest: gradcheck's lines with 50 "
        "examples, and Hypothesis with its default 100 around the naive loop. Seconds; start of "
        "pytest and of the workers included. What fails is a false alarm.",
        ["suite", "outcome", "1 worker: wall", "CPU", "2 workers: wall", "CPU", "speed-up"],
        rows,
        [
            ahead(cheaper, "in CPU with one worker"),
            ahead(fewer, "with fewer right functions that fail"),
        ],
    )


def _run(which, workers, twins):
    arguments = [] if workers == 1 else ["-n", str(workers), "-p", "xdist"]
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no",
        "-o", "addopts=--import-mode=importlib", "--gradcheck-seed", "0", *arguments,
        "benchmarks/suites.py",
        "-k", which, "-c", "pyproject.toml", "-W", "ignore",
    ]  # fmt: skip
    environment = {**os.environ, "BENCHMARK_TWINS": str(twins)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    outcome = done.stdout.strip().splitlines()[-1].strip("= ").partition(" in ")[0]
    return wall, cpu, re.sub(r", \d+ deselected", "", outcome)


def _failures(outcome):
    found = re.search(r"(\d+) failed", outcome)
    return int(found[1]) if found else 0


def _start(rounds):
    if not _is_installed():
        return Table("6b. Start of pytest", "gradcheck is not installed here.", ["", ""], [])
    rows = []
    for name, bytecode in (("at hand", True), ("yet to be compiled", False)):
        without, added = measure_plugin(rounds, bytecode=bytecode)
        row = [f"a start of pytest, bytecode of gradcheck {name}", f"{without:.0f}"]
        rows.append([*row, f"{added:.1f}"])
    registration = measure_registration(rounds)
    rows.append(["the entry point that Hypothesis calls", "0", f"{registration:.1f}"])
    return Table(
        "6b. CPU added to a start of pytest that does not use it",
        f"Milliseconds, medians of {rounds}. One trivial test, with `-p no:gradcheck` and with the "
        "plugin in turn, and the difference of the two; and the entry point by which Hypothesis "
        "learns of the types, in processes of their own, because its time drowns in that of a "
        "whole start.",
        ["what", "without gradcheck", "added"],
        rows,
    )


def _is_installed():
    code = (
        "from importlib.metadata import entry_points as e; "
        "raise SystemExit('gradcheck' not in e(group='pytest11').names)"
    )
    return subprocess.run([sys.executable, "-c", code], cwd="/").returncode == 0
