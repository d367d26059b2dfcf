"""Gather what the tests of a run recorded: in a worker one test, in the controller all of them."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import pytest

from gradcheck.cases import CASES, save_failed_tests
from gradcheck.errors import (
    GradientInconclusive,
    GradientMismatch,
    InvalidArgument,
    TrainingFailed,
    VacuousTest,
    leaves,
)
from gradcheck.pytest_plugin import ASKED, EVIDENCE, PROPERTY_NAME, SETTINGS
from gradcheck.report.evidence import evidence_of
from gradcheck.report.json_lines import Journal, run_header
from gradcheck.report.render import write
from gradcheck.report.summary import summary_lines
from gradcheck.report.tally import Tally, count

MAX_EVIDENCE = 5
"""Distinct failures kept of one test: Hypothesis shrinks each, so the last seen is the smallest."""
MAX_ERROR = 500
"""Characters kept of the first line of an error; the rest is in pytest's own output."""
MAX_SAVED = 5
"""Saved cases named in the summary one by one."""
LOST = "report lost: "

Row = dict[str, Any]


class Listener:
    """Hears every result of one test and keeps what is small: counts, and the last failures."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._tally: Tally = {}
        self._kept: dict[tuple[str, str], Any] = {}

    def hear(self, result: Any) -> None:
        """Count a result, keep it if it may have to be shown, and tell the project's hooks."""
        count(self._tally, result)
        key = _worth_keeping(result)
        if key is not None:
            self._kept.pop(key, None)
            self._kept[key] = result
        self._item.config.hook.pytest_gradcheck_result(item=self._item, result=result)

    def attach(self) -> None:
        """Give the counts to the test: they go with it through xdist and into JUnit XML."""
        earlier = [pair for pair in self._item.user_properties if pair[0] != PROPERTY_NAME]
        tally = json.dumps(self._tally, sort_keys=True, separators=(",", ":"))
        self._item.user_properties[:] = [*earlier, (PROPERTY_NAME, tally)]

    def kept(self, error: pytest.ExceptionInfo[BaseException] | None) -> str:
        """What failed, and why the test did, as JSON."""
        results = [r for r in self._kept.values() if error is not None or _matters_anyway(r)]
        results = results[-MAX_EVIDENCE:]
        with warnings.catch_warnings():
            # -W error is meant for the code under test; an error raised here would end the run.
            warnings.simplefilter("ignore")
            return json.dumps(
                {
                    "evidence": [evidence_of(result) for result in results],
                    "failure": _failure(error),
                    "error": _first_line(error),
                }
            )


def _worth_keeping(result: Any) -> tuple[str, str] | None:
    """Key under which the newest result of its sort is kept, or None."""
    if hasattr(result, "trace"):
        return "training", str(result.trace.metadata.get("name", ""))
    if result.verdict.name == "CORRECT":
        return None
    worst = result.worst()
    return result.subject, f"{result.verdict.name} {worst.input if worst else ''}"


def _matters_anyway(result: Any) -> bool:
    """Whether to show a result of a test that passed: not a wrong claim that it expected."""
    return hasattr(result, "trace") or result.verdict.name == "INCONCLUSIVE"


def _failure(error: pytest.ExceptionInfo[BaseException] | None) -> str:
    """``"gradient"`` where gradcheck made the test fail, ``"other"`` where something else did."""
    if error is None:
        return ""
    return "gradient" if all(_is_ours(leaf) for leaf in leaves(error.value)) else "other"


def _first_line(error: pytest.ExceptionInfo[BaseException] | None) -> str:
    if error is None:
        return ""
    return f"{error.typename}: {error.value}".partition("\n")[0][:MAX_ERROR]


def _is_ours(error: BaseException) -> bool:
    """Whether an error says something of a derivative."""
    return isinstance(error, (GradientMismatch, GradientInconclusive, TrainingFailed, VacuousTest))


class Gathering:
    """The rows of a run, on their way to summary and reports."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.settings = config.stash[SETTINGS]
        self.asked = config.stash.get(ASKED, None)
        self.rows: dict[str, Row] = {}
        self.journals: list[Journal] = []
        self.notes: list[str] = []
        self.problems: list[str] = []

    def open(self) -> None:
        """Open the journals of all JSON lines."""
        if self.config.option.collectonly:
            return
        header = self._header()
        try:
            for target in self._reports():
                if target.suffix == ".jsonl":
                    self.journals.append(Journal(target, header))
        except InvalidArgument as error:
            raise pytest.UsageError(f"--gradcheck-report: {error}") from error

    def _reports(self) -> tuple[Path, ...]:
        return self.asked.reports if self.asked else ()

    def _header(self) -> Row:
        return run_header(
            seed=self.settings.seed,
            profile=self.settings.profile,
            examples=self.settings.examples,
            shard="{}/{}".format(*(self.asked.shard if self.asked else (1, 1))),
        )

    def hear(self, report: pytest.TestReport) -> None:
        """Turn the report of a call, or of a crash, into a row."""
        if type(report) is not pytest.TestReport:
            return  # the report of a subtest: its test reports the same results
        row = _row(report)
        if row is not None:
            self._add(row)
        elif report.when == "teardown" and report.failed and report.nodeid in self.rows:
            self._add({**self.rows[report.nodeid], "outcome": "error"})

    def _add(self, row: Row) -> None:
        self.rows[row["id"]] = row
        for journal in list(self.journals):
            try:
                journal.append(row)
            except InvalidArgument as error:
                self.journals.remove(journal)
                self.notes.append(f"{LOST}{error}")

    def stumble(self, problem: str) -> None:
        """Keep why a worker could run nothing."""
        if problem not in self.problems:
            self.problems.append(problem)

    def finish(self, session: pytest.Session) -> None:
        """Save failing cases, publish reports; a report that is lost fails the run."""
        if self.problems:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            self.notes += [f"ERROR: {problem}" for problem in self.problems]
        rows = list(self.rows.values())
        if rows:
            self.config.hook.pytest_gradcheck_rows(config=self.config, rows=rows)
            self.rows = {row["id"]: row for row in rows}
            self._save_cases(rows)
        if self._reports():
            self._publish(rows, session)

    def _save_cases(self, rows: list[Row]) -> None:
        folder = self.config.getini("gradcheck_cases")
        if folder:
            root, asked = self.config.rootpath, self.settings._asdict()
            saved, problem = save_failed_tests(root / folder, root, rows, asked)
            here = os.path.relpath(root / folder, self.config.invocation_params.dir)
            self.notes += _saved(saved, "" if folder == CASES else f" --folder={here}")
            self.notes += [f"cases not saved: {problem}"] if problem else []

    def _publish(self, rows: list[Row], session: pytest.Session) -> None:
        end = {"kind": "end", "exitstatus": int(session.exitstatus), "tests": len(rows)}
        document = [self._header(), *rows, end]
        for target in self._reports():
            try:
                self._write(target, document)
                self.notes.append(f"report written to {target}")
            except InvalidArgument as error:
                self.notes.append(f"{LOST}{error}")
        if any(note.startswith(LOST) for note in self.notes):
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def _write(self, target: Path, document: list[Row]) -> None:
        journal = next((j for j in self.journals if j.target == target), None)
        if journal is not None:
            journal.append(document[-1])
            journal.publish()
        elif target.suffix != ".jsonl":
            write(target, document)

    def summarise(self, terminalreporter: Any) -> None:
        """Write the summary, then let the project add to it."""
        rows = list(self.rows.values())
        if not self.notes and not any(row["tally"] for row in rows):
            return
        terminalreporter.section("gradcheck")
        for line in (*summary_lines(rows, self.settings.seed), *self.notes):
            terminalreporter.write_line(line)
        self.config.hook.pytest_gradcheck_summary(
            config=self.config, terminalreporter=terminalreporter, rows=rows
        )


def _saved(ids: list[str], options: str) -> list[str]:
    """How to run saved cases again: each by its id where they are few."""
    if len(ids) > MAX_SAVED:
        return [f"saved: {len(ids)} failing cases; run again: gradcheck replay{options}"]
    return [f"saved: gradcheck replay{options} {name}" for name in ids]


def _row(report: pytest.TestReport) -> Row | None:
    """A row of what a report of a call carries; a crash carries nothing but its name."""
    if str(report.when) == "???":
        return _test_row(report, "crashed", {}, {"evidence": [], "failure": "other", "error": ""})
    tallies = [value for name, value in report.user_properties if name == PROPERTY_NAME]
    if report.when != "call" or not tallies:
        return None
    kept = json.loads(getattr(report, EVIDENCE))
    return _test_row(report, _outcome(report), json.loads(str(tallies[-1])), kept)


def _test_row(
    report: pytest.TestReport, outcome: str, tally: dict[str, Any], kept: dict[str, Any]
) -> Row:
    return {
        "kind": "test",
        "id": report.nodeid,
        "outcome": outcome,
        "seconds": round(report.duration, 6),
        "tally": tally,
        **kept,
    }


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xpassed" if report.passed else "xfailed"
    return str(report.outcome)
