"""Connect pytest to gradcheck: options, marker, the road of results to the reports.

PYTEST_DONT_REWRITE: imported at every pytest start, so it imports nothing heavy; whatever knows
a result is imported when the first result arrives.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck import hookspecs
from gradcheck.recording import PROFILE_EXAMPLES, PROPERTY_MARK, RunSettings, running_with
from gradcheck.recording import recording as recording_into

if TYPE_CHECKING:
    from gradcheck.report.json_lines import Journal

PROPERTY_NAME = "gradcheck"
"""Name of the user property, and so of the property in JUnit XML, that holds a test's tally."""
EVIDENCE = "gradcheck_evidence"
"""Attribute of a test report with what failed and why, as JSON: too long for JUnit XML."""
MAX_EVIDENCE = 5
"""Distinct failures kept of one test: Hypothesis shrinks each, so the last seen is the smallest."""
GRADIENT = "gradient"
"""Check id of the comparison with an estimate; all other ids are exact relations."""
PROBLEM = "gradcheck_problem"
"""Key under which a worker tells why it cannot run the tests it collected."""
MAX_ERROR = 500
"""Characters kept of the first line of an error; the rest is in pytest's own output."""
SUFFIXES = (".html", ".json", ".jsonl")
MARKER_ARGUMENTS = {"check"}

Row = dict[str, Any]


class Run:
    """What this pytest run was asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self.settings = RunSettings(
            profile=_profile(config),
            examples=_examples(config),
            seed=_seed(config),
            select=_patterns(config, "select"),
            deselect=_patterns(config, "deselect"),
        )
        self.shard = _shard(config)
        self.reports: list[Path] = []
        self.xfails: dict[str, str] = {}


RUN = pytest.StashKey[Run]()
EVIDENCE_OF_ITEM = pytest.StashKey[list[Any]]()


class Listener:
    """Hears every result of one test and keeps what is small: counts, and the last failures."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self.tally: dict[str, Any] = {}
        self._kept: dict[tuple[str, str], Any] = {}

    def __call__(self, result: Any) -> None:
        from gradcheck.report.tally import count

        count(self.tally, result)
        key = _worth_keeping(result)
        if key is not None:
            self._kept.pop(key, None)
            self._kept[key] = result
        self._item.config.hook.pytest_gradcheck_result(item=self._item, result=result)

    def evidence(self) -> list[Any]:
        """The last results kept, as JSON values."""
        from gradcheck.report.evidence import evidence_of

        return [evidence_of(result) for result in list(self._kept.values())[-MAX_EVIDENCE:]]


def _worth_keeping(result: Any) -> tuple[str, str] | None:
    """Key under which the newest result of its sort is kept, or None."""
    if hasattr(result, "trace"):
        return "training", str(result.trace.metadata.get("name", ""))
    if result.verdict.name == "CORRECT":
        return None
    worst = result.worst()
    return result.subject, f"{result.verdict.name} {worst.input if worst else ''}"


# ---------------------------------------------------------------------------------- configuration


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer the hooks of `gradcheck.hookspecs`."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options for a run, ini values for a project; a run wins."""
    group = parser.getgroup("gradcheck", "gradient checking")
    group.addoption(
        "--gradcheck-profile",
        choices=tuple(PROFILE_EXAMPLES),
        help="how many examples each property gets: "
        + ", ".join(f"{name} {count}" for name, count in PROFILE_EXAMPLES.items()),
    )
    group.addoption("--gradcheck-examples", type=int, metavar="N", help="examples per property")
    group.addoption(
        "--gradcheck-seed", type=int, metavar="N", help="seed of all gradient properties"
    )
    group.addoption(
        "--gradcheck-shard", metavar="i/N", help="run the i-th of N even parts of all tests"
    )
    group.addoption(
        "--gradcheck-report",
        action="append",
        metavar="PATH",
        help="write results to PATH (.jsonl appends; .html, .json replace); may be repeated",
    )
    group.addoption(
        "--gradcheck-xfails-file",
        metavar="PATH",
        help="file of expected failures: one node id or pattern per line, then '# reason'",
    )
    group.addoption(
        "--gradcheck-select", action="append", metavar="CHECK", help="run only these check ids"
    )
    group.addoption(
        "--gradcheck-deselect", action="append", metavar="CHECK", help="leave out these check ids"
    )
    parser.addini("gradcheck_profile", "default of --gradcheck-profile", default="")
    parser.addini("gradcheck_examples", "default of --gradcheck-examples", type="int", default=0)
    parser.addini("gradcheck_seed", "default of --gradcheck-seed", type="int", default=-1)
    parser.addini("gradcheck_report", "default of --gradcheck-report", type="args")
    parser.addini("gradcheck_xfails_file", "default of --gradcheck-xfails-file", default="")
    parser.addini("gradcheck_select", "default of --gradcheck-select", type="args")
    parser.addini("gradcheck_deselect", "default of --gradcheck-deselect", type="args")
    parser.addini(
        "gradcheck_cases",
        "folder, below the root, where failing cases are saved; empty saves none",
        default=".gradcheck",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Check every setting before any test runs."""
    config.addinivalue_line(
        "markers",
        "gradcheck(check=None): a test of a derivative; check is the id that "
        "--gradcheck-select and --gradcheck-deselect go by",
    )
    run = Run(config)
    config.stash[RUN] = run
    if run.settings.select or run.settings.deselect:
        _require_known(config, run.settings.select + run.settings.deselect)
    if not _is_worker(config):
        run.reports = [_report_target(config, name) for name in _setting(config, "report") or []]
        config.pluginmanager.register(Controller(config, run), "gradcheck-controller")
    run.xfails = _expected_failures(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give every xdist worker the seed of this run."""
    node.workerinput["gradcheck_seed"] = node.config.stash[RUN].settings.seed


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _setting(config: pytest.Config, name: str) -> Any:
    """The option, else the ini value."""
    value = config.getoption(f"gradcheck_{name}")
    return config.getini(f"gradcheck_{name}") if value is None else value


def _profile(config: pytest.Config) -> str:
    profile = str(_setting(config, "profile"))
    if profile and profile not in PROFILE_EXAMPLES:
        raise pytest.UsageError(
            f"gradcheck_profile is {profile!r}: expected one of {', '.join(PROFILE_EXAMPLES)}"
        )
    return profile


def _whole_number(config: pytest.Config, name: str) -> int:
    try:
        return int(_setting(config, name))
    except (TypeError, ValueError, pytest.UsageError) as error:
        raise pytest.UsageError(f"gradcheck_{name} is not a whole number: {error}") from error


def _examples(config: pytest.Config) -> int | None:
    examples = _whole_number(config, "examples")
    if examples < 0 or config.getoption("gradcheck_examples") == 0:
        raise pytest.UsageError(f"--gradcheck-examples is {examples}: expected 1 or more")
    return examples or None


def _seed(config: pytest.Config) -> int:
    """The seed asked for, else Hypothesis's, else one for all of CI, else a new one."""
    if _is_worker(config):
        return int(config.workerinput["gradcheck_seed"])  # type: ignore[attr-defined]
    seed = _whole_number(config, "seed")
    if seed >= 0:
        return seed
    if config.getoption("gradcheck_seed") is not None:
        raise pytest.UsageError(f"--gradcheck-seed is {seed}: expected 0 or more")
    hypothesis_seed = str(config.getoption("--hypothesis-seed", default=None))
    if hypothesis_seed.isdecimal():
        return int(hypothesis_seed)
    return 0 if os.environ.get("CI") else int.from_bytes(os.urandom(4), "big")


def _shard(config: pytest.Config) -> tuple[int, int]:
    text = config.getoption("gradcheck_shard")
    if text is None:
        return 1, 1
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal()):
        raise pytest.UsageError(f"--gradcheck-shard is {text!r}: expected i/N, such as 1/4")
    if not 1 <= int(index) <= int(count):
        raise pytest.UsageError(
            f"--gradcheck-shard is {text!r}: expected a part from 1/{count} to {count}/{count}"
        )
    return int(index), int(count)


def _patterns(config: pytest.Config, name: str) -> tuple[str, ...]:
    """Check ids of an option that may be repeated and may hold commas."""
    return tuple(
        part.strip()
        for value in _setting(config, name) or []
        for part in value.split(",")
        if part.strip()
    )


def _require_known(config: pytest.Config, patterns: tuple[str, ...]) -> None:
    known = sorted(_known_checks(config))
    unknown = [p for p in patterns if not any(fnmatch.fnmatchcase(name, p) for name in known)]
    if unknown:
        raise pytest.UsageError(
            f"unknown gradcheck check {', '.join(unknown)}: expected one of {', '.join(known)}"
        )


def _known_checks(config: pytest.Config) -> set[str]:
    from gradcheck.relations import RELATIONS

    added = config.hook.pytest_gradcheck_check_ids(config=config)
    return {GRADIENT, *RELATIONS, *(name for names in added for name in names)}


def _report_target(config: pytest.Config, name: str) -> Path:
    from gradcheck.errors import InvalidArgument
    from gradcheck.report.json_lines import require_ours, require_writable

    target = (config.invocation_params.dir / name).absolute()
    if target.suffix not in SUFFIXES:
        raise pytest.UsageError(
            f"--gradcheck-report={name}: expected a name that ends in {', '.join(SUFFIXES)}"
        )
    if target.suffix == ".html" and importlib.util.find_spec("jinja2") is None:
        raise pytest.UsageError(
            f"--gradcheck-report={name} needs jinja2: pip install 'gradcheck[html]'"
        )
    try:
        require_writable(target)
        require_ours(target)
    except InvalidArgument as error:
        raise pytest.UsageError(f"--gradcheck-report: {error}") from error
    return target


def pytest_report_header(config: pytest.Config) -> str | None:
    """One line, only where this run was asked for something."""
    run = config.stash[RUN]
    parts = [
        f"profile={run.settings.profile}" if run.settings.profile else "",
        f"examples={run.settings.examples}" if run.settings.examples else "",
        f"seed={run.settings.seed}" if config.getoption("gradcheck_seed") is not None else "",
        f"shard={run.shard[0]}/{run.shard[1]}" if run.shard[1] > 1 else "",
        f"select={','.join(run.settings.select)}" if run.settings.select else "",
        f"deselect={','.join(run.settings.deselect)}" if run.settings.deselect else "",
        *(f"report={path.name}" for path in run.reports),
    ]
    active = [part for part in parts if part]
    return f"gradcheck: {' '.join(active)}" if active else None


# ------------------------------------------------------------------------------------- collection


def _expected_failures(config: pytest.Config) -> dict[str, str]:
    """Node id pattern to reason, from the file of expected failures."""
    name = _setting(config, "xfails_file")
    if not name:
        return {}
    try:
        text = Path(config.invocation_params.dir, name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise pytest.UsageError(f"--gradcheck-xfails-file={name} cannot be read: {error}") from None
    parts = (line.partition(" #") for line in text.splitlines())
    return {
        pattern.strip(): reason.strip() or "listed in " + str(name)
        for pattern, _, reason in parts
        if pattern.strip() and not pattern.lstrip().startswith("#")
    }


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark, expect failures, select; and keep one shard of everything collected."""
    run = config.stash[RUN]
    try:
        for item in items:
            _mark(item)
        _expect_failures(run.xfails, items)
    except pytest.UsageError as error:
        if not _is_worker(config):
            raise
        items.clear()  # an error in a worker would end xdist without a word
        config.workeroutput[PROBLEM] = str(error)  # type: ignore[attr-defined]
    _keep(config, items, [item for item in items if _selected(item, run)])
    if run.shard[1] > 1 and not config.getoption("lf", default=False):
        _keep(config, items, _shard_of(items, *run.shard))


def _shard_of(items: list[pytest.Item], index: int, count: int) -> list[pytest.Item]:
    """Every count-th test in the order of their names, which is the same on every machine.

    With ``--lf`` there are no shards: what failed on a machine was of its own shard already.
    """
    ours = set(sorted({item.nodeid for item in items})[index - 1 :: count])
    return [item for item in items if item.nodeid in ours]


def _mark(item: pytest.Item) -> None:
    """Mark what the one-line functions made; a marker written by hand is checked for typos."""
    check = _property_of(item)
    if check is not None and item.get_closest_marker("gradcheck") is None:
        item.add_marker(pytest.mark.gradcheck(check=check))
    for marker in item.iter_markers("gradcheck"):
        unknown = set(marker.kwargs) - MARKER_ARGUMENTS
        if unknown or marker.args:
            raise pytest.UsageError(
                f"{item.nodeid}: pytest.mark.gradcheck takes check=..., "
                f"not {', '.join([*map(repr, marker.args), *sorted(unknown)])}"
            )


def _property_of(item: pytest.Item) -> str | None:
    """Check id of the function under test, or of one of its parameters."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    for owner in (getattr(item, "obj", None), *parameters.values()):
        check = getattr(owner, PROPERTY_MARK, None)
        if isinstance(check, str):
            return check
    return None


def _selected(item: pytest.Item, run: Run) -> bool:
    marker = item.get_closest_marker("gradcheck")
    check = (marker.kwargs.get("check") or "") if marker else ""
    return not check or run.settings.wants(check)


def _expect_failures(xfails: dict[str, str], items: list[pytest.Item]) -> None:
    stale = dict(xfails)
    for item in items:
        for pattern, reason in xfails.items():
            if _matches(item.nodeid, pattern):
                stale.pop(pattern, None)
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
    files = {item.nodeid.partition("::")[0] for item in items}
    gone = [pattern for pattern in stale if pattern.partition("::")[0] in files]
    if gone:
        raise pytest.UsageError(
            f"the file of expected failures names tests that do not exist: {', '.join(gone)}; "
            "remove these lines"
        )


def _matches(nodeid: str, pattern: str) -> bool:
    """Whether ``*`` stands for anything and all else, brackets too, for itself."""
    return fnmatch.fnmatchcase(nodeid, pattern.replace("[", "[[]").replace("?", "[?]"))


def _keep(config: pytest.Config, items: list[pytest.Item], kept: list[pytest.Item]) -> None:
    dropped = [item for item in items if item not in set(kept)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


# ----------------------------------------------------------------------------- one test, one road


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Listen to a test; put what it found where it survives a crash of the worker."""
    listener = Listener(item)
    settings = item.config.stash[RUN].settings._replace(key=item.nodeid)
    with recording_into(listener, alone=True), running_with(settings):
        try:
            return (yield)
        finally:
            _attach(item, listener)


def _attach(item: pytest.Item, listener: Listener) -> None:
    item.user_properties[:] = [p for p in item.user_properties if p[0] != PROPERTY_NAME]
    if listener.tally:
        item.stash[EVIDENCE_OF_ITEM] = listener.evidence()
        tally = json.dumps(listener.tally, sort_keys=True, separators=(",", ":"))
        item.user_properties.append((PROPERTY_NAME, tally))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the evidence along with the report of the call."""
    report = yield
    if call.when == "call" and EVIDENCE_OF_ITEM in item.stash:
        kept = {
            "evidence": item.stash[EVIDENCE_OF_ITEM],
            "failure": _failure(call),
            "error": _first_line(call),
        }
        setattr(report, EVIDENCE, json.dumps(kept))
    return report


def _failure(call: pytest.CallInfo[Any]) -> str:
    """``"gradient"`` where gradcheck made the test fail, ``"other"`` where something else did."""
    if call.excinfo is None:
        return ""
    ours = all(_is_ours(leaf) for leaf in _leaves(call.excinfo.value))
    return "gradient" if ours else "other"


def _first_line(call: pytest.CallInfo[Any]) -> str:
    if call.excinfo is None:
        return ""
    return f"{call.excinfo.typename}: {call.excinfo.value}".partition("\n")[0][:MAX_ERROR]


def _is_ours(error: BaseException) -> bool:
    """Whether an error says something of a derivative, told without importing the errors."""
    bases = ((base.__module__, base.__name__) for base in type(error).__mro__)
    return ("gradcheck.errors", "_WithResult") in bases


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


class Controller:
    """Gathers the rows of a run, where the terminal is; workers have none."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        self.config = config
        self.run = run
        self.rows: dict[str, Row] = {}
        self.journals: list[Journal] = []
        self.notes: list[str] = []
        self.problems: list[str] = []

    def pytest_sessionstart(self) -> None:
        """Open the files while a full disk is still a usage error."""
        if self.config.option.collectonly or not self.run.reports:
            return
        from gradcheck.errors import InvalidArgument
        from gradcheck.report.json_lines import Journal

        header = self._header()
        try:
            for target in self.run.reports:
                if target.suffix == ".jsonl":
                    self.journals.append(Journal(target, header))
        except InvalidArgument as error:
            raise pytest.UsageError(f"--gradcheck-report: {error}") from error

    def _header(self) -> Row:
        from gradcheck.report.json_lines import run_header

        settings = self.run.settings
        return run_header(
            seed=settings.seed,
            profile=settings.profile,
            examples=settings.examples,
            shard="{}/{}".format(*self.run.shard),
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Turn the report of a call, or of a crash, into a row."""
        if type(report) is not pytest.TestReport:
            return  # the report of a subtest: its test reports the same results
        row = _row(report)
        if row is not None:
            self._add(row)
        elif report.when == "teardown" and report.failed and report.nodeid in self.rows:
            self._add({**self.rows[report.nodeid], "outcome": "error"})

    def _add(self, row: Row) -> None:
        from gradcheck.errors import InvalidArgument

        self.rows[row["id"]] = row
        for journal in list(self.journals):
            try:
                journal.append(row)
            except InvalidArgument as error:
                self.journals.remove(journal)
                self.notes.append(f"report lost: {error}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear why an xdist worker could not run anything."""
        problem = getattr(node, "workeroutput", {}).get(PROBLEM)
        if problem and problem not in self.problems:
            self.problems.append(problem)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Publish what was gathered; the summary comes after."""
        if self.config.option.collectonly:
            return
        if self.problems:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            self.notes += [f"ERROR: {problem}" for problem in self.problems]
        elif exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self.run.shard[1] > 1:
            session.exitstatus = pytest.ExitCode.OK  # more shards than tests
        rows = list(self.rows.values())
        if rows:
            self.config.hook.pytest_gradcheck_rows(config=self.config, rows=rows)
            self.rows = {row["id"]: row for row in rows}
            self._save_cases(rows)
        if self.run.reports:
            self._publish(rows, session)

    def _save_cases(self, rows: list[Row]) -> None:
        from gradcheck.cases import save_failed_tests

        folder = self.config.getini("gradcheck_cases")
        if folder:
            saved, problem = save_failed_tests(
                self.config.rootpath / folder, rows, self.run.settings._asdict()
            )
            self.notes += [f"saved: gradcheck replay {name}" for name in saved]
            self.notes += [f"cases not saved: {problem}"] if problem else []

    def _publish(self, rows: list[Row], session: pytest.Session) -> None:
        from gradcheck.errors import InvalidArgument

        end = {"kind": "end", "exitstatus": int(session.exitstatus), "tests": len(rows)}
        document = [self._header(), *rows, end]
        for target in self.run.reports:
            try:
                self._write(target, document)
                self.notes.append(f"report written to {target}")
            except InvalidArgument as error:
                self.notes.append(f"report lost: {error}")
        if any(note.startswith("report lost") for note in self.notes):
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def _write(self, target: Path, document: list[Row]) -> None:
        from gradcheck.report.render import write

        journal = next((j for j in self.journals if j.target == target), None)
        if journal is not None:
            journal.append(document[-1])
            journal.publish()
        elif target.suffix != ".jsonl":
            write(target, document)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """A few lines, only where a gradient was checked or something was asked for."""
        rows = list(self.rows.values())
        if not self.notes and not any(row["tally"] for row in rows):
            return
        from gradcheck.report.summary import summary_lines

        terminalreporter.section("gradcheck")
        for line in summary_lines(rows, self.run.settings.seed):
            terminalreporter.write_line(line)
        for note in self.notes:
            terminalreporter.write_line(note)
        self.config.hook.pytest_gradcheck_summary(
            config=self.config, terminalreporter=terminalreporter, rows=rows
        )


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
