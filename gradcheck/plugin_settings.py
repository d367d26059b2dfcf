"""Read what a run was asked for; whatever cannot be right is refused before any test runs."""

from __future__ import annotations

import fnmatch
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gradcheck.errors import InvalidArgument
from gradcheck.pytest_plugin import default_seed, is_worker
from gradcheck.recording import PROFILE_EXAMPLES, RunSettings
from gradcheck.relations import RELATIONS
from gradcheck.report.json_lines import require_ours, require_writable

SUFFIXES = (".html", ".json", ".jsonl")
GRADIENT = "gradient"
"""Check id of the comparison with an estimate; all other ids are exact relations."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What this run was asked for: by options, else by the project.

    Attributes
    ----------
    settings : RunSettings
        What every property test is asked.
    shard : tuple of int
        Which part, from 1, of how many.
    reports : tuple of pathlib.Path
        Files to write; none in a worker.
    xfails : mapping of str to str
        Node id pattern of an expected failure to its reason.
    shown : tuple of str
        What the header says.
    """

    settings: RunSettings
    shard: tuple[int, int]
    reports: tuple[Path, ...]
    xfails: dict[str, str]
    shown: tuple[str, ...]

    def header(self) -> str | None:
        """The line below pytest's own, if there is anything to say."""
        return f"gradcheck: {' '.join(self.shown)}" if self.shown else None

    def choose(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Expect failures, drop unselected checks, keep one shard; in place."""
        _expect_failures(self.xfails, items)
        _keep(config, items, [item for item in items if _selected(item, self.settings)])
        if self.shard[1] > 1 and not config.getoption("lf", default=False):
            _keep(config, items, _shard_of(items, *self.shard))

    def forgive_an_empty_shard(self, session: pytest.Session) -> None:
        """More shards than tests are no failure."""
        if self.shard[1] > 1:
            session.exitstatus = pytest.ExitCode.OK


def asked_of(config: pytest.Config) -> Asked:
    """What a run was asked for.

    Raises
    ------
    pytest.UsageError
        For anything that cannot be right; the message says what to do.
    """
    settings = RunSettings(
        profile=_profile(config),
        examples=_examples(config),
        seed=_seed(config),
        select=_patterns(config, "select"),
        deselect=_patterns(config, "deselect"),
    )
    if settings.select or settings.deselect:
        _require_known(config, settings.select + settings.deselect)
    shard = _shard(config)
    names = [] if is_worker(config) else _setting(config, "report") or []
    reports = tuple(dict.fromkeys(_report_target(config, name) for name in names))
    shown = _shown(config, settings, shard, reports)
    return Asked(settings, shard, reports, _expected_failures(config), shown)


def _shown(
    config: pytest.Config, settings: RunSettings, shard: tuple[int, int], reports: tuple[Path, ...]
) -> tuple[str, ...]:
    seed_asked = _whole_number(config, "seed") >= 0
    parts = [
        f"profile={settings.profile}" if settings.profile else "",
        f"examples={settings.examples}" if settings.examples else "",
        f"seed={settings.seed}" if seed_asked else "",
        f"shard={shard[0]}/{shard[1]}" if shard[1] > 1 else "",
        f"select={','.join(settings.select)}" if settings.select else "",
        f"deselect={','.join(settings.deselect)}" if settings.deselect else "",
        *(f"report={path.name}" for path in reports),
    ]
    return tuple(part for part in parts if part)


def _setting(config: pytest.Config, name: str) -> Any:
    """The option, else the ini value."""
    value = config.getoption(f"gradcheck_{name}")
    return config.getini(f"gradcheck_{name}") if value is None else value


def _folder(config: pytest.Config, name: str) -> Path:
    """Where a path is seen from: of an option, where pytest was called; else the project."""
    if config.getoption(f"gradcheck_{name}") is not None:
        return config.invocation_params.dir
    return config.inipath.parent if config.inipath else config.rootpath


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
    """The seed asked for, else the default; a worker gets its controller's."""
    seed = _whole_number(config, "seed")
    if seed < 0 and config.getoption("gradcheck_seed") is not None:
        raise pytest.UsageError(f"--gradcheck-seed is {seed}: expected 0 or more")
    return default_seed(config) if seed < 0 or is_worker(config) else seed


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
    added = config.hook.pytest_gradcheck_check_ids(config=config)
    return {GRADIENT, *RELATIONS, *(name for names in added for name in names)}


def _report_target(config: pytest.Config, name: str) -> Path:
    target = (_folder(config, "report") / name).resolve()
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


def _expected_failures(config: pytest.Config) -> dict[str, str]:
    """Node id pattern to reason, from the file of expected failures."""
    name = _setting(config, "xfails_file")
    if not name:
        return {}
    try:
        text = (_folder(config, "xfails_file") / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise pytest.UsageError(f"--gradcheck-xfails-file={name} cannot be read: {error}") from None
    parts = (line.partition(" #") for line in text.splitlines())
    return {
        pattern.strip(): reason.strip() or "listed in " + str(name)
        for pattern, _, reason in parts
        if pattern.strip() and not pattern.lstrip().startswith("#")
    }


def _shard_of(items: list[pytest.Item], index: int, count: int) -> list[pytest.Item]:
    """Every count-th test in the order of their names, which is the same on every machine.

    With ``--lf`` there are no shards: what failed on a machine was of its own shard already.
    """
    ours = set(sorted({item.nodeid for item in items})[index - 1 :: count])
    return [item for item in items if item.nodeid in ours]


def _selected(item: pytest.Item, settings: RunSettings) -> bool:
    marker = item.get_closest_marker("gradcheck")
    check = (marker.kwargs.get("check") or "") if marker else ""
    return not check or settings.wants(check)


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
    staying = set(kept)
    dropped = [item for item in items if item not in staying]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept
