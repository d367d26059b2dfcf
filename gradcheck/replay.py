"""Run a saved failure again: it is FIXED, it has FAILED again, or it could not be run (ERROR)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from gradcheck.campaign import run_case
from gradcheck.cases import CaseSpec, SavedCase
from gradcheck.errors import InvalidArgument
from gradcheck.report import json_lines

LAST_LINES = 15
"""Lines of pytest's output shown where a test could not be run."""


def replay(case: SavedCase, root: Path) -> tuple[str, str]:
    """Run a saved case as it ran when it failed.

    Parameters
    ----------
    case : SavedCase
    root : pathlib.Path
        Where pytest ran: node ids are relative to it.

    Returns
    -------
    tuple of str
        ``"FIXED"``, ``"FAILED"`` or ``"ERROR"``, and what pytest or the case had to say.
    """
    return _replay_spec(case.spec) if case.spec else _replay_test(case, root)


def _replay_spec(spec: CaseSpec) -> tuple[str, str]:
    result = run_case(spec)
    outcome = {"CORRECT": "FIXED", "WRONG": "FAILED", "INCONCLUSIVE": "FAILED"}
    return outcome.get(result["verdict"], "ERROR"), result["error"]


def _replay_test(case: SavedCase, root: Path) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "replay.jsonl")
        done = subprocess.run(
            [*_command(case), f"--gradcheck-report={report}"],
            cwd=root,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:])
        return _outcome_of(case, report), tail


def _command(case: SavedCase) -> list[str]:
    asked = {name: value for name, value in case.asked.items() if value not in ("", None)}
    options = [f"--gradcheck-{name}={value}" for name, value in asked.items()]
    quiet = ["-p", "no:cacheprovider", "-o", "gradcheck_cases=", "--tb=short"]
    return [sys.executable, "-m", "pytest", case.test, *quiet, *options]


def _outcome_of(case: SavedCase, report: Path) -> str:
    try:
        rows = json_lines.read(report)
    except InvalidArgument:
        return "ERROR"
    found = [row for row in rows if row["kind"] == "test" and row["id"] == case.test]
    if not found:
        return "ERROR"
    if found[-1]["outcome"] == "passed":
        return "FIXED"
    return "FAILED" if found[-1]["failure"] == "gradient" else "ERROR"
