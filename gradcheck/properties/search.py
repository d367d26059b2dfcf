"""Draw examples until one fails, and then some more for other bugs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis

from gradcheck.errors import GradientMismatch, InvalidSubject, leaves
from gradcheck.glance import Look
from gradcheck.one_liner import identifier
from gradcheck.properties.kinds import kind_of
from gradcheck.properties.profiles import Enough, examples_of, hypothesis_settings, seed_of
from gradcheck.properties.property import Property
from gradcheck.properties.refusals import REFUSALS, told
from gradcheck.properties.vacuity import Tally
from gradcheck.properties.witnesses import Witnesses
from gradcheck.recording import RunSettings, unheard
from gradcheck.result import CheckResult, Verdict
from gradcheck.strategies.case import Case

RANDOM_CALLS = 10
"""Examples that Hypothesis draws, at least, before it shrinks what failed; twice as many as it took
to meet the last new failure, if that is more. They look for other bugs."""

OPTION_TRIALS = 40
"""Checks spent on simpler options; arrays are reduced afterwards."""

SHRINK_CALLS = 200
"""Further examples, most of them passed over, in which Hypothesis may come upon such options."""

SUBJECT_TRIALS = 20
"""Checks spent on simpler subjects, where those are drawn."""


class _Refused(Exception):
    """The forward does not take these inputs."""


class Search:
    """The examples of one run, and the failures among them.

    A hasty search tells gross mistakes at a glance; what it found wants a careful look.

    Attributes
    ----------
    look : Look
        How closely examples are looked at.
    found : dict
        The smallest failing case of every kind met.
    tally : Tally
        What became of the examples that did not fail.
    witnesses : Witnesses
        Further failing cases, and for which options a point was wrong.
    """

    def __init__(self, tested: Property, settings: RunSettings, look: Look) -> None:
        self.tested = tested
        self.settings = settings
        self.look = look
        self.tally = Tally()
        self.found: dict[type[GradientMismatch], Case] = {}
        self.witnesses = Witnesses(tested)
        self._failing: dict[str, type[GradientMismatch] | None] = {}
        self._calls = 0
        self._random_calls = RANDOM_CALLS
        self._trials = 0

    def run(self) -> list[type[GradientMismatch]]:
        """Kinds of failure that were found; other exceptions pass through."""
        __tracebackhide__ = True
        seed = seed_of(self.tested, self.settings)
        examples = examples_of(self.tested, self.settings)
        # A single one is left to Hypothesis, which may know one that failed before.
        opening = self.tested.opening(seed or 0) if examples > 1 else None
        raised = None
        if opening is not None:
            raised, examples = self._raised_by(opening), examples - 1
        opened = list(self.found)
        kinds = self._run_hypothesis(seed, examples)
        if raised is not None and not kinds:
            raise raised
        return list(dict.fromkeys([*opened, *kinds]))

    def _raised_by(self, opening: Case) -> Exception | None:
        """What the first example raised, if no mismatch: Hypothesis may meet it in a smaller."""
        try:
            self._example(opening)
        except (GradientMismatch, _Refused):
            return None
        except Exception as error:
            return error
        return None

    def _run_hypothesis(self, seed: int | None, examples: int) -> list[type[GradientMismatch]]:
        __tracebackhide__ = True
        try:
            self._hypothesis_test(seed, examples)()
        except hypothesis.errors.Unsatisfiable:
            return []  # every example was refused, and the tally knows why
        except Enough:
            return list(self.found)
        except (GradientMismatch, BaseExceptionGroup) as error:
            single = list(leaves(error))
            others = [leaf for leaf in single if not isinstance(leaf, GradientMismatch)]
            if others and not isinstance(error, hypothesis.errors.FlakyFailure):
                raise
            kinds = dict.fromkeys(type(x) for x in single if isinstance(x, GradientMismatch))
            return list(kinds or self.found)
        return []

    def _hypothesis_test(self, seed: int | None, examples: int) -> Callable[[], None]:
        def one(case: Case) -> None:
            __tracebackhide__ = True
            try:
                self._example(case)
            except _Refused:
                hypothesis.reject()

        # Hypothesis keeps failures by the name of the function.
        one.__name__ = one.__qualname__ = identifier(f"{self.tested.module} {self.tested.name}")
        test = hypothesis.given(case=self.tested.strategy)(one)
        if seed is not None:
            test = hypothesis.seed(seed)(test)
        # After the seed, which would take the database away.
        usual = hypothesis_settings(self.tested, self.settings)
        return hypothesis.settings(usual, max_examples=examples)(test)

    def _example(self, case: Case) -> None:
        __tracebackhide__ = True
        self._calls += 1
        # Hypothesis gets to one case by many ways, and most ways of shrinking lead back to it.
        key = repr(case)
        is_known = key in self._failing
        shrinking = bool(self.found) and self._calls > self._random_calls and not is_known
        if shrinking:
            self._require_more_to_try()
            if not self._is_worth_a_check(case):
                return
            self._trials += 1
        known = self._failing.get(key) if case.is_written_in_full else None
        kind = known or self._failure(case, key, shrinking)
        if kind is None:
            return
        if kind not in self.found:
            self._random_calls = max(self._random_calls, 2 * self._calls)
        if kind not in self.found or shrinking or case.entries <= self.found[kind].entries:
            self.found[kind] = case
        raise kind(f"{self.tested.name}: wrong")

    def _failure(self, case: Case, key: str, shrinking: bool) -> type[GradientMismatch] | None:
        """Check an example: the kind of its failure, or ``None``, counted."""
        __tracebackhide__ = True
        try:
            result = self._checked(case, shrinking)
        except InvalidSubject as error:
            if not isinstance(error.__cause__, REFUSALS):
                self._failing[key] = None
                raise
            self.tally.refuse(f"the forward refused the inputs ({told(error.__cause__)})")
            raise _Refused from None
        except Exception:
            self._failing[key] = None
            raise
        self.witnesses.try_options(case, result)
        if result.verdict is not Verdict.WRONG:
            self.tally.count(case, result)
            return None
        kind = kind_of(result, case)
        self.witnesses.keep(case)
        self._failing[key] = kind
        return kind

    def _require_more_to_try(self) -> None:
        """End the run where shrinking by Hypothesis has no more to give."""
        tested = self.tested
        if tested.option_strategies:
            ended = self._calls > self._random_calls + SHRINK_CALLS or self._trials >= OPTION_TRIALS
        else:
            ended = not tested.draws_subjects or self._trials >= SUBJECT_TRIALS
        if ended:
            raise Enough

    def _is_worth_a_check(self, case: Case) -> bool:
        """Whether a case differs by more than its arrays from those that failed."""
        known = {repr(found.options) for found in self.found.values()}
        return self.tested.draws_subjects or repr(case.options) not in known

    def _checked(self, case: Case, shrinking: bool) -> CheckResult:
        if not self.found:
            return self.check(case)
        # Further bugs are looked for as long as they are plain; what is not may wait for the next
        # run, when the first is mended. And these are no examples that anyone asked for: nobody
        # hears of them.
        plain = self.look is Look.HASTY and not shrinking
        return unheard(self.check, case, **({"look": Look.GLANCE} if plain else {}))

    def check(self, case: Case, **changes: Any) -> CheckResult:
        """Check a case as this search does, but for some options."""
        return self.tested.check(case, **({"look": self.look} | changes))
