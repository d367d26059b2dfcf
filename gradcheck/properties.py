"""One line per function: property tests that draw inputs, check the claim and shrink failures.

``vjp_test``, ``grad_test`` and ``jvp_test`` return a test function without arguments, which pytest
collects and anyone can call; ``parametrize_with_checks`` makes one item per subject and check.
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from copy import copy
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.strategies import SearchStrategy

from gradcheck import recording
from gradcheck.backends.styles import as_subject
from gradcheck.checking import ABOUT_COTANGENTS, Options, run_check
from gradcheck.diagnosis import Trial, consensus, wrong_for_options
from gradcheck.directions import gaussian
from gradcheck.errors import (
    GradientInconclusive,
    GradientMismatch,
    InvalidArgument,
    InvalidSubject,
    VacuousTest,
    leaves,
    mismatch_type,
)
from gradcheck.one_liner import TestFunction, as_test, identifier, module_of
from gradcheck.recording import RunSettings, run_settings
from gradcheck.relations import DEFAULT, RELATIONS, Scene, relate
from gradcheck.report.terminal import render, reproduction
from gradcheck.result import Array, CheckResult, Diagnosis, Finding, Severity, Verdict
from gradcheck.strategies.case import Case, cases, specs_and_options, subject_cases
from gradcheck.strategies.portable import portable_backend
from gradcheck.strategies.reduction import reduced
from gradcheck.strategies.shapes import ELLIPSIS, Axes, Bounds, Shape
from gradcheck.subject import FunctionSubject, Inputs
from gradcheck.trees import is_differentiable, like_output, named_outputs

T = TypeVar("T")

DEFAULT_PROFILE = "ci"
"""What an unconfigured run uses: the same here and on the build server."""

REFUSALS = (ValueError, ArithmeticError, NotImplementedError)
"""Exceptions by which a forward says that it does not take these inputs: the example is left out.

Any other exception is a failure of the test.
"""

INFORMATIVE_SHARE = 0.05
"""A test where fewer examples than this could have failed has tested nothing worth the name."""

OTHER_BUGS = 20
"""Checks after the first failure, at least, in search of others. Arrays are reduced afterwards."""

SHRINK_TRIALS = 100
"""Further checks that Hypothesis may spend on shrinking options."""

WITNESSES = 4
"""Larger failing cases that are asked for the cause too: the smallest is the worst witness."""

MOST_CAUSES = 3
"""Likely causes of one failure that are told."""

WITNESS_ENTRIES = 64
"""Different numbers beyond which a case is no better witness, only a dearer one."""

WITNESS_EXAMPLES = 12
"""Examples drawn for their cause once the test has failed: what fails first may be the smallest."""

SELF_TEST_CASES = 8
"""Examples on which a mutant may die; most die on the first."""

NOTICEABLE = 1e-4
"""Relative change of the claim below which a mutant counts as the same claim."""


# --------------------------------------------------------------------------------- the one line


def vjp_test(
    forward: Any,
    backward: Any = None,
    /,
    *,
    rtol: float | None = None,
    kinks: str | None = None,
    relations: Iterable[str] | None = None,
    axes: Mapping[str, Bounds] | None = None,
    batch: str = "",
    style: str | None = None,
    examples: int | None = None,
    seed: int | None = None,
    self_test: bool = False,
    name: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    **shapes: Any,
) -> TestFunction:
    """A property test of a hand-written vector-Jacobian product.

    Parameters
    ----------
    forward, backward : callable
        ``forward(*inputs) -> output`` and ``backward(cotangent, *inputs) -> gradients``, or any
        other style of `gradcheck.backends.styles.as_subject`: ``out, cache = forward(...)`` with
        ``backward(dout, cache)``; a layer object, its class or a factory (then ``backward`` is left
        out, and a factory is called anew for every example); a Subject; or a strategy of Subjects
        that have their own ``inputs``, as `gradcheck.strategies.networks` draws them.
    rtol : float, optional
        How large a relative error you would call a bug; see `check_vjp`.
    kinks : {"strict", "lenient"}, optional
        See `check_vjp`. By default lenient for a subject that shows its layers, else strict.
    relations : iterable of str, optional
        Exact relations to look at; by default all that apply.
    axes : mapping of str to bounds, optional
        Sizes of named axes: a size, ``(smallest, largest)``, a list of sizes or a strategy. By
        default from 1, small and odd and even, all different half of the time.
    batch : str, optional
        Name of the axis whose samples are independent of each other.
    style : str, optional
        Calling style, where it must not be guessed.
    examples : int, optional
        Examples to draw; ``--gradcheck-examples`` overrides it, and it overrides the profile.
    seed : int, optional
        Seed of the examples; by default fixed by the name of the test, in the profile ``deep`` new
        for every run. ``--gradcheck-seed`` overrides it.
    self_test : bool
        After passing, check that wrong claims would have failed, and fail if one would not.
    name : str, optional
        Shown in reports; by default the name of ``forward``.
    arguments : mapping, optional
        Arguments of the function whose names are options here: ``arguments={"seed": "n"}``.
    **shapes : str or strategy
        One per argument of ``forward``: a shape such as ``"n d"``, a strategy of
        `gradcheck.strategies` for arrays, or any other Hypothesis strategy for an option, which is
        passed by keyword to those of ``forward`` and ``backward`` that take it.

    Returns
    -------
    callable
        A test function: raises `GradientMismatch` with the smallest failing example found,
        `VacuousTest` if (nearly) no example could have failed; else returns None.

    Raises
    ------
    InvalidArgument, InvalidSubject
        At once: for a shape, an axis, a domain or an option that does not fit the function.

    Notes
    -----
    Inputs on which ``forward`` raises ValueError, ArithmeticError or NotImplementedError are left
    out and counted: it refuses them. If it refuses nearly all, the test is vacuous.

    Examples
    --------
    >>> def dense(x, w, b):
    ...     return x @ w + b
    >>> def dense_backward(y_bar, x, w, b):
    ...     return y_bar @ w.T, x.T @ y_bar, y_bar.sum(axis=0)
    >>> test_dense = vjp_test(dense, dense_backward, x="n d", w="d k", b="k")
    >>> test_dense()
    """
    function = _Function("assert_vjp", forward, backward, style, name)
    return _property_test(
        function,
        {**(arguments or {}), **shapes},
        _Asked(rtol, kinks, _names(relations), axes or {}, batch, examples, seed, self_test),
    )


def grad_test(
    func: Any,
    grad: Any,
    /,
    *,
    rtol: float | None = None,
    kinks: str | None = None,
    relations: Iterable[str] | None = None,
    axes: Mapping[str, Bounds] | None = None,
    examples: int | None = None,
    seed: int | None = None,
    self_test: bool = False,
    name: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    **shapes: Any,
) -> TestFunction:
    """A property test of the gradient of a scalar function.

    Parameters
    ----------
    func : callable
        ``func(*inputs) -> float``.
    grad : callable or True
        ``grad(*inputs) -> gradient`` (a tuple for several inputs), or True where ``func`` returns
        ``(value, gradient)``, as for SciPy's ``jac=True``.
    rtol, kinks, relations, axes, examples, seed, self_test, name, arguments, **shapes
        As in `vjp_test`.

    Returns
    -------
    callable
        As `vjp_test`.

    Examples
    --------
    >>> from scipy.optimize import rosen, rosen_der
    >>> test_rosen = grad_test(rosen, rosen_der, x="n", axes={"n": (2, 8)})
    >>> test_rosen()
    """
    style = "value-and-gradient" if grad is True else "gradient"
    function = _Function("assert_vjp", func, grad, style, name)
    chosen = tuple(name for name in _names(relations) or DEFAULT if name not in ABOUT_COTANGENTS)
    return _property_test(
        function,
        {**(arguments or {}), **shapes},
        _Asked(rtol, kinks, chosen, axes or {}, "", examples, seed, self_test),
    )


def jvp_test(
    forward: Any,
    jvp: Any,
    /,
    *,
    rtol: float | None = None,
    kinks: str | None = None,
    axes: Mapping[str, Bounds] | None = None,
    examples: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    **shapes: Any,
) -> TestFunction:
    """A property test of a hand-written Jacobian-vector product (forward mode).

    Parameters
    ----------
    forward : callable
        ``forward(*inputs) -> output``.
    jvp : callable
        ``jvp(inputs, tangents) -> tangent of the output``; both arguments are tuples.
    rtol, kinks, axes, examples, seed, name, arguments, **shapes
        As in `vjp_test`.

    Returns
    -------
    callable
        As `vjp_test`.

    Examples
    --------
    >>> test_sine = jvp_test(np.sin, lambda x, x_dot: np.cos(x[0]) * x_dot[0], x="n")
    >>> test_sine()
    """
    function = _Function("assert_jvp", forward, jvp, None, name)
    asked = _Asked(rtol, kinks, (), axes or {}, "", examples, seed, False)
    return _property_test(function, {**(arguments or {}), **shapes}, asked)


def _names(relations: Iterable[str] | None) -> tuple[str, ...] | None:
    if isinstance(relations, str):
        raise InvalidArgument(
            f"relations: got the string {relations!r}, expected an iterable of names. "
            f"Do: pass ({relations!r},)."
        )
    return None if relations is None else tuple(relations)


# ---------------------------------------------------------------------- what is under test, and how


@dataclass(frozen=True)
class _Asked:
    """The options of a property test; ``only`` names the one relation to look at."""

    rtol: float | None = None
    kinks: str | None = None
    relations: tuple[str, ...] | None = None
    axes: Mapping[str, Bounds] = field(default_factory=dict)
    batch: str = ""
    examples: int | None = None
    seed: int | None = None
    self_test: bool = False
    only: str = ""


@dataclass(frozen=True)
class _Function:
    """The function under test, as its author wrote it."""

    call: str
    forward: Any
    backward: Any
    style: str | None
    given_name: str | None

    @property
    def name(self) -> str:
        drawn = isinstance(self.forward, SearchStrategy)
        return self.given_name or ("drawn_subjects" if drawn else _name_of(self.forward))

    @property
    def callables(self) -> tuple[Any, ...]:
        """What a call of `assert_vjp` and its sisters starts with."""
        alone = self.backward is None
        return (self.forward,) if alone else (self.forward, self.backward)

    def subject(self, options: Mapping[str, Any], names: Sequence[str] | None = None) -> Any:
        """The function with its options fixed, as a subject."""
        if self.call != "assert_jvp":
            return as_subject(
                self.forward, self.backward, style=self.style, options=options, names=names,
                name=self.given_name,
            )  # fmt: skip
        made = as_subject(
            self.forward, _no_backward, style="pair", jvp=self.backward, options=options,
            name=self.name,
        )  # fmt: skip
        push = made.push_forward  # type: ignore[attr-defined]
        return FunctionSubject(made.name, made.value, push_forward=push)


def _no_backward(*_: Any) -> Any:
    raise InvalidSubject("this subject claims a jvp only")


def _name_of(thing: Any) -> str:
    return str(getattr(thing, "__name__", None) or getattr(thing, "name", type(thing).__name__))


def _property_test(
    function: _Function, arguments: Mapping[str, Any], asked: _Asked
) -> TestFunction:
    """The property as a test function that pytest shows at the caller's line."""
    caller = sys._getframe(2)
    tested = _Property(function, arguments, asked, module_of(caller))
    tested.require_sense()
    test: Any = as_test(tested.run, tested.name, caller)
    test.gradcheck = tested
    return test  # type: ignore[no-any-return]


class _Property:
    """One function, what its arguments may be, and how strictly it is checked."""

    def __init__(
        self, function: _Function, arguments: Mapping[str, Any], asked: _Asked, module: str
    ) -> None:
        self.function = function
        self.asked = asked
        self.module = module
        self.specs, self.option_strategies = specs_and_options(arguments)
        self.axes = Axes(dict(asked.axes))
        self.draws_subjects = isinstance(function.forward, SearchStrategy)
        self.strategy = (
            subject_cases(function.forward)
            if self.draws_subjects
            else cases(arguments, axes=asked.axes)
        )
        self.kill_rate: KillRate | None = None
        varies = self.draws_subjects or self.option_strategies
        self._plain = None if varies else function.subject({})

    @property
    def name(self) -> str:
        return self.function.name

    def require_sense(self) -> None:
        """Refuse at once what no example could make sense of."""
        self._require_plausible_options()
        if self.draws_subjects:
            self._require_no_arguments()
            return
        if not self.specs and not self.option_strategies:
            raise InvalidArgument(
                f"{self.name}: got no argument, expected a shape for every input. "
                "Do: write for example vjp_test(forward, backward, x='n d')."
            )
        placeholders = dict.fromkeys(self.option_strategies)
        self.function.subject(placeholders, tuple(self.specs) if not _is_open(self) else None)

    def _require_no_arguments(self) -> None:
        if self.specs or self.option_strategies or self.function.backward is not None:
            raise InvalidArgument(
                f"{self.name}: got arguments beside a strategy of subjects, expected none: drawn "
                "subjects bring their own inputs. Do: leave them out."
            )

    def _require_plausible_options(self) -> None:
        self.options(Case({}, {}, {}, 0))
        if self.asked.examples is not None and self.asked.examples < 1:
            raise InvalidArgument(
                f"examples: got {self.asked.examples}, expected at least 1. Do: correct it."
            )
        if self.asked.batch and self.asked.batch not in self._axis_names():
            raise InvalidArgument(
                f"batch: got {self.asked.batch!r}, expected one of "
                f"{', '.join(sorted(self._axis_names())) or 'no axis'}. Do: name an axis."
            )

    def _axis_names(self) -> set[str]:
        return {name for spec in self.specs.values() for name in spec.shape.names}

    def subject(self, case: Case) -> Any:
        """The function with the options of a case; a factory makes its objects anew."""
        if case.subject is not None:
            return case.subject
        if self._plain is not None and getattr(self._plain, "renew", None) is None:
            return self._plain
        return self.function.subject(_options_of(case))

    def options(self, case: Case, **changes: Any) -> Options:
        """How a case is checked."""
        subject = self._plain if case.subject is None else case.subject
        lenient = hasattr(subject, "layers")
        given = Options(
            rtol=self.asked.rtol,
            seed=case.seed,
            kinks=self.asked.kinks or ("lenient" if lenient else "strict"),
            relations=self.asked.relations,
            axes=self.axes_of(case),
            batch=self.asked.batch,
            diagnose=False,
        )
        return replace(given, **changes) if changes else given

    def axes_of(self, case: Case) -> dict[str, tuple[str, ...]]:
        """Names of the axes of every input."""
        return {
            name: _axes_named(self.specs[name].shape, array.ndim)
            for name, array in case.arrays.items()
            if name in self.specs
        }

    def asking(self, **changes: Any) -> _Property:
        """The same function and arguments, checked otherwise."""
        other = copy(self)
        other.asked = replace(self.asked, **changes)
        return other

    def check(self, case: Case, **changes: Any) -> CheckResult:
        """Check one case, whatever the extremes it holds."""
        options = self.options(case, **changes)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.asked.only:
                return _related(self.subject(case), _inputs_of(case), options, self.asked.only)
            return run_check(self.subject(case), _inputs_of(case), options)

    def run(self) -> None:
        """Run the property test."""
        __tracebackhide__ = True
        _Run(self, run_settings()).run()


def _related(subject: Any, inputs: Inputs, options: Options, relation: str) -> CheckResult:
    """One exact relation at one point; nothing is estimated."""
    generator = np.random.default_rng(options.seed)
    output = _value(subject, inputs)
    cotangent = _random_like(output, generator)
    claim = subject.vjp(inputs, cotangent)
    scene = Scene(
        subject, inputs, output, cotangent, claim, generator, axes=options.axes,
        batch=options.batch, push_forward=getattr(subject, "push_forward", None),
    )  # fmt: skip
    findings = relate(scene, [relation])
    broken = any(finding.severity is Severity.FAILURE for finding in findings)
    verdict = Verdict.WRONG if broken else Verdict.CORRECT
    result = CheckResult(
        subject.name, verdict, findings=findings, seed=options.seed, render=render,
        shapes={name: array.shape for name, array in inputs.items()},
    )  # fmt: skip
    recording.record(result)
    return result


def _value(subject: Any, inputs: Inputs) -> Any:
    try:
        return subject.value(inputs)
    except REFUSALS as error:
        raise InvalidSubject(f"forward: {subject.name} raised {_short(error)}") from error


def _random_like(output: Any, generator: np.random.Generator) -> Any:
    outputs = named_outputs(output)
    drawn = {
        name: gaussian(generator, array).astype(array.dtype)
        if is_differentiable(array)
        else np.zeros(array.shape)
        for name, array in outputs.items()
    }
    return like_output(drawn, output)


def _is_open(tested: _Property) -> bool:
    """Whether some option may turn out to be an array, and so an input."""
    return bool(tested.option_strategies)


def _options_of(case: Case) -> dict[str, Any]:
    return {name: v for name, v in case.options.items() if not isinstance(v, np.ndarray)}


def _inputs_of(case: Case) -> dict[str, Array]:
    drawn = {name: v for name, v in case.options.items() if isinstance(v, np.ndarray)}
    return {**case.arrays, **drawn}


def _axes_named(shape: Shape, ndim: int) -> tuple[str, ...]:
    leading = tuple(f"{ELLIPSIS}{i}" for i in range(ndim - len(shape.axes)))
    return (*leading, *map(str, shape.axes))


# ----------------------------------------------------------------------------------------- one run


@dataclass
class _Tally:
    """What became of the examples."""

    examples: int = 0
    informative: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    kept: list[Case] = field(default_factory=list)

    def count(self, case: Case, result: CheckResult) -> None:
        self.examples += 1
        reason = _why_uninformative(result)
        if reason:
            self.reasons[reason] += 1
            return
        self.informative += 1
        if len(self.kept) < SELF_TEST_CASES:
            self.kept.append(case)

    def refuse(self, reason: str) -> None:
        self.examples += 1
        self.reasons[reason] += 1


def _why_uninformative(result: CheckResult) -> str:
    """Why a result that is not WRONG could not have been; empty if it could."""
    names = {finding.name: finding for finding in result.findings}
    if "vacuous" in names:
        return "every claim and every estimate was zero"
    if result.verdict is Verdict.CORRECT:
        return ""
    doubts = [f.message for f in result.findings if f.severity is Severity.DOUBT]
    undecided = [c.reason for c in result.comparisons if c.verdict is Verdict.INCONCLUSIVE]
    return next((text for text in (*doubts, *undecided) if text), "nothing could be decided")


class _Enough(BaseException):
    """Ends a run of Hypothesis: the checks that a failure is worth are spent."""


class _Run:
    """One run of a property: explore, shrink, tell."""

    def __init__(self, tested: _Property, settings: RunSettings) -> None:
        self.tested = tested
        self.settings = settings
        self.tally = _Tally()
        self.found: dict[type[GradientMismatch], Case] = {}
        self.witnesses: dict[type[GradientMismatch], list[Case]] = {}
        self.trials: list[tuple[dict[str, Any], list[type[GradientMismatch]]]] = []
        self.failing: dict[str, type[GradientMismatch] | None] = {}
        self.calls = 0
        self.last_call = 0

    def run(self) -> None:
        __tracebackhide__ = True
        failures = self._explored()
        if failures:
            self._look_around()
            raise _together(self.tested.name, [self._told(kind) for kind in failures])
        self._require_information()
        if self.tested.asked.self_test:
            self._require_kills()

    def _explored(self) -> list[type[GradientMismatch]]:
        """Kinds of failure that Hypothesis found; other exceptions pass through."""
        try:
            self._hypothesis_test()()
        except hypothesis.errors.Unsatisfiable:
            return []  # every example was refused, and the tally knows why
        except _Enough:
            return list(self.found)
        except (GradientMismatch, BaseExceptionGroup) as error:
            single = list(leaves(error))
            others = [leaf for leaf in single if not isinstance(leaf, GradientMismatch)]
            if others and not _is_flaky(error):
                raise
            kinds = dict.fromkeys(type(x) for x in single if isinstance(x, GradientMismatch))
            return list(kinds or self.found)
        return []

    def _hypothesis_test(self) -> Callable[[], None]:
        def one(case: Case) -> None:
            __tracebackhide__ = True
            self._example(case)

        # Hypothesis keeps failures by the name of the function.
        one.__name__ = one.__qualname__ = identifier(f"{self.tested.module} {self.tested.name}")
        test = hypothesis.given(case=self.tested.strategy)(one)
        seed = self._seed()
        if seed is not None:
            test = hypothesis.seed(seed)(test)
        # After the seed, which would take the database away.
        return self._hypothesis_settings()(test)

    def _hypothesis_settings(self) -> hypothesis.settings:
        # Everything is named: a profile of the user's, or the one Hypothesis loads on build
        # servers, would else freeze the examples or forget the failures.
        return hypothesis.settings(
            hypothesis.settings.get_profile("default"),
            max_examples=self._examples(),
            derandomize=False,
            database=self._database(),
            phases=(Phase.reuse, Phase.generate, Phase.shrink),
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=True,
            print_blob=False,
            verbosity=hypothesis.Verbosity.quiet,
            backend=portable_backend() if self.settings.portable else "hypothesis",
        )

    @property
    def _profile(self) -> str:
        return self.settings.profile or DEFAULT_PROFILE

    def _examples(self) -> int:
        asked = self.settings.examples or self.tested.asked.examples
        return asked or recording.PROFILE_EXAMPLES[self._profile]

    def _database(self) -> Any:
        if self.settings.portable:
            return None
        usual = hypothesis.settings.get_profile("default").database
        chosen = hypothesis.settings().database  # of the profile that was loaded last
        if chosen is not None and chosen != usual:
            return chosen  # a profile of the user's shares what was found on other machines
        # In CI the seed is fixed: what failed fails again without being remembered.
        return None if self._profile == "ci" else usual

    def _seed(self) -> int | None:
        if self.settings.seed is not None:
            return self.settings.stream_seed
        if self._profile == "deep" and self.tested.asked.seed is None:
            return None
        text = f"{self.tested.module}:{self.tested.name}:{self.tested.asked.seed}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

    def _example(self, case: Case) -> None:
        __tracebackhide__ = True
        self.calls += 1
        if self.found and self.calls > self.last_call and repr(case) not in self.failing:
            if not self.tested.option_strategies:
                raise _Enough  # what is left is arrays, and they are reduced afterwards
            return  # what failed once keeps failing, so that Hypothesis can end
        # Hypothesis gets to one case by many ways, and most ways of shrinking lead back to it.
        known = self.failing.get(repr(case)) if _is_written_in_full(case) else None
        kind = known or self._failure(case)
        if kind is None:
            return
        if kind not in self.found or _entries(case) <= _entries(self.found[kind]):
            self.found[kind] = case
        raise kind(f"{self.tested.name}: wrong")

    def _failure(self, case: Case) -> type[GradientMismatch] | None:
        """Check an example: the kind of its failure, or ``None``, counted."""
        __tracebackhide__ = True
        try:
            result = self._checked(case)
        except InvalidSubject as error:
            if not isinstance(error.__cause__, REFUSALS):
                self.failing[repr(case)] = None
                raise
            self.tally.refuse(f"the forward refused the inputs ({_short(error.__cause__)})")
            hypothesis.reject()
        except Exception:
            self.failing[repr(case)] = None
            raise
        self._try(case, result)
        if result.verdict is not Verdict.WRONG:
            self.tally.count(case, result)
            return None
        if not self.found:
            self.last_call = self.calls + self._further_calls()
        kind = _kind(result, case)
        self._keep_witness(kind, case)
        self.failing[repr(case)] = kind
        return kind

    def _further_calls(self) -> int:
        """Checks to spend on other bugs, and on what only Hypothesis can shrink."""
        return max(self.calls, OTHER_BUGS) + (SHRINK_TRIALS if self.tested.option_strategies else 0)

    def _checked(self, case: Case) -> CheckResult:
        # What is tried while shrinking is no example that anyone asked for: nobody hears of it.
        return _unheard(self.tested.check, case) if self.found else self.tested.check(case)

    def _told(self, kind: type[GradientMismatch]) -> GradientMismatch:
        """The smallest case of one kind of failure, with all that can be said about it."""
        case = self._smallest(kind)
        result = _unheard(self.tested.check, case, diagnose=True)
        if result.verdict is Verdict.WRONG:
            result = replace(result, diagnoses=self._causes(kind, result))
        else:
            result = _flaky(result, self.tested.name)
        result = replace(result, reproduce=_reproduction(self.tested, case))
        recording.record(result)
        return kind(render(result), result)

    def _look_around(self) -> None:
        def one(case: Case) -> None:
            with suppress(InvalidSubject, InvalidArgument):
                result = _unheard(self.tested.check, case)
                self._try(case, result)
                for kind in _kinds(result, case) if result.verdict is Verdict.WRONG else ():
                    self._keep_witness(kind, case)

        test = hypothesis.seed(self.settings.stream_seed or 0)(
            hypothesis.given(case=self.tested.strategy)(one)
        )
        settings = hypothesis.settings(
            self._hypothesis_settings(),
            max_examples=WITNESS_EXAMPLES,
            database=None,
            phases=(Phase.generate,),
        )
        with suppress(hypothesis.errors.HypothesisException):
            settings(test)()

    def _try(self, case: Case, result: CheckResult) -> None:
        """Remember for which options a point was wrong, or could have been."""
        wrong = result.verdict is Verdict.WRONG
        if wrong or not _why_uninformative(result):
            self.trials.append((_options_of(case), _kinds(result, case) if wrong else []))

    def _keep_witness(self, kind: type[GradientMismatch], case: Case) -> None:
        kept = self.witnesses.setdefault(kind, [])
        if repr(case) in map(repr, kept):
            return
        kept.append(case)
        kept.sort(key=_richness, reverse=True)
        del kept[WITNESSES:]

    def _causes(self, kind: type[GradientMismatch], smallest: CheckResult) -> tuple[Diagnosis, ...]:
        """What explains most of the failing cases met, and not the smallest one only."""
        several = [smallest.diagnoses]
        for case in self.witnesses.get(kind, ()):
            result = _unheard(self.tested.check, case, diagnose=True)
            if result.verdict is Verdict.WRONG:
                several.append(result.diagnoses)
        trials = [Trial(options, kind in kinds) for options, kinds in self.trials]
        found = [*consensus(several), *wrong_for_options(trials)]
        best = {d.name: d for d in sorted(found, key=lambda diagnosis: diagnosis.fit)}
        return tuple(sorted(best.values(), key=lambda diagnosis: -diagnosis.fit)[:MOST_CAUSES])

    def _smallest(self, kind: type[GradientMismatch]) -> Case:
        def fails(case: Case) -> bool:
            try:
                result = _unheard(self.tested.check, case)
            except (InvalidSubject, InvalidArgument):
                return False
            return result.verdict is Verdict.WRONG and kind in _kinds(result, case)

        return reduced(self.found[kind], fails, self.tested.specs, self.tested.axes)

    def _require_information(self) -> None:
        __tracebackhide__ = True
        tally = self.tally
        if tally.informative > INFORMATIVE_SHARE * tally.examples:
            return
        listed = "".join(f"\n  {n} × {why}" for why, n in tally.reasons.most_common(5))
        raise VacuousTest(
            f"{self.tested.name}: only {tally.informative} of {tally.examples} examples could have "
            f"failed. Expected nearly all. Do: change the shapes or domains.{listed}"
        )

    def _require_kills(self) -> None:
        __tracebackhide__ = True
        rate = self.tested.kill_rate = kill_rate(self.tested, self.tally.kept)
        recording.record(rate.result(self.tested.name))
        if rate.survivors:
            raise VacuousTest(
                f"{self.tested.name}: this test cannot fail. {rate}. Expected all. "
                "Do: give the survivors' inputs shapes and domains where they matter."
            )


PLAIN = (bool, int, float, complex, str, bytes, type(None))
"""Types whose ``repr`` tells one value from every other."""


def _is_written_in_full(case: Case) -> bool:
    """Whether the ``repr`` of a case says all that a check depends on."""
    return case.subject is None and all(map(_is_plain, case.options.values()))


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return type(value) in PLAIN


def _entries(case: Case) -> int:
    return sum(array.size for array in _inputs_of(case).values())


def _richness(case: Case) -> int:
    """How many different numbers a case holds: ties and zeros make causes look alike."""
    return min(sum(np.unique(a).size for a in _inputs_of(case).values()), WITNESS_ENTRIES)


def _unheard(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call in a context where no sink listens."""
    return Context().run(function, *args, **kwargs)


def _short(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= 80 else text[:77] + "..."


def _is_flaky(error: BaseException) -> bool:
    return isinstance(error, hypothesis.errors.FlakyFailure)


def _flaky(result: CheckResult, name: str) -> CheckResult:
    """The record of a failure that does not come back."""
    finding = Finding(
        "not-deterministic",
        f"{name} was wrong at this point once and is not when checked again. Expected the same "
        "answer every time. Do: look for state, random numbers or uninitialised memory.",
    )
    return replace(result, verdict=Verdict.WRONG, findings=(finding, *result.findings))


ELSEWHERE = {"wrong-at-second-point"}
"""Findings that tell of a wrong gradient, met by accident at another point than the drawn one."""


def _kinds(result: CheckResult, case: Case) -> list[type[GradientMismatch]]:
    """One exception type per wrong input and cause, so that two bugs are shrunk as two."""
    if case.subject is not None:
        return [mismatch_type("drawn subject", "")]  # its inputs mean something else every time
    wrong = [c for c in result.comparisons if c.verdict is Verdict.WRONG]
    causes = [("gradient" if np.isfinite(c.claimed) else "non-finite", c.input) for c in wrong]
    inputs = {name for _, name in causes}
    failures = [f for f in result.findings if f.severity is Severity.FAILURE]
    causes += [("gradient", f.input) for f in failures if f.name in ELSEWHERE]
    inputs |= {name for _, name in causes}
    further = [(f.name, f.input) for f in failures if f.input and f.input not in inputs]
    general = [(f.name, f.input) for f in failures]
    return [mismatch_type(*cause) for cause in sorted({*causes, *further} or general[:1])]


def _kind(result: CheckResult, case: Case) -> type[GradientMismatch]:
    kinds = _kinds(result, case)
    # Which of several is raised differs between examples: each gets its turn to be shrunk.
    return kinds[case.seed % len(kinds)]


class GradientMismatches(GradientMismatch, ExceptionGroup[GradientMismatch]):
    """Several bugs of one function: a GradientMismatch, and a group of them."""

    def __new__(cls, message: str, failures: Sequence[GradientMismatch]) -> GradientMismatches:
        return ExceptionGroup.__new__(cls, message, failures)  # AssertionError has no room for them

    def __init__(self, message: str, failures: Sequence[GradientMismatch]) -> None:
        super().__init__(message, failures[0].result)

    def derive(self, failures: Sequence[GradientMismatch]) -> GradientMismatches:  # type: ignore[override]
        return GradientMismatches(self.message, failures)


def _together(name: str, failures: list[GradientMismatch]) -> GradientMismatch:
    if len(failures) == 1:
        return failures[0]
    return GradientMismatches(f"{name}: {len(failures)} distinct failures", failures)


def _large(case: Case) -> dict[str, str]:
    """Recipes of the arrays that are too large to write out."""
    return {
        name: text for name, text in case.recipes.items() if case.arrays[name].size > MOST_WRITTEN
    }


MOST_WRITTEN = 128
"""Entries of an array that a reproduction line spells out."""


def _reproduction(tested: _Property, case: Case) -> str:
    """A line that checks this case again and fails the same way."""
    function, asked = tested.function, tested.asked
    if case.subject is not None:
        call = f"gradcheck.assert_check(subject, subject.inputs, seed={case.seed})"
        return f"subject = {case.subject!r}; {call}"
    line = reproduction(
        function.call if function.backward is not None else "assert_check",
        [_name_of(one) for one in function.callables],
        _inputs_of(case),
        seed=case.seed,
        options=_options_of(case),
        rtol=asked.rtol,
        recipes={name: f"gradcheck.{text}" for name, text in _large(case).items()},
    )
    further = {
        "kinks": asked.kinks,
        "style": function.style,
        "relations": asked.relations if function.call != "assert_jvp" else None,
        "batch": asked.batch or None,
        "axes": tested.axes_of(case) if asked.batch else None,
    }
    given = "".join(f", {key}={value!r}" for key, value in further.items() if value is not None)
    return f"{line.removesuffix(')')}{given})" if given else line


# ------------------------------------------------------------------------------------- self-test


def _row_dropped(gradient: Array) -> Array:
    dropped = gradient.copy()
    dropped[-1:] = 0
    return dropped


def _entry_off(gradient: Array) -> Array:
    off = gradient.copy()
    if off.size:
        largest = np.unravel_index(np.argmax(np.abs(off)), off.shape)
        off[largest] *= 1.01
    return off


MUTANTS: dict[str, Callable[[Array], Array]] = {
    "0·g": lambda g: 0 * g,
    "2·g": lambda g: 2 * g,
    "-g": lambda g: -g,
    "gᵀ": lambda g: g.T if g.ndim > 1 else g[::-1],
    "one row dropped": _row_dropped,
    "one entry + 1 %": _entry_off,
}
"""Wrong claims that a test worth having tells from the right one."""


@dataclass(frozen=True)
class KillRate:
    """How many wrong claims a property test noticed.

    Attributes
    ----------
    killed : int
    survivors : tuple of str
        ``"2·g of x"``: mutants that differ from the claim, and passed on every example tried.
    """

    killed: int
    survivors: tuple[str, ...]

    def __str__(self) -> str:
        total = self.killed + len(self.survivors)
        alive = f"; alive: {', '.join(self.survivors)}" if self.survivors else ""
        return f"{self.killed} of {total} mutants of the claim were noticed{alive}"

    def result(self, name: str) -> CheckResult:
        """The kill rate as a record for reports."""
        verdict = Verdict.INCONCLUSIVE if self.survivors else Verdict.CORRECT
        severity = Severity.DOUBT if self.survivors else Severity.NOTE
        finding = Finding("kill-rate", str(self), severity)
        return CheckResult(f"{name} (self-test)", verdict, findings=(finding,), render=render)


def kill_rate(tested: _Property, examples: Sequence[Case]) -> KillRate:
    """Check mutants of the claim on some examples that the claim itself has passed."""
    killed, survivors = 0, []
    for name in _float_names(examples):
        for label, mutate in MUTANTS.items():
            fates = [_fate(tested, case, name, mutate) for case in examples]
            seen = next((fate for fate in fates if fate is not None and fate), None)
            if seen:
                killed += 1
            elif any(fate is not None for fate in fates):
                survivors.append(f"{label} of {name}")
    return KillRate(killed, tuple(survivors))


def _float_names(examples: Sequence[Case]) -> list[str]:
    names: dict[str, None] = {}
    for case in examples:
        names |= {name: None for name, x in _inputs_of(case).items() if is_differentiable(x)}
    return list(names)


def _fate(
    tested: _Property, case: Case, name: str, mutate: Callable[[Array], Array]
) -> bool | None:
    """Whether a mutant dies on a case; None where it claims the same as the original."""
    subject = tested.subject(case)
    mutant = _Mutant(subject, name, mutate)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = _unheard(
            run_check, mutant, _inputs_of(case), tested.options(case, relations=("shape",))
        )
    if not mutant.differs:
        return None
    return result.verdict is Verdict.WRONG


class _Mutant:
    """A subject that lies about one gradient."""

    def __init__(self, subject: Any, name: str, mutate: Callable[[Array], Array]) -> None:
        self.subject = subject
        self.name = subject.name
        self.input = name
        self.mutate = mutate
        self.differs = False

    def value(self, inputs: Inputs) -> Any:
        return self.subject.value(inputs)

    def vjp(self, inputs: Inputs, cotangent: Any) -> dict[str, Any]:
        claim = dict(self.subject.vjp(inputs, cotangent))
        right = claim.get(self.input)
        if right is not None:
            claim[self.input] = wrong = self.mutate(np.asarray(right))
            self.differs = self.differs or _noticeably_different(np.asarray(right), wrong)
        return claim


def _noticeably_different(right: Array, wrong: Array) -> bool:
    if right.shape != wrong.shape:
        return True
    return bool(np.linalg.norm(right - wrong) > NOTICEABLE * np.linalg.norm(right))


# --------------------------------------------------------------------------- many subjects at once


GRADIENT = "gradient"
"""The check that compares claims with estimates; all others are relations."""

CHECKS = (GRADIENT, *DEFAULT)


@dataclass(frozen=True)
class NamedCheck:
    """One check, to be called with a subject of `parametrize_with_checks`.

    Raises `GradientMismatch`, or `GradientInconclusive` where nothing could be decided.
    """

    name: str
    subject_name: str

    @property
    def gradcheck_property(self) -> str:
        """What the plugin selects it by."""
        return self.name

    def __call__(self, subject: Any) -> None:
        __tracebackhide__ = True
        tested = _suite_property(subject, self.subject_name)
        asked = {"relations": ()} if self.name == GRADIENT else {"only": self.name}
        tested.asking(**asked, self_test=False).run()


def parametrize_with_checks(
    subjects: Iterable[Any] | Mapping[str, Any],
    *,
    expected_failed_checks: Mapping[str, str] | None = None,
    checks: Sequence[str] | None = None,
) -> pytest.MarkDecorator:
    """Parametrize a test with one item per subject and check.

    Parameters
    ----------
    subjects : iterable or mapping of str to subject
        A subject is a test made by `vjp_test` or its sisters, or a pair ``(subject, inputs)`` where
        ``inputs`` maps the names of inputs to arrays (one point), or to shapes and strategies.
    expected_failed_checks : mapping of str to str, optional
        ``"subject::check"`` (``*`` stands for anything) to the reason why it fails.
    checks : sequence of str, optional
        Some of ``"gradient"`` and the names of the relations; by default all default ones.

    Returns
    -------
    pytest.MarkDecorator
        For a test function ``def test_layers(subject, check): check(subject)``. The ids are
        ``subject::check``, the same in every process.

    Raises
    ------
    InvalidArgument
        For two subjects of one name, an unknown check, or an expected failure that matches none.
        One that passes fails its item.

    Examples
    --------
    >>> test_sine = vjp_test(np.sin, lambda y_bar, x: y_bar * np.cos(x), x="n")
    >>> mark = parametrize_with_checks([test_sine], checks=["gradient", "linear"])
    >>> [parameters.id for parameters in mark.args[1]]
    ['sin::gradient', 'sin::linear']
    """
    chosen = tuple(CHECKS if checks is None else checks)
    for name in chosen:
        if name != GRADIENT and name not in RELATIONS:
            raise InvalidArgument(
                f"checks: got {name!r}, expected some of {', '.join((GRADIENT, *RELATIONS))}. "
                "Do: correct it."
            )
    expected = dict(expected_failed_checks or {})
    items = [
        (f"{name}::{check}", subject, NamedCheck(check, name))
        for name, subject in _named_subjects(subjects).items()
        for check in chosen
    ]
    _require_matches(expected, [identifier for identifier, _, _ in items])
    return pytest.mark.parametrize(
        ("subject", "check"),
        [
            pytest.param(subject, check, id=identifier, marks=_expectation(identifier, expected))
            for identifier, subject, check in items
        ],
    )


def _named_subjects(subjects: Iterable[Any] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(subjects, Mapping):
        named = [(str(name), subject) for name, subject in subjects.items()]
    else:
        named = [(_suite_name(subject), subject) for subject in subjects]
    if not named:
        raise InvalidArgument("subjects: got none, expected at least one. Do: list some.")
    counts = Counter(name for name, _ in named)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise InvalidArgument(
            f"subjects: got two named {repeated[0]!r}, expected one of each name. "
            "Do: pass a mapping from names to subjects."
        )
    for name, subject in named:
        _suite_property(subject, name)
    return dict(named)


def _suite_name(subject: Any) -> str:
    tested = getattr(subject, "gradcheck", None)
    if isinstance(tested, _Property):
        return tested.name
    return _name_of(subject[0]) if _is_pair(subject) else _name_of(subject)


def _is_pair(subject: Any) -> bool:
    return isinstance(subject, tuple) and len(subject) == 2 and isinstance(subject[1], Mapping)


def _suite_property(subject: Any, name: str) -> _Property:
    """A member of a suite as a property."""
    tested = getattr(subject, "gradcheck", None)
    if isinstance(tested, _Property):
        return tested
    if not _is_pair(subject):
        raise InvalidArgument(
            f"subjects: got {type(subject).__name__} {name!r}, expected a test made by vjp_test, "
            "or a pair (subject, inputs) with a mapping of inputs. Do: pass one of these."
        )
    thing, inputs = subject
    function = _Function("assert_vjp", thing, None, None, name)
    arguments = {key: _argument(value) for key, value in inputs.items()}
    return _Property(function, arguments, _Asked(), "suite")


def _argument(value: Any) -> Any:
    is_point = isinstance(value, (np.ndarray, np.generic, int, float, complex))
    return hypothesis.strategies.just(np.asarray(value)) if is_point else value


def _require_matches(expected: Mapping[str, str], identifiers: Sequence[str]) -> None:
    stale = [
        pattern
        for pattern in expected
        if not any(_matches(identifier, pattern) for identifier in identifiers)
    ]
    if stale:
        raise InvalidArgument(
            f"expected_failed_checks: got {', '.join(map(repr, stale))}, which match nothing; "
            f"expected ids such as {identifiers[0]!r}. Do: remove or correct them."
        )


def _matches(identifier: str, pattern: str) -> bool:
    """Whether ``*`` stands for anything and all else, brackets too, for itself."""
    return fnmatchcase(identifier, pattern.replace("[", "[[]").replace("?", "[?]"))


def _expectation(identifier: str, expected: Mapping[str, str]) -> tuple[pytest.MarkDecorator, ...]:
    reasons = [reason for pattern, reason in expected.items() if _matches(identifier, pattern)]
    failures = (GradientMismatch, GradientInconclusive, VacuousTest)
    return tuple(
        pytest.mark.xfail(reason=reason, strict=True, raises=failures) for reason in reasons[:1]
    )
