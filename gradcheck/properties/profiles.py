"""How Hypothesis runs a property: examples, seed, database and phases."""

from __future__ import annotations

import hashlib
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase

from gradcheck.properties.property import Property
from gradcheck.recording import PROFILE_EXAMPLES, RunSettings
from gradcheck.strategies.portable import portable_backend

DEFAULT_PROFILE = "ci"
"""What an unconfigured run uses: the same here and on the build server."""


class Enough(BaseException):
    """Ends a run of Hypothesis: what it was run for is there, or not worth more examples."""


def examples_of(tested: Property, run: RunSettings) -> int:
    """How many examples a run of a property has."""
    return run.examples or tested.asked.examples or PROFILE_EXAMPLES[_profile(run)]


def hypothesis_settings(tested: Property, run: RunSettings) -> hypothesis.settings:
    """Settings for one run of a property.

    Everything is named: a profile of the user's, or the one Hypothesis loads on build servers,
    would else freeze the examples or forget the failures.
    """
    return hypothesis.settings(
        hypothesis.settings.get_profile("default"),
        max_examples=examples_of(tested, run),
        derandomize=False,
        database=_database(run),
        phases=(Phase.reuse, Phase.generate, Phase.shrink),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=True,
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
        backend=portable_backend() if run.portable else "hypothesis",
    )


def seed_of(tested: Property, run: RunSettings) -> int | None:
    """Seed of the examples; ``None`` where every run is to draw new ones."""
    if run.seed is not None:
        return run.stream_seed
    if _profile(run) == "deep" and tested.asked.seed is None:
        return None
    text = f"{tested.module}:{tested.name}:{tested.asked.seed}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _profile(run: RunSettings) -> str:
    return run.profile or DEFAULT_PROFILE


def _database(run: RunSettings) -> Any:
    if run.portable:
        return None
    usual = hypothesis.settings.get_profile("default").database
    chosen = hypothesis.settings().database  # of the profile that was loaded last
    if chosen is not None and chosen != usual:
        return chosen  # a profile of the user's shares what was found on other machines
    # In CI the seed is fixed: what failed fails again without being remembered.
    return None if _profile(run) == "ci" else usual
