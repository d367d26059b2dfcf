"""Draw the arguments of whole trainings, and run a property on them within a budget."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase

from gradcheck.recording import PROFILE_EXAMPLES, run_settings
from gradcheck.strategies.case import Case, cases
from gradcheck.strategies.portable import portable_backend
from gradcheck.strategies.shapes import Bounds

CHECKS_PER_TRAINING = 5
"""A training costs what some checks cost: a profile asks for that many fewer examples."""

SHRINK_TRIALS = 40
"""Trainings that may be spent on looking for a smaller failing example after the first."""

Body = Callable[[Mapping[str, Any]], None]


def training_property(
    body: Body,
    draws: Mapping[str, Any],
    *,
    name: str,
    examples: int | None = None,
    axes: Mapping[str, Bounds] | None = None,
) -> Callable[[], None]:
    """A function without arguments that runs ``body`` on drawn arguments.

    Parameters
    ----------
    body : callable
        ``body(arguments)``; raises where the property does not hold.
    draws : mapping of str to shape or strategy
        As for `gradcheck.strategies.case`.
    name : str
        Of the property: it fixes the examples, unless the run asks for a seed.
    examples : int, optional
        Trainings to draw; ``--gradcheck-examples`` overrides it.
    axes : mapping, optional
        Sizes of named axes.

    Examples
    --------
    >>> from hypothesis import strategies as st
    >>> seen = []
    >>> run = training_property(seen.append, {"width": st.integers(1, 4)}, name="x", examples=3)
    >>> run()
    >>> len(seen), set(seen[0])
    (3, {'width'})
    """
    strategy = cases(draws, axes=axes)

    def run() -> None:
        __tracebackhide__ = True
        budget = _Budget(body)

        def one(case: Case) -> None:
            __tracebackhide__ = True
            budget.spend(case)

        # Hypothesis keeps failures by the name of the function.
        one.__name__ = one.__qualname__ = name
        _asked(hypothesis.given(case=strategy)(one), name, examples)()

    return run


class _Budget:
    """Stops trying smaller examples after a while; what failed once keeps failing."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.failed: dict[str, BaseException] = {}
        self.trials = 0

    def spend(self, case: Case) -> None:
        __tracebackhide__ = True
        self.trials += bool(self.failed)
        if self.trials > SHRINK_TRIALS:
            if repr(case) in self.failed:
                raise self.failed[repr(case)]
            return
        try:
            self.body({**case.arrays, **case.options})
        except AssertionError as error:
            self.failed[repr(case)] = error
            raise


def _asked(test: Callable[[], None], name: str, examples: int | None) -> Callable[[], None]:
    """The test with the number and the seed of examples that the run asks for."""
    asked = run_settings()
    seed = asked.stream_seed
    if seed is None:
        seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
    profile = PROFILE_EXAMPLES[asked.profile or "ci"] // CHECKS_PER_TRAINING
    settings = hypothesis.settings(
        hypothesis.settings.get_profile("default"),
        max_examples=asked.examples or examples or max(profile, 1),
        derandomize=False,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        backend=portable_backend() if asked.portable else "hypothesis",
    )
    return settings(hypothesis.seed(seed)(test))
