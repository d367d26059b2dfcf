"""One property test in several hands: gradcheck's line, and Hypothesis with a checker inside."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gradcheck
import gradcheck.strategies
from benchmarks.peers import installed, select
from benchmarks.problems import problem
from gradcheck.recording import recording
from gradcheck.result import Verdict
from gradcheck.strategies.case import specs_and_options
from tests.corpus.twin import bind

REFUSALS = (ValueError, ArithmeticError, NotImplementedError)
"""What a forward raises that does not want its inputs; gradcheck leaves those out too."""

LARGEST_SIZE = 5
"""Of an axis, in the lines with plain Hypothesis: a loop over the entries must end."""


@dataclass
class Run:
    """What became of one property test; times are CPU seconds.

    Attributes
    ----------
    failed : bool
    examples : int
        Up to the first that failed, that one included.
    first : float
        Until the first failing example was known to fail.
    seconds : float
        Until the test ended: with the smallest example, and with its report.
    entries : int
        Numbers in the arrays of the example that was reported.
    """

    failed: bool = False
    examples: int = 0
    first: float = 0.0
    seconds: float = 0.0
    entries: int = 0


class _Watch:
    """Counts examples until one fails, and notes when."""

    def __init__(self) -> None:
        self.started = time.process_time()
        self.run = Run()

    def note(self, failed: bool, entries: int) -> None:
        if not self.run.failed:
            self.run.examples += 1
            self.run.first = time.process_time() - self.started
        if failed:
            self.run.failed = True
            self.run.entries = entries

    def finish(self, failed: bool) -> Run:
        self.run.seconds = time.process_time() - self.started
        self.run.failed = failed
        return self.run


def _ends(test) -> bool:
    """Whether a test fails."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            test()
        except Exception:
            return True
    return False


# ------------------------------------------------------------------------------------------- ours


def ours(twin, make_pair, seed):
    """The line of gradcheck, with its default number of examples."""
    watch = _Watch()
    arguments = dict(twin.arguments(gradcheck.strategies))
    axes = arguments.pop("axes", None)

    def note(result):
        wrong = result.verdict is Verdict.WRONG
        watch.note(wrong, sum(int(np.prod(shape)) for shape in result.shapes.values()))

    with recording(note, alone=True):
        failed = _ends(gradcheck.vjp_test(*make_pair(), axes=axes, seed=seed, arguments=arguments))
    return watch.finish(failed)


# --------------------------------------------------------------------------- Hypothesis and others


def _elements(spec):
    """What somebody writes who knows the domain of the argument."""
    kind, domain = np.dtype(spec.dtype).kind, spec.domain
    if kind == "c":
        return st.complex_numbers(max_magnitude=3, allow_nan=False)
    low, high = {"positive": (0.1, 3), "nonnegative": (0, 3), "unit": (0.01, 0.99)}.get(
        domain if isinstance(domain, str) else "",
        domain if isinstance(domain, tuple) else (-3, 3),
    )
    if kind in "iu":
        return st.integers(int(low), int(high))
    if kind == "b":
        return st.booleans()
    numbers = st.floats(float(low), float(high), width=8 * np.dtype(spec.dtype).itemsize)
    return st.one_of(st.sampled_from(spec.include), numbers) if spec.include else numbers


def _array(draw, spec, sizes):
    shape = tuple(
        axis
        if isinstance(axis, int)
        else sizes.setdefault(axis, draw(st.integers(1, LARGEST_SIZE)))
        for axis in spec.shape.axes
    )
    if isinstance(spec.categories, str):
        limit = sizes.setdefault(spec.categories, draw(st.integers(1, LARGEST_SIZE)))
    else:
        limit = spec.categories
    elements = _elements(spec) if limit is None else st.integers(0, limit - 1)
    unique = spec.domain == "distinct"
    array = draw(hnp.arrays(spec.dtype, shape, elements=elements, unique=unique))
    if spec.domain == "simplex":
        array = np.exp(array) / np.exp(array).sum(axis=-1, keepdims=True)
    return array


@st.composite
def points(draw, arguments):
    """Inputs and options of a twin, as plain Hypothesis would draw them."""
    arguments = {name: given for name, given in arguments.items() if name != "axes"}
    specs, options = specs_and_options(arguments)
    sizes: dict[str, int] = {}
    drawn = {name: _array(draw, specs[name], sizes) for name in arguments if name in specs}
    return drawn | {name: draw(strategy) for name, strategy in options.items()}


def with_hypothesis(check, twin, make_pair, seed):
    """A Hypothesis test with default settings around a checker."""
    watch = _Watch()
    strategy = points(twin.arguments(gradcheck.strategies))
    test = quiet_hypothesis_test(check, make_pair(), strategy, seed, watch.note)
    return watch.finish(_ends(test))


def quiet_hypothesis_test(check, pair, strategy, seed=0, note=None):
    """The test, which tells ``note``, if given, of every example."""
    note = note or (lambda *_: None)

    @hypothesis.seed(seed)
    @settings(
        parent=settings.get_profile("default"),
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @hypothesis.given(strategy)
    def test(point):
        one = problem("", pair, point)
        try:
            bind(pair, point)[0](*[array.copy() for array in one.inputs.values()])
        except REFUSALS:
            hypothesis.reject()
        entries = sum(array.size for array in one.inputs.values())
        try:
            check(one)
        except Exception:
            note(True, entries)
            raise
        note(False, entries)

    return test


QUICK_CHECKERS = ("naive loop", "autograd")
"""Others take tens of milliseconds per example, hundreds of times."""


def lines() -> dict[str, Callable[[Any, Any, int], Run]]:
    """``line(twin, make_pair, seed)`` by name, ours first."""
    others = select(installed(), QUICK_CHECKERS)
    plain = {
        "gradcheck": ours,
        **{f"Hypothesis + {peer.name}": partial(with_hypothesis, peer.check) for peer in others},
    }
    return {name: partial(_once, name, line) for name, line in plain.items()}


_RUNS: dict[tuple[str, str, str, int], Run] = {}


def _once(name, line, twin, make_pair, seed):
    """A line's run: the tables that count failures and those that time them share it."""
    if not _RUNS:  # the first call of all would pay for imports
        line(twin, make_pair, seed)
    key = (name, twin.id, make_pair.__name__, seed)
    if key not in _RUNS:
        _RUNS[key] = line(twin, make_pair, seed)
    return _RUNS[key]
