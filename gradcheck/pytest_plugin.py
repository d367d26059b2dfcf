"""Connect pytest to gradcheck: options, marker, the road of results to the reports.

PYTEST_DONT_REWRITE: imported at every pytest start, so it imports nothing heavy; what knows a
setting is imported when one is set, what knows a result when the first result arrives.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck import hookspecs
from gradcheck.recording import (
    PROFILE_EXAMPLES,
    PROPERTY_MARK,
    RunSettings,
    recording,
    running_with,
)

if TYPE_CHECKING:
    from gradcheck.plugin_results import Gathering, Listener
    from gradcheck.plugin_settings import Asked

PROPERTY_NAME = "gradcheck"
"""Name of the user property, and so of the property in JUnit XML, that holds a test's tally."""
EVIDENCE = "gradcheck_evidence"
"""Attribute of a test report with what failed and why, as JSON: too long for JUnit XML."""
PROBLEM = "gradcheck_problem"
"""Key under which a worker tells why it cannot run the tests it collected."""
SETTINGS: pytest.StashKey[RunSettings] = pytest.StashKey()
ASKED: pytest.StashKey[Asked] = pytest.StashKey()
LISTENER: pytest.StashKey[Listener] = pytest.StashKey()


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
    if _is_asked(config):
        from gradcheck.plugin_settings import asked_of

        config.stash[ASKED] = asked_of(config)
        config.stash[SETTINGS] = config.stash[ASKED].settings
    else:
        config.stash[SETTINGS] = RunSettings(seed=default_seed(config))
    if not is_worker(config):
        config.pluginmanager.register(_Controller(config), "gradcheck-controller")


UNSET: dict[str, Any] = {
    "profile": "",
    "examples": 0,
    "seed": -1,
    "report": [],
    "xfails_file": "",
    "select": [],
    "deselect": [],
}
"""Ini values of a project that asks for nothing."""


def _is_asked(config: pytest.Config) -> bool:
    """Whether this run or this project set anything; read without naming what is wrong."""
    values = vars(config.option)
    if any(values.get(f"gradcheck_{name}") is not None for name in (*UNSET, "shard")):
        return True
    try:
        return any(config.getini(f"gradcheck_{name}") != value for name, value in UNSET.items())
    except (TypeError, ValueError, pytest.UsageError):
        return True


def default_seed(config: pytest.Config) -> int:
    """The run's seed where none is asked for: Hypothesis's, or 0 in CI, or a new one."""
    if is_worker(config):
        return int(config.workerinput["gradcheck_seed"])  # type: ignore[attr-defined]
    hypothesis_seed = str(config.getoption("--hypothesis-seed", default=None))
    if hypothesis_seed.isdecimal():
        return int(hypothesis_seed)
    return 0 if os.environ.get("CI") else int.from_bytes(os.urandom(4), "big")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give every xdist worker the seed of this run."""
    node.workerinput["gradcheck_seed"] = node.config.stash[SETTINGS].seed


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of xdist's workers."""
    return hasattr(config, "workerinput")


def pytest_report_header(config: pytest.Config) -> str | None:
    """One line, only where this run was asked for something."""
    return config.stash[ASKED].header() if ASKED in config.stash else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark, expect failures, select; and keep one shard of everything collected."""
    try:
        for item in items:
            _mark(item)
        if ASKED in config.stash:
            config.stash[ASKED].choose(config, items)
    except pytest.UsageError as error:
        if not is_worker(config):
            raise
        items.clear()  # an error in a worker would end xdist without a word
        config.workeroutput[PROBLEM] = str(error)  # type: ignore[attr-defined]


def _mark(item: pytest.Item) -> None:
    """Mark what the one-line functions made; a marker written by hand is checked for typos."""
    check = _property_of(item)
    marker = item.get_closest_marker("gradcheck")
    if check is not None and marker is None:
        item.add_marker(pytest.mark.gradcheck(check=check))
    elif marker is not None and (marker.args or set(marker.kwargs) - {"check"}):
        got = ", ".join([*map(repr, marker.args), *marker.kwargs])
        raise pytest.UsageError(f"{item.nodeid}: pytest.mark.gradcheck takes check=..., not {got}")


def _property_of(item: pytest.Item) -> str | None:
    """Check id of a parameter, else of the function under test."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    owners = (*parameters.values(), getattr(item, "obj", None))
    found = [mark for mark in map(_mark_of, owners) if isinstance(mark, str)]
    return next(filter(None, found), "") if found else None


def _mark_of(owner: Any) -> Any:
    try:
        return getattr(owner, PROPERTY_MARK, None)
    except Exception:  # a stranger's parameter, such as a proxy without its context
        return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Listen to a test; put what it found where it survives a crash of the worker."""
    if LISTENER in item.stash:  # of an earlier attempt at the same test
        del item.stash[LISTENER]
    settings = item.config.stash[SETTINGS]._replace(key=item.nodeid)
    with recording(lambda result: _hear(item, result), alone=True), running_with(settings):
        try:
            return (yield)
        finally:
            if LISTENER in item.stash:
                item.stash[LISTENER].attach()


def _hear(item: pytest.Item, result: Any) -> None:
    if LISTENER not in item.stash:
        from gradcheck.plugin_results import Listener

        item.stash[LISTENER] = Listener(item)
    item.stash[LISTENER].hear(result)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the evidence along with the report of the call."""
    report = yield
    if call.when == "call" and LISTENER in item.stash:
        setattr(report, EVIDENCE, item.stash[LISTENER].kept(call.excinfo))
    return report


class _Controller:
    """Where the terminal is: hears every report, and gathers those that tell of a gradient."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.gathering: Gathering | None = None

    def _gather(self) -> Gathering:
        if self.gathering is None:
            from gradcheck.plugin_results import Gathering

            self.gathering = Gathering(self.config)
        return self.gathering

    def pytest_sessionstart(self) -> None:
        """Open the files while a full disk is still a usage error."""
        if ASKED in self.config.stash and self.config.stash[ASKED].reports:
            self._gather().open()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather the reports of calls with results, of crashes, and of what follows them."""
        told = any(name == PROPERTY_NAME for name, _ in report.user_properties)
        if self.gathering is not None or told or str(report.when) == "???":
            self._gather().hear(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear why an xdist worker could not run anything."""
        problem = getattr(node, "workeroutput", {}).get(PROBLEM)
        if problem:
            self._gather().stumble(problem)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Publish what was gathered; the summary comes after."""
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and ASKED in self.config.stash:
            self.config.stash[ASKED].forgive_an_empty_shard(session)
        if self.gathering is not None and not self.config.option.collectonly:
            self.gathering.finish(session)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """A few lines, only where a gradient was checked or something was asked for."""
        if self.gathering is not None:
            self.gathering.summarise(terminalreporter)
