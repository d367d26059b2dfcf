"""Tell of one failure: its smallest case, the likely causes, a line that repeats it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from gradcheck import recording
from gradcheck.errors import GradientMismatch, InvalidArgument, InvalidSubject
from gradcheck.glance import Look
from gradcheck.properties.kinds import kinds_of
from gradcheck.properties.reproduction import reproduction_of
from gradcheck.properties.search import Search
from gradcheck.recording import unheard
from gradcheck.report.terminal import render
from gradcheck.result import CheckResult, Finding, Verdict
from gradcheck.strategies.case import Case
from gradcheck.strategies.reduction import Kind, reduced

CLOSER_TRIALS = 12
"""Checks spent on cases that are not wrong at a glance, of a failure that was: each is many times
as dear."""


def failure(search: Search, kind: type[GradientMismatch]) -> GradientMismatch | None:
    """The smallest case of one kind of failure, with all that can be said about it.

    ``None`` where a hasty search took something for a failure that is none at a careful look.
    """
    tested = search.tested
    case = _smallest(search, search.found[kind], kind)
    result = unheard(tested.check, case, diagnose=True)
    if result.verdict is Verdict.WRONG:
        result = replace(result, diagnoses=search.witnesses.causes(kind, result))
    elif search.look is not Look.CAREFUL:
        return None
    else:
        result = _flaky(result, tested.name)
    result = replace(result, reproduce=reproduction_of(tested, case))
    recording.record(result)
    return kind(render(result), result)


def _smallest(search: Search, found: Case, kind: type[GradientMismatch]) -> Case:
    """The smallest case that fails alike; at a glance, if the one that was found does so."""

    def fails(case: Case, **changes: Any) -> bool:
        try:
            result = unheard(search.check, case, **changes)
        except (InvalidSubject, InvalidArgument):
            return False
        return result.verdict is Verdict.WRONG and kind in kinds_of(result, case)

    reduce = partial(reduced, specs=search.tested.specs, axes=search.tested.axes)
    at_a_glance = partial(fails, look=Look.GLANCE, relations=())
    if search.look is Look.CAREFUL or not at_a_glance(found):
        return reduce(found, fails)
    case = reduce(found, at_a_glance, kinds=[Kind.SMALLER])
    case = reduce(case, fails, kinds=[Kind.SMALLER], most_trials=CLOSER_TRIALS)
    if at_a_glance(case):
        return reduce(case, at_a_glance, kinds=[Kind.SIMPLER])
    return reduce(case, fails, kinds=[Kind.SIMPLER], most_trials=CLOSER_TRIALS)


def _flaky(result: CheckResult, name: str) -> CheckResult:
    """The record of a failure that does not come back."""
    finding = Finding(
        "not-deterministic",
        f"{name} was wrong at this point once and is not when checked again. Expected the same "
        "answer every time. Do: look for state, random numbers or uninitialised memory.",
    )
    return replace(result, verdict=Verdict.WRONG, findings=(finding, *result.findings))
