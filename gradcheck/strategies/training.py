"""Draw the arguments of whole trainings, and run a property on them within a budget."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase

from gradcheck.recording import PROFILE_EXAMPLES, record, recording, run_settings
from gradcheck.strategies.case import Case, cases
from gradcheck.strategies.portable import portable_backend
from gradcheck.strategies.shapes import Bounds

CHECKS_PER_TRAINING = 5
"""A training costs what some checks cost: a profile asks for that many fewer examples."""

SHRINK_TRIALS = 40
"""Trainings that may be spent on looking for a smaller failing example after the first."""

Body = Callable[[Mapping[str, Any], str], None]
"""``body(arguments, written)``: drawn arguments, and the same as they are written in a call."""


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
        ``body(arguments, written)``; raises where the property does not hold.
    draws : mapping of str to shape or strategy
        As for `gradcheck.strategies.case`.
    name : str
        Of the property, an identifier: it fixes the examples, unless the run asks for a seed.
    examples : int, optional
        Trainings to draw; ``--gradcheck-examples`` overrides it.
    axes : mapping, optional
        Sizes of named axes.

    Examples
    --------
    >>> from hypothesis import strategies as st
    >>> seen = []
    >>> def body(arguments, written):
    ...     seen.append(written)
    >>> training_property(body, {"width": st.integers(1, 4)}, name="x", examples=1)()
    >>> seen
    ['width=1']
    """
    strategy = cases(draws, axes=axes)

    def run() -> None:
        __tracebackhide__ = True
        search = _Search(body)

        def one(case: Case) -> None:
            __tracebackhide__ = True
            search.train(case)

        # Hypothesis keeps failures by the name of the function.
        one.__name__ = one.__qualname__ = name
        test = _asked(hypothesis.given(case=strategy)(one), name, examples)
        try:
            test()
        except Exception as error:
            failure = search.told(error)
        else:
            return
        raise failure

    return run


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a training raised, from where, and what was recorded meanwhile."""

    error: Exception
    traceback: TracebackType | None
    heard: list[Any]


class _Search:
    """Trainings until one fails, then a few smaller ones; what failed once keeps failing."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.failures: dict[str, _Failure] = {}
        self.trials_left = SHRINK_TRIALS

    def train(self, case: Case) -> None:
        __tracebackhide__ = True
        if repr(case) in self.failures:
            raise self.failures[repr(case)].error
        if self.failures:
            if self.trials_left == 0:
                return
            self.trials_left -= 1
        heard: list[Any] = []
        try:
            with recording(heard.append, alone=True):
                self.body({**case.arrays, **case.options}, _written(case))
        except hypothesis.errors.HypothesisException:  # assume() in a factory is no failure
            raise
        except Exception as error:
            self.failures[repr(case)] = _Failure(error, error.__traceback__, heard)
            raise
        if not self.failures:  # what is tried while shrinking is nothing that anyone asked for
            _pass_on(heard)

    def told(self, error: Exception) -> Exception:
        """The error that is shown, as it was raised first; what its training recorded is heard."""
        known = [failure for failure in self.failures.values() if failure.error is error]
        if not known and isinstance(error, hypothesis.errors.Flaky):
            # What cannot be told by its repr fails only once: the last of them is the smallest.
            known = list(self.failures.values())
        if not known:
            return error
        _pass_on(known[-1].heard)
        return known[-1].error.with_traceback(known[-1].traceback)


def _pass_on(results: Iterable[Any]) -> None:
    for result in results:
        record(result)


def _written(case: Case) -> str:
    arrays = [f"{name}=gradcheck.{recipe}" for name, recipe in case.recipes.items()]
    return ", ".join([*arrays, *(f"{name}={value!r}" for name, value in case.options.items())])


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
        verbosity=hypothesis.Verbosity.quiet,  # the body says it better
        backend=portable_backend() if asked.portable else "hypothesis",
    )
    return settings(hypothesis.seed(seed)(test))
