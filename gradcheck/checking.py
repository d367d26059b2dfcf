"""Check a claimed derivative at one point: `check_*` returns a record, `assert_*` raises it."""

from __future__ import annotations

import dataclasses
import functools
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck import recording
from gradcheck.backends.styles import as_subject, named_inputs
from gradcheck.compare import claimed_slope, default_rtol
from gradcheck.diagnosis import explain
from gradcheck.directions import gaussian, scattered_direction, seeded
from gradcheck.errors import GradientInconclusive, InvalidArgument, InvalidSubject, mismatch_type
from gradcheck.exhaustive import check_every_entry
from gradcheck.glance import Look
from gradcheck.guilty_layer import find_guilty_layer
from gradcheck.jacobians import measured_jacobians
from gradcheck.oracles import forward_slope, quick_slope
from gradcheck.point import Counted, Point, is_steering, shaped_cotangent, widened
from gradcheck.probing import Outcome, check_inputs
from gradcheck.relations import DEFAULT, RELATIONS, Scene, raising, relate
from gradcheck.relations.agreement import same_bits
from gradcheck.report.terminal import render, reproduction
from gradcheck.result import (
    Case,
    CheckResult,
    Comparison,
    Diagnosis,
    EntryTable,
    Evaluations,
    Finding,
    Jacobian,
    Severity,
    Verdict,
)
from gradcheck.subject import FunctionSubject, LayerCall, LayeredSubject
from gradcheck.tied import tied_entries, tied_inputs
from gradcheck.transposed import TransposedSubject, is_small, not_linear
from gradcheck.trees import Array, Arrays, all_finite, is_differentiable, named_outputs

SHOWN_COMPARISONS = 64
"""Comparisons kept of each input: enough for every report, and bounded for a million entries."""

ABOUT_COTANGENTS = frozenset({"linear", "zero-cotangent", "cotangent-dtype", "expanded-cotangent"})
"""Relations that hold by construction where the claim is a gradient and not a vjp."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a check is made; `check_vjp` says what each means.

    ``diagnose`` looks for entries and causes of what is wrong; ``look`` says how closely.
    """

    rtol: float | None = None
    seed: int = 0
    kinks: str | None = None
    relations: tuple[str, ...] | None = None
    exhaustive: bool = False
    vectorized: bool = False
    axes: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    batch: str = ""
    another: Mapping[str, Array] | None = None
    diagnose: bool = True
    look: Look = Look.CAREFUL

    def __post_init__(self) -> None:
        if self.rtol is not None and not _is_relative_error(self.rtol):
            raise InvalidArgument(
                f"rtol: got {self.rtol!r}, expected a number between 0 and 1, the relative error "
                "you would call a bug; from 1 on, zeros would pass for any gradient. "
                "Do: leave it out for the default of the dtype."
            )
        if self.kinks not in (None, "strict", "lenient"):
            raise InvalidArgument(
                f"kinks: got {self.kinks!r}, expected 'strict' or 'lenient'. Do: choose one."
            )
        if not _is_seed(self.seed):
            raise InvalidArgument(
                f"seed: got {self.seed!r}, expected an integer >= 0. Do: pass one, or leave it out."
            )
        for name in self.relations or ():
            if name not in RELATIONS:
                raise InvalidArgument(
                    f"relations: got {name!r}, expected some of {', '.join(RELATIONS)}. "
                    "Do: correct the name."
                )

    @property
    def lenient(self) -> bool:
        """Whether a claim at a kink passes that is right at every point nearby."""
        return self.kinks == "lenient"


def _is_relative_error(value: Any) -> bool:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return is_number and bool(0 < value < 1)


def _is_seed(value: Any) -> bool:
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return is_integer and bool(value >= 0)


def check_vjp(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Any,
    *,
    rtol: float | None = None,
    seed: int = 0,
    kinks: str = "strict",
    relations: Iterable[str] | None = None,
    exhaustive: bool = False,
    vectorized: bool = False,
    options: Mapping[str, Any] | None = None,
    style: str | None = None,
    axes: Mapping[str, tuple[str, ...]] | None = None,
    batch: str = "",
    name: str | None = None,
) -> CheckResult:
    """Check a hand-written vector-Jacobian product at one point.

    Parameters
    ----------
    forward : callable
        ``forward(*inputs) -> output``: an array, or a tuple or mapping of arrays. Other styles
        (``out, cache``; layer objects; ``(value, gradient)``) are recognised too, see
        `gradcheck.backends.styles`.
    backward : callable
        ``backward(cotangent, *inputs) -> gradients``, one per input as a tuple or mapping, ``None``
        for an input that has no gradient. Complex gradients follow
        ``df = Re sum(conj(x_bar) * dx)``.
    inputs : tuple or mapping of array_like
        The point. Float and complex arrays are differentiated, others are passed through.
    rtol : float, optional
        How large a relative error you would call a bug. By default 1e-7 in float64, 1e-3 in
        float32, 3e-2 in float16. The measurement's own error is accounted for apart.
    seed : int
        Seed of the random directions and cotangents.
    kinks : {"strict", "lenient"}
        What to do where a claim at a kink is no combination of the gradients around it, but right
        at every point nearby: call it WRONG, or report it and let it pass.
    relations : iterable of str, optional
        Names of the exact relations to look at; by default all that apply.
    exhaustive : bool
        Compare every single entry, at two forwards each, instead of random directions.
    vectorized : bool
        Whether ``forward`` broadcasts over leading axes of all inputs; makes ``exhaustive`` fast.
    options : mapping, optional
        Keyword arguments for forward and backward.
    style : str, optional
        Calling style, where it must not be guessed.
    axes : mapping of str to tuple of str, optional
        Names of the axes of each input (and ``"out"``), for relations and diagnosis.
    batch : str, optional
        The axis whose samples are independent of each other.
    name : str, optional
        Shown in reports; the name of ``forward`` by default.

    Returns
    -------
    CheckResult
        True in a boolean context if the verdict is CORRECT; ``str(result)`` is the report.

    Raises
    ------
    InvalidArgument, InvalidSubject
        For unusable arguments; never for a wrong gradient.

    Examples
    --------
    >>> def dense(x, w):
    ...     return x @ w
    >>> def dense_backward(y_bar, x, w):
    ...     return y_bar @ w.T, x.T @ y_bar
    >>> result = check_vjp(dense, dense_backward, (np.ones((2, 3)), np.full((3, 1), 0.5)))
    >>> result.verdict.name, result.evaluations.estimate_forwards
    ('CORRECT', 4)
    """
    _require_callable(forward, "forward")
    if style is None or style in ("pair", "cached"):
        _require_callable(backward, "backward")
    arrays = named_inputs(inputs, forward)
    subject = as_subject(
        forward, backward, style=style, options=options, names=tuple(arrays), name=name,
        vectorized=vectorized,
    )  # fmt: skip
    chosen = Options(
        rtol, seed, kinks, _names(relations), exhaustive, vectorized, dict(axes or {}), batch
    )
    return run_check(subject, arrays, chosen, _Call("assert_vjp", (forward, backward), options))


def check_grad(
    func: Callable[..., Any],
    grad: Callable[..., Any],
    x0: Any,
    *,
    rtol: float | None = None,
    seed: int = 0,
    kinks: str = "strict",
    relations: Iterable[str] | None = None,
    exhaustive: bool = False,
    vectorized: bool = False,
    args: tuple[Any, ...] = (),
    name: str | None = None,
) -> CheckResult:
    """Check the gradient of a scalar function, in the order of `scipy.optimize.check_grad`.

    Parameters
    ----------
    func : callable
        ``func(x, *args) -> float``.
    grad : callable
        ``grad(x, *args) -> array`` of the shape of ``x``.
    x0 : array_like
        The point, of any shape.
    args : tuple
        Passed on to both functions.
    rtol, seed, kinks, relations, exhaustive, vectorized, name
        As in `check_vjp`.

    Returns
    -------
    CheckResult

    Examples
    --------
    >>> from scipy.optimize import rosen, rosen_der
    >>> check_grad(rosen, rosen_der, [1.3, 0.7, 0.8]).verdict.name
    'CORRECT'
    """
    _require_callable(func, "func")
    _require_callable(grad, "grad")
    point = x0 if isinstance(x0, Mapping) else (x0,)
    arrays = named_inputs(point, ["x"] if not isinstance(x0, Mapping) else None)

    def value(x: Array) -> Any:
        return func(x, *args)

    def gradient(x: Array) -> Any:
        returned = grad(x, *args)
        return np.asarray(returned) if isinstance(returned, (list, float, int)) else returned

    subject = as_subject(
        value, gradient, style="gradient", name=name or _name_of(func), names=("x",),
        vectorized=vectorized,
    )  # fmt: skip
    chosen = Options(
        rtol, seed, kinks, _without(relations, ABOUT_COTANGENTS), exhaustive, vectorized
    )
    return run_check(subject, arrays, chosen, _Call("assert_grad", (func, grad), None))


def check_jvp(
    forward: Callable[..., Any],
    jvp: Callable[..., Any],
    inputs: Any,
    *,
    rtol: float | None = None,
    seed: int = 0,
    kinks: str = "strict",
    options: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> CheckResult:
    """Check a hand-written Jacobian-vector product (forward mode) at one point.

    Parameters
    ----------
    forward : callable
        ``forward(*inputs) -> output``.
    jvp : callable
        ``jvp(inputs, tangents) -> tangent of the output``; both arguments are tuples with one
        array per input.
    inputs : tuple or mapping of array_like
        The point.
    rtol, seed, kinks, options, name
        As in `check_vjp`.

    Returns
    -------
    CheckResult

    Examples
    --------
    >>> check_jvp(np.sin, lambda x, x_dot: np.cos(x[0]) * x_dot[0], (np.ones(3),)).verdict.name
    'CORRECT'
    """
    _require_callable(forward, "forward")
    _require_callable(jvp, "jvp")
    arrays = named_inputs(inputs, forward)
    subject = as_subject(
        forward,
        _no_backward,
        style="pair",
        jvp=jvp,
        options=options,
        name=name or _name_of(forward),
    )
    forward_only = FunctionSubject(
        subject.name,
        subject.value,
        push_forward=subject.push_forward,  # type: ignore[attr-defined]
    )
    chosen = Options(rtol, seed, kinks, ())
    return run_check(forward_only, arrays, chosen, _Call("assert_jvp", (forward, jvp), options))


def check(
    subject: Any,
    inputs: Any,
    *,
    rtol: float | None = None,
    seed: int = 0,
    kinks: str | None = None,
    relations: Iterable[str] | None = None,
    exhaustive: bool = False,
    vectorized: bool = False,
    axes: Mapping[str, tuple[str, ...]] | None = None,
    batch: str = "",
    another: Mapping[str, Array] | None = None,
    options: Mapping[str, Any] | None = None,
) -> CheckResult:
    """Check anything that has a value and a claimed derivative at one point.

    Parameters
    ----------
    subject : Subject, layer object, pair of callables, class or factory
        See `gradcheck.subject.Subject` and `gradcheck.backends.styles.as_subject`.
    inputs : tuple or mapping of array_like
        The point.
    kinks : {"strict", "lenient"}, optional
        By default lenient for a subject that shows its layers, strict for a single function.
    another : mapping of str to array, optional
        A second point of the same domain, for the relations that need one.
    rtol, seed, relations, exhaustive, vectorized, axes, batch, options
        As in `check_vjp`.

    Returns
    -------
    CheckResult

    Examples
    --------
    >>> square = (lambda x: x**2, lambda y_bar, x: 2 * x * y_bar)
    >>> bool(check(square, (np.array([1.0, -2.0]),)))
    True
    """
    translated = as_subject(subject, options=options)
    arrays = named_inputs(
        inputs, getattr(subject, "forward", None) if isinstance(inputs, tuple) else None
    )
    if kinks is None:
        kinks = "lenient" if isinstance(subject, LayeredSubject) else "strict"
    chosen = Options(
        rtol, seed, kinks, _names(relations), exhaustive,
        vectorized or bool(getattr(subject, "vectorized", False)), dict(axes or {}), batch, another,
    )  # fmt: skip
    return run_check(translated, arrays, chosen, _Call("assert_check", (subject,), options))


def assert_vjp(
    forward: Callable[..., Any], backward: Callable[..., Any], inputs: Any, **kwargs: Any
) -> None:
    """`check_vjp`, raising `GradientMismatch` or `GradientInconclusive` with the record.

    Examples
    --------
    >>> assert_vjp(np.sin, lambda y_bar, x: y_bar * np.cos(x), (np.ones(2),))
    """
    __tracebackhide__ = True
    raise_for(check_vjp(forward, backward, inputs, **kwargs))


def assert_grad(func: Callable[..., Any], grad: Callable[..., Any], x0: Any, **kwargs: Any) -> None:
    """`check_grad`, raising `GradientMismatch` or `GradientInconclusive` with the record.

    Examples
    --------
    >>> assert_grad(lambda x: (x**2).sum(), lambda x: 2 * x, [1.0, 2.0])
    """
    __tracebackhide__ = True
    raise_for(check_grad(func, grad, x0, **kwargs))


def assert_jvp(
    forward: Callable[..., Any], jvp: Callable[..., Any], inputs: Any, **kwargs: Any
) -> None:
    """`check_jvp`, raising `GradientMismatch` or `GradientInconclusive` with the record.

    Examples
    --------
    >>> assert_jvp(np.sin, lambda x, x_dot: np.cos(x[0]) * x_dot[0], (np.ones(2),))
    """
    __tracebackhide__ = True
    raise_for(check_jvp(forward, jvp, inputs, **kwargs))


def assert_check(subject: Any, inputs: Any, **kwargs: Any) -> None:
    """`check`, raising `GradientMismatch` or `GradientInconclusive` with the record.

    Examples
    --------
    >>> assert_check((np.exp, lambda y_bar, x: y_bar * np.exp(x)), (np.zeros(2),))
    """
    __tracebackhide__ = True
    raise_for(check(subject, inputs, **kwargs))


def raise_for(result: CheckResult) -> None:
    """Raise what a result calls for; return if its verdict is CORRECT.

    The exception's type names cause and input, so that Hypothesis tells two bugs apart.
    """
    __tracebackhide__ = True
    if result.verdict is Verdict.CORRECT:
        return
    if result.verdict is Verdict.INCONCLUSIVE:
        raise GradientInconclusive(str(result), result)
    raise mismatch_type(*_cause(result))(str(result), result)


def _cause(result: CheckResult) -> tuple[str, str]:
    for finding in result.findings:
        if finding.severity is Severity.FAILURE and finding.name != "non-finite":
            return finding.name, finding.input
    for comparison in result.comparisons:
        if comparison.verdict is Verdict.WRONG:
            return "gradient", comparison.input
    return "relation", ""


@dataclass(frozen=True, slots=True)
class _Call:
    """How the caller would repeat this check."""

    function: str
    callables: tuple[Any, ...]
    options: Mapping[str, Any] | None


def run_check(
    subject: Any, inputs: Arrays, options: Options, call: _Call | None = None
) -> CheckResult:
    """Check a subject at one point: relations, estimates, verdict, diagnosis.

    The result is recorded (`gradcheck.recording.record`) for whoever listens.
    """
    check = _Check(subject, inputs, options, call)
    result = check.run()
    if result.verdict is Verdict.WRONG and check.forward_mode and options.diagnose:
        result = _located(result, subject, inputs, options, call)
    recording.record(result)
    return result


def _located(
    result: CheckResult, subject: Any, inputs: Arrays, options: Options, call: _Call | None
) -> CheckResult:
    """The same result with entries and causes, where a wrong tangent is small enough for both."""
    finding = not_linear(subject, inputs, seeded(options.seed))
    if finding is not None:
        return replace(result, findings=(finding, *result.findings))
    if not is_small(inputs):
        return result
    there = _Check(TransposedSubject(subject), inputs, replace(options, relations=()), call).run()
    spent = result.evaluations + there.evaluations
    if there.verdict is not Verdict.WRONG:  # wrong in what no single entry shows
        return replace(result, evaluations=spent)
    return replace(
        result,
        comparisons=there.comparisons,
        diagnoses=there.diagnoses,
        entries=there.entries,
        resolution=there.resolution,
        evaluations=spent,
    )


class _Check:
    """One run of the procedure; its methods are the steps, in order."""

    def __init__(
        self,
        subject: Any,
        inputs: Arrays,
        options: Options,
        call: _Call | None,
        cotangent: Any = None,
    ) -> None:
        self.counted = Counted(subject)
        self.given_cotangent = cotangent
        self.given = inputs
        self.inputs = {name: np.array(array) for name, array in inputs.items()}
        self.options = options
        self.call = call
        self.generator = seeded(options.seed)
        self.forward_mode = not hasattr(subject, "vjp") or getattr(subject, "pull_back", 0) is None
        self.findings: list[Finding] = []
        self.outcomes: list[Outcome] = []
        self.scene: Scene | None = None
        self.point: Point | None = None
        self.prepared: Point | None = None
        self.seen: tuple[Any, Arrays] | None = None
        self.spent_on_layers: Evaluations | None = None
        self.claim: Mapping[str, Array | None] = {}
        _require_no_nan(self.inputs)

    def run(self) -> CheckResult:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            self._look(heard)
        return self._result()

    def _look(self, heard: list[warnings.WarningMessage]) -> None:
        output = self._value()
        self._note_warnings(heard)
        self._require_unmutated("forward")
        if self.options.axes or self.options.batch:
            _require_fitting_axes({**named_outputs(output), **self.inputs}, self.options)
        cotangent = self._cotangent(output)
        if cotangent is None or not self._claim(output, cotangent, heard):
            return
        names = self._checkable()
        self._set_scene(output, cotangent)
        if self._is_wrong_at_a_glance(output, cotangent, names):
            return
        self._relate(output, cotangent, names)
        if not names or any(finding.name.startswith("mutates-") for finding in self.findings):
            return
        self.point = self._made_point(output, cotangent, names)
        warnings.simplefilter("ignore")  # what the subject says at x is noted already
        with np.errstate(all="ignore"):
            self._estimate(names)
            if self.options.look is Look.GLANCE:
                return
            self.counted.relating = True  # what follows are relations that need an estimate
            self._ties()
            self._second_point()

    def _value(self) -> Any:
        self.counted.relating = True
        try:
            return self.counted.value(self.inputs)
        except (InvalidArgument, InvalidSubject):
            raise
        except Exception as error:
            if is_steering(error):
                raise
            raise InvalidSubject(
                f"forward: {self.counted.name} raised {type(error).__name__}: {error} at the given "
                "inputs. Expected a value. Do: make it accept them, or choose other inputs."
            ) from error

    def _note_warnings(self, heard: list[warnings.WarningMessage]) -> None:
        if not heard:
            return
        for text in dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in heard):
            message = f"the subject warned: {text}"
            self.findings.append(Finding("warns", message, Severity.NOTE))
        heard.clear()

    def _require_unmutated(self, which: str) -> None:
        for name, array in self.inputs.items():
            given = np.asarray(self.given[name])
            if not same_bits(array, given):
                self.findings.append(
                    Finding(
                        "mutates-input",
                        f"{which} changed its input {name!r} in place. Expected inputs to stay as "
                        "they are. Do: work on a copy.",
                        Severity.FAILURE,
                        name,
                    )
                )
                self.inputs[name] = np.array(given)

    def _cotangent(self, output: Any) -> Arrays | None:
        """One random cotangent per output; ``None`` where no output can be differentiated."""
        outputs = named_outputs(output)
        if not any(is_differentiable(array) for array in outputs.values()):
            kinds = ", ".join(f"{k}: {v.dtype}" for k, v in outputs.items()) or "nothing"
            raise InvalidSubject(
                f"forward: {self.counted.name} returned {kinds}; expected float or complex "
                "arrays, or there is nothing to differentiate. Do: return floats."
            )
        drawn = self._fitting_cotangent(outputs)
        finite = all(map(all_finite, outputs.values()))
        if drawn is None:
            drawn = {name: _draw(self.generator, y, finite) for name, y in outputs.items()}
        if any(map(_is_alive, drawn.values())):
            if not finite:
                self._doubt_nan(outputs)
            return drawn
        empty = all(array.size == 0 for array in outputs.values())
        what = "empty" if empty else "nowhere finite"
        self.findings.append(
            Finding(
                "empty-output" if empty else "non-finite-forward",
                f"the output of {self.counted.name} is {what} at this point, so nothing can be "
                "checked. Expected finite numbers. Do: choose other inputs.",
                Severity.DOUBT,
            )
        )
        return None

    def _fitting_cotangent(self, outputs: Arrays) -> Arrays | None:
        """The cotangent that was given, if one was and it has the structure of the outputs."""
        if self.given_cotangent is None:
            return None
        given = named_outputs(self.given_cotangent)
        fits = all(name in given and given[name].shape == y.shape for name, y in outputs.items())
        return {name: np.array(given[name]) for name in outputs} if fits else None

    def _doubt_nan(self, outputs: Arrays) -> None:
        floats = [array for array in outputs.values() if is_differentiable(array)]
        missing = sum(int(np.isnan(array).sum()) for array in floats)
        if missing:
            self.findings.append(
                Finding(
                    "non-finite-forward",
                    f"{missing} entries of the output of {self.counted.name} are NaN at this "
                    "point: no derivative exists there. Expected finite numbers. "
                    "Do: choose other inputs, or look for 0/0, inf - inf and overflow in forward.",
                    Severity.DOUBT,
                )
            )

    def _claim(self, output: Any, cotangent: Arrays, heard: list[warnings.WarningMessage]) -> bool:
        if self.forward_mode:
            return True
        self.counted.relating = False
        try:
            with np.errstate(all="ignore"):
                claim = self.counted.vjp(self.inputs, shaped_cotangent(cotangent, output))
        except InvalidSubject:
            raise
        except Exception as error:
            if is_steering(error):
                raise
            self.findings.append(raising(error, "backward"))
            return False
        self._note_warnings(heard)
        self._require_unmutated("backward")
        if self.counted.reshaped:
            message = (
                "backward changed the shape of the cotangent in place. Expected it to stay as it "
                "is: the caller still uses it. Do: reshape a view, y_bar.reshape(...)."
            )
            self.findings.append(Finding("mutates-cotangent", message))
        if not isinstance(claim, Mapping):
            raise InvalidSubject(
                f"vjp: {self.counted.name} returned {type(claim).__name__}, expected a mapping "
                "from input names to gradients. Do: return {name: gradient}."
            )
        self.claim = {k: None if g is None else np.asarray(g) for k, g in claim.items()}
        return True

    def _checkable(self) -> list[str]:
        """Differentiable, non-empty inputs whose claim has their shape."""
        names = []
        for name, array in self.inputs.items():
            if not is_differentiable(array):
                continue
            if array.size == 0:
                self._note_empty(name)
                continue
            gradient = self.claim.get(name)
            fits = gradient is not None and gradient.shape == array.shape
            if self.forward_mode or (
                fits and gradient is not None and gradient.dtype.kind in "fciub"
            ):
                names.append(name)
        return names

    def _note_empty(self, name: str) -> None:
        message = f"{name!r} is empty: there is nothing to check in it."
        self.findings.append(Finding("empty-input", message, Severity.NOTE, name))

    def _set_scene(self, output: Any, cotangent: Arrays) -> None:
        """The claim as no later call can change it, and the scene of the relations, if any."""
        if self.forward_mode:
            return
        self.seen = output, cotangent
        if not self._relations():  # a scene would be for a diagnosis only
            self.claim = {k: None if g is None else np.array(g) for k, g in self.claim.items()}
            return
        self.scene = self._make_scene(output, cotangent)
        self.claim = self.scene.claim  # the scene alone holds what was returned

    def _relations(self) -> list[str]:
        chosen = self.options.relations
        return [name for name in (DEFAULT if chosen is None else chosen) if name != "finite"]

    def _is_wrong_at_a_glance(self, output: Any, cotangent: Arrays, names: list[str]) -> bool:
        """Whether estimates convict before relations are asked, where nobody wants the cause."""
        hasty = self.options.look is not Look.CAREFUL and not self.options.diagnose
        if not hasty or not names or self.forward_mode or self.findings:
            return False
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            point = self._made_point(output, cotangent, names)
            lenient = self.options.lenient
            outcomes = check_inputs(point, names, lenient=lenient, brief=True, look=Look.GLANCE)
        verdicts = {outcome.verdict for outcome in outcomes}
        if Verdict.WRONG in verdicts or verdicts == {Verdict.CORRECT}:
            self.outcomes = outcomes
        return Verdict.WRONG in verdicts

    def _relate(self, output: Any, cotangent: Arrays, checkable: list[str]) -> None:
        if self.scene is None:
            return

        def settle() -> None:
            self._settle_second_point(self._made_point(output, cotangent, checkable))

        self.counted.relating = True
        self.findings.extend(relate(self.scene, self._relations(), after_second_point=settle))
        self.counted.relating = False
        self.scene.release_returned()

    def _make_scene(self, output: Any, cotangent: Arrays) -> Scene:
        _keep_freed_memory(sum(array.nbytes for array in self.inputs.values()))
        subject = self.counted.subject
        push = getattr(subject, "push_forward", None)
        return Scene(
            self.counted,
            self.inputs,
            output,
            shaped_cotangent(cotangent, output),
            self.claim,
            self.generator,
            axes=self.options.axes,
            batch=self.options.batch,
            another=self.options.another,
            pristine=self.given,
            push_forward=push if callable(push) else None,
            renew=getattr(subject, "renew", None),
            normal=gaussian,
        )

    def _made_point(self, output: Any, cotangent: Arrays, names: list[str]) -> Point:
        if self.prepared is None:
            self.prepared = self._make_point(output, cotangent, names)
        return self.prepared

    def _make_point(self, output: Any, cotangent: Arrays, names: list[str]) -> Point:
        work = widened(self.inputs)
        outputs = named_outputs(output)
        claims = {} if self.forward_mode else {name: self._gradient(name) for name in names}
        floats = [array.dtype for array in outputs.values() if is_differentiable(array)]
        rtol = {}
        for name in names:
            dtypes = [*floats, self.inputs[name].dtype]
            if name in claims and claims[name].dtype.kind in "fc":
                dtypes.append(claims[name].dtype)
            rtol[name] = self.options.rtol or default_rtol(dtypes)
        point = Point(
            self.counted, self.inputs, work, output, widened(cotangent), claims, rtol,
            self.generator, forward_mode=self.forward_mode,
        )  # fmt: skip
        point.known_centre = _known_value(point)
        return point

    def _gradient(self, name: str) -> Array:
        gradient = self.claim[name]
        assert gradient is not None
        return gradient

    def _estimate(self, names: list[str]) -> None:
        assert self.point is not None
        if self.outcomes:  # a glance settled all
            return
        lenient = self.options.lenient
        if self.options.exhaustive and not self.forward_mode:
            self.outcomes = check_every_entry(
                self.point, names, lenient=lenient, vectorized=self.options.vectorized
            )
        else:
            brief = not self.options.diagnose
            self.outcomes = check_inputs(
                self.point, names, lenient=lenient, brief=brief, look=self.options.look
            )
        for outcome in self.outcomes:
            self.findings.extend(outcome.findings)

    def _ties(self) -> None:
        wrong = any(outcome.verdict is Verdict.WRONG for outcome in self.outcomes)
        lenient = self.options.lenient
        if self.point is None or self.forward_mode or wrong or lenient:
            return
        sound = [outcome.name for outcome in self.outcomes if _may_tie(outcome)]
        self.findings.extend(tied_entries(self.point, sound))
        self.findings.extend(tied_inputs(self.point, sound))

    def _settle_second_point(self, point: Point) -> None:
        """Let go of the second point at once if the claim there is right, as nearly always."""
        second = self._at_second_point(point)
        if self.scene is not None and second is not None and _roughly_right(second):
            self.scene.settle_second_point(second.claims)

    def _at_second_point(self, point: Point) -> Point | None:
        """The second point with its claims; ``None`` where there are none, or it is settled."""
        scene = self.scene
        if scene is None or not isinstance(scene.memo.get("second_point_claim"), dict):
            return None
        claims = scene.memo["second_point_claim"]
        names = [name for name in point.rtol if _fits(claims.get(name), point.work[name])]
        if not names or not scene.second_point_is_usable():
            return None
        return replace(
            point,
            inputs=scene.second_inputs,
            work=widened(scene.second_inputs),
            output=scene.second_output,
            claims={name: claims[name] for name in names},
            generator=seeded(self.options.seed + 1),  # it changes no direction at the first point
            known_centre=None,
            wobble=None,
        )

    def _second_point(self) -> None:
        """The claim after a visit elsewhere must be right there: a stale cache repeats itself."""
        point = self.point
        second = None if point is None else self._at_second_point(point)
        if point is None or second is None:
            return
        if any(outcome.verdict is Verdict.WRONG for outcome in self.outcomes):
            return
        if self.findings and any(f.severity is Severity.FAILURE for f in self.findings):
            return
        names = list(second.claims)
        repeated = [n for n in names if _repeats(second.claims[n], point.claims[n])]
        if not repeated or _roughly_right(second):
            return
        for outcome in check_inputs(second, names, lenient=True, brief=not self.options.diagnose):
            if outcome.verdict is Verdict.WRONG and outcome.name in repeated:
                self.findings.append(_stale(outcome))

    def _result(self) -> CheckResult:
        verdict = self._verdict()
        comparisons = tuple(c for o in self.outcomes for c in o.comparisons[:SHOWN_COMPARISONS])
        self._note_vacuous(verdict)
        entries = {o.name: o.table for o in self.outcomes if o.table is not None}
        diagnoses: tuple[Diagnosis, ...] = ()
        guilty = ""
        if verdict is Verdict.WRONG and self.options.diagnose:
            diagnoses = self._diagnose(entries)
            guilty = self._guilty_layer()
        return CheckResult(
            subject=self.counted.name,
            verdict=verdict,
            comparisons=comparisons,
            findings=tuple(dict.fromkeys(self.findings)) if self.findings else (),
            diagnoses=diagnoses,
            evaluations=self._evaluations(),
            resolution=_largest(o.resolution for o in self.outcomes),
            seed=int(self.options.seed),
            entries=entries,
            shapes={name: array.shape for name, array in self.inputs.items()},
            kinks=sum(o.kinks for o in self.outcomes),
            guilty_layer=guilty,
            reproduce=self._reproduce(verdict),
            render=render,
        )

    def _evaluations(self) -> Evaluations:
        own, layers = self.counted.evaluations, self.spent_on_layers
        return own if layers is None else own + layers

    def _verdict(self) -> Verdict:
        severities = [finding.severity for finding in self.findings]
        verdicts = [outcome.verdict for outcome in self.outcomes]
        if Verdict.WRONG in verdicts or Severity.FAILURE in severities:
            return Verdict.WRONG
        if Verdict.INCONCLUSIVE in verdicts or Severity.DOUBT in severities:
            return Verdict.INCONCLUSIVE
        if not self.outcomes:
            self.findings.append(
                Finding(
                    "nothing-checked",
                    "no input was compared. Expected at least one non-empty float input with a "
                    "gradient. Do: choose other inputs.",
                    Severity.DOUBT,
                )
            )
            return Verdict.INCONCLUSIVE
        return Verdict.CORRECT

    def _note_vacuous(self, verdict: Verdict) -> None:
        if verdict is Verdict.CORRECT and all(outcome.vacuous for outcome in self.outcomes):
            self.findings.append(
                Finding(
                    "vacuous",
                    "every claim and every estimate is zero at this point: no wrong factor could "
                    "show here. Do: check another point too.",
                    Severity.NOTE,
                )
            )

    def _diagnose(self, entries: Mapping[str, EntryTable]) -> tuple[Diagnosis, ...]:
        if self.scene is None and self.seen is not None:
            self.scene = self._make_scene(*self.seen)
        scene = self.scene
        case = Case(
            inputs=self.inputs,
            output={} if scene is None else scene.outputs,
            cotangent={} if scene is None else scene.cotangents,
            claimed=self.claim if scene is None else scene.claim,
            entries=entries,
            findings=tuple(self.findings),
            second_cotangent=None if scene is None else _known(scene, "second_cotangent"),
            second_claim=None if scene is None else _known(scene, "second_claim"),
            axes=self.options.axes,
            jacobians=self._jacobians(entries),
        )
        return explain(case)

    def _jacobians(self, entries: Mapping[str, EntryTable]) -> dict[str, Jacobian]:
        """Of the wrong inputs, where they are small; a mismatch that is one of state has none."""
        wrong = [name for name, table in entries.items() if table.wrong.any()]
        if self.scene is None or not wrong:
            return {}
        return measured_jacobians(self.counted, self.inputs, self.scene.output, wrong)

    def _guilty_layer(self) -> str:
        subject = self.counted.subject
        if not isinstance(subject, LayeredSubject) or self.point is None:
            return ""
        cotangent = shaped_cotangent(self.point.cotangent, self.point.output)
        return find_guilty_layer(subject, self.inputs, cotangent, self._check_layer)

    def _check_layer(self, layer: LayerCall) -> CheckResult:
        chosen = Options(
            self.options.rtol, self.options.seed, "lenient", ("shape", "names"), diagnose=False
        )
        result = _Check(layer.subject, dict(layer.inputs), chosen, None, layer.cotangent).run()
        spent = self.spent_on_layers
        self.spent_on_layers = result.evaluations if spent is None else spent + result.evaluations
        return result

    def _reproduce(self, verdict: Verdict) -> str:
        if verdict is Verdict.CORRECT or self.call is None:
            return ""
        return reproduction(
            self.call.function,
            [_name_of(one) for one in self.call.callables],
            self.inputs,
            seed=int(self.options.seed),
            options=dict(self.call.options or {}),
            rtol=self.options.rtol,
        )


SCENE_COPIES = 8
MOST_KEPT = 2**24
"""Relations hold and drop about so many arrays as large as all inputs. Of memory that nobody may
need again no more than this is kept, twice."""


def _keep_freed_memory(size: int) -> None:
    """Bring glibc to keep what the relations free, where it is little.

    It hands memory back from a threshold on, twice the largest block that it saw freed, and the
    pages come back one by one, zeroed: a quarter of the time of a check. A block that nobody writes
    to costs nothing.
    """
    if SCENE_COPIES * size <= MOST_KEPT:
        np.empty(SCENE_COPIES * size, np.uint8)


def _may_tie(outcome: Outcome) -> bool:
    """Whether an input is as it should be, but for a kink that may be a tie."""
    kinks = any(finding.name == "kink-undecided" for finding in outcome.findings)
    return outcome.verdict is Verdict.CORRECT or kinks


def _known(scene: Scene, key: str) -> Any:
    found = scene.memo.get(key)
    if key == "second_cotangent" and found is not None:
        return named_outputs(found)
    return found if isinstance(found, dict) else None


def _is_alive(u: Array) -> bool:
    """Whether some number is not zero; nearly always the first is none."""
    return u.size > 0 and (u.item(0) != 0 or bool(u.any()))


def _draw(generator: np.random.Generator, output: Array, finite: bool) -> Array:
    """A Gaussian cotangent for one output; zero where the output is not finite, or no float."""
    if not is_differentiable(output):
        return np.zeros(output.shape)
    u = gaussian(generator, output).astype(output.dtype, copy=False)
    if finite:
        return u
    return np.where(np.isfinite(output), u, np.zeros((), output.dtype))


def _fits(gradient: Any, x: Array) -> bool:
    return (
        gradient is not None
        and np.shape(gradient) == x.shape
        and gradient.dtype.kind in "fc"
        and all_finite(gradient)
    )


ROUGHLY = 1e-5
"""At the second point only a gross error, such as the gradient of another point, is looked for."""


def _roughly_right(point: Point) -> bool:
    """Whether a direction that moves all inputs together meets the claims.

    It takes one forward where a forward difference is sharp enough, and two more where it is not.
    """
    directions, claimed, limit = _together(point)
    there = replace(point, known_centre=_known_value(point))
    forward = forward_slope(there.ray(directions))
    if forward.error <= limit and abs(claimed - forward.value) <= limit:
        return True
    directions, claimed, limit = _together(point)
    quick = quick_slope(point.ray(directions))
    if not math.isfinite(quick.value):
        return True
    return abs(claimed - quick.value) <= limit + 10 * quick.error


def _together(point: Point) -> tuple[Arrays, float, float]:
    """A direction of all inputs, the slope claimed along it, and what it may be roughly off by."""
    directions = {}
    claimed = size = 0.0
    for name, gradient in point.claims.items():
        x = point.work[name]
        places, moved = scattered_direction(point.generator, x)
        directions[name] = np.zeros(x.shape, moved.dtype)
        directions[name].reshape(-1)[places] = moved
        slope = claimed_slope(gradient.reshape(-1)[places], moved)
        claimed += slope.value
        size += slope.size
    return directions, claimed, ROUGHLY * max(size, abs(claimed))


def _known_value(point: Point) -> Arrays | None:
    """The outputs at the point, if the subject was given its numbers as they are worked with."""
    known = all(point.work[name] is array for name, array in point.inputs.items())
    return named_outputs(point.output) if known else None


REPEATED_SHARE = 0.5
"""A cache may be stale in part: so many entries of a claim must be those of the first point."""


def _repeats(second: Array, first: Array) -> bool:
    """Whether the claim at the second point is, for the most part, that of the first."""
    live = (first != 0) | (second != 0)
    return bool(np.any(live)) and bool(np.mean((first == second)[live]) >= REPEATED_SHARE)


def _stale(outcome: Outcome) -> Finding:
    worst = outcome.comparisons[0]
    return Finding(
        "stale-cache",
        f"right at the first point, but after a visit to a second one {worst.path} is claimed "
        f"{worst.claimed:.7g} there, estimated {worst.estimate.value:.7g}: what was claimed at the "
        "first point. Do: keep no state between calls.",
        Severity.FAILURE,
        outcome.name,
    )


def _largest(values: Iterable[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return max(known, default=math.nan)


def _require_callable(thing: Any, role: str) -> None:
    if not callable(thing) and not hasattr(thing, "backward"):
        raise InvalidArgument(
            f"{role}: got {type(thing).__name__} {thing!r:.40}, expected a callable. "
            "Do: pass the function itself."
        )


def _require_no_nan(inputs: Arrays) -> None:
    for name, array in inputs.items():
        if is_differentiable(array) and _has_nan(array):
            count = int(np.isnan(array).sum())
            raise InvalidArgument(
                f"inputs: {name} holds {count} NaN, expected numbers: no derivative exists there. "
                "Do: choose inputs without NaN."
            )


def _require_fitting_axes(arrays: Arrays, options: Options) -> None:
    for name, axes in options.axes.items():
        if name not in arrays:
            raise InvalidArgument(
                f"axes: got axes of {name!r}, expected those of some of {', '.join(arrays)}. "
                "Do: correct the name."
            )
        named = len(axes) - axes.count("...")
        if named > arrays[name].ndim or ("..." not in axes and named < arrays[name].ndim):
            raise InvalidArgument(
                f"axes: got {tuple(axes)} for {name!r}, which has {arrays[name].ndim} axes, "
                "expected one name per axis. Do: name every axis."
            )
    if options.batch and not any(options.batch in axes for axes in options.axes.values()):
        raise InvalidArgument(
            f"batch: got {options.batch!r}, expected one of the names in axes. "
            "Do: say with axes= which axis of each input it is."
        )


def _has_nan(array: Array) -> bool:
    return not all_finite(array) and bool(np.isnan(array).any())


def _names(relations: Iterable[str] | None) -> tuple[str, ...] | None:
    if isinstance(relations, str):
        raise InvalidArgument(
            f"relations: got the string {relations!r}, expected an iterable of names. "
            f"Do: pass ({relations!r},)."
        )
    return None if relations is None else tuple(relations)


def _without(relations: Iterable[str] | None, left_out: frozenset[str]) -> tuple[str, ...]:
    chosen = _names(relations)
    return tuple(name for name in (DEFAULT if chosen is None else chosen) if name not in left_out)


def _name_of(thing: Any) -> str:
    if isinstance(thing, functools.partial):
        return _name_of(thing.func)
    return str(getattr(thing, "__name__", None) or getattr(thing, "name", type(thing).__name__))


def _no_backward(*_: Any) -> Any:
    raise InvalidSubject("this subject claims a jvp only")


__all__ = [
    "Comparison",
    "Options",
    "assert_check",
    "assert_grad",
    "assert_jvp",
    "assert_vjp",
    "check",
    "check_grad",
    "check_jvp",
    "check_vjp",
    "raise_for",
    "run_check",
]
