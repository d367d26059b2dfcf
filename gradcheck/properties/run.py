"""Run a property: search, then tell what was found, or that nothing could have been."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck import recording
from gradcheck.errors import GradientMismatch, VacuousTest
from gradcheck.glance import Look
from gradcheck.properties.failure import failure
from gradcheck.properties.kinds import together
from gradcheck.properties.property import Property
from gradcheck.properties.search import Search
from gradcheck.properties.self_test import kill_rate_of
from gradcheck.recording import run_settings
from gradcheck.strategies.case import Case


def run(tested: Property) -> None:
    """Run a property test.

    Raises
    ------
    GradientMismatch
        With the smallest failing example found.
    VacuousTest
        If (nearly) no example could have failed, or a mutant survives a self-test.
    """
    __tracebackhide__ = True
    search = Search(tested, run_settings(), Look.HASTY)
    failures = _failures(search)
    if search.found and not failures:
        search = Search(tested, run_settings(), Look.CAREFUL)
        failures = _failures(search)
    if failures:
        raise together(tested.name, failures)
    search.tally.require_information(tested.name)
    if tested.asked.self_test:
        _require_kills(tested, search.tally.kept)


def _failures(search: Search) -> list[GradientMismatch]:
    """What a search found, each with its smallest case, and looked at carefully."""
    kinds = search.run()
    if kinds:
        search.witnesses.look_around(search.settings)
    told = (failure(search, kind) for kind in kinds)
    return [one for one in told if one is not None]


def _require_kills(tested: Property, examples: Sequence[Case]) -> None:
    __tracebackhide__ = True
    rate = tested.kill_rate = kill_rate_of(tested, examples)
    recording.record(rate.result(tested.name))
    if rate.survivors:
        raise VacuousTest(
            f"{tested.name}: this test cannot fail. {rate}. Expected all. "
            "Do: give the survivors' inputs shapes and domains where they matter."
        )
