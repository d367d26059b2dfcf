"""What happens to a caller who hands in rubbish: a typed error or a named finding, each time.

Never a traceback from inside NumPy, never a silent pass.
"""

from __future__ import annotations

import re
import sys
import warnings
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse

import gradcheck
from gradcheck import InvalidArgument, InvalidSubject, Verdict

X = np.array([0.5, -1.25, 2.0])
Y = np.array([1.5, 0.75, -0.5])


def square(x):
    return x**2


def square_backward(cotangent, x):
    return (2 * x * cotangent,)


def product(x, y):
    return x * y


def product_backward(cotangent, x, y):
    return cotangent * y, cotangent * x


def of_square(**options):
    """A check of the right pair with something else wrong."""
    return gradcheck.check_vjp(square, square_backward, (X,), **options)


def with_forward(forward):
    return gradcheck.check_vjp(forward, square_backward, (X,))


def with_backward(backward):
    return gradcheck.check_vjp(square, backward, (X,))


def with_product_backward(backward):
    return gradcheck.check_vjp(product, backward, {"x": X, "y": Y})


def with_inputs(inputs):
    return gradcheck.check_vjp(square, square_backward, inputs)


def changes_after(calls, first, then):
    """A forward that answers ``first`` for so many calls, and ``then`` ever after."""
    seen = []

    def forward(x):
        seen.append(1)
        return (first if len(seen) <= calls else then)(x)

    return forward


def random_forward():
    rng = np.random.default_rng(0)
    return lambda x: x**2 * rng.uniform(0.5, 1.5)


def raising(error):
    def raises(*_):
        raise error

    return raises


def mutating_forward(x):
    value = x**2
    x += 1.0
    return value


def mutating_backward(cotangent, x):
    gradient = 2 * x * cotangent
    x *= 0.0
    return (gradient,)


def cotangent_mutating_backward(cotangent, x):
    cotangent *= 2 * x
    return (cotangent.copy(),)


def warning_forward(x):
    warnings.warn("this is deprecated", DeprecationWarning, stacklevel=2)
    return x**2


def guarded_log(x):
    if np.any(x <= 0):
        raise ValueError("log of a number that is not positive")
    return np.log(x)


class Refused(NamedTuple):
    """The call raises exactly this type, and the message holds these words."""

    error: type[ValueError]
    words: tuple[str, ...] = ()


class Found(NamedTuple):
    """The check ends with this verdict, and with a finding of this name."""

    finding: str
    verdict: Verdict = Verdict.WRONG


NOTHING = np.zeros(0)

REFUSED = {
    "forward is not callable": (
        lambda: gradcheck.check_vjp(None, square_backward, (X,)),
        Refused(InvalidArgument, ("forward", "None")),
    ),
    "forward is its own value": (
        lambda: gradcheck.check_vjp(square(X), square_backward, (X,)),
        Refused(InvalidArgument, ("forward", "ndarray")),
    ),
    "backward is not callable": (
        lambda: gradcheck.check_vjp(square, 2 * X, (X,)),
        Refused(InvalidArgument, ("backward", "ndarray")),
    ),
    "func is not callable": (
        lambda: gradcheck.check_grad("square", square, X),
        Refused(InvalidArgument, ("func", "str")),
    ),
    "grad is not callable": (
        lambda: gradcheck.check_grad(lambda x: np.sum(x**2), 2 * X, X),
        Refused(InvalidArgument, ("grad", "ndarray")),
    ),
    "jvp is not callable": (
        lambda: gradcheck.check_jvp(square, 3, (X,)),
        Refused(InvalidArgument, ("jvp", "int")),
    ),
    "the subject has no vjp": (
        lambda: gradcheck.check(SimpleNamespace(name="s", value=lambda i: i["x"]), {"x": X}),
        Refused(InvalidSubject, ("vjp",)),
    ),
    "the subject has no value": (
        lambda: gradcheck.check(SimpleNamespace(name="s", vjp=lambda i, c: {"x": c}), {"x": X}),
        Refused(InvalidSubject, ("value",)),
    ),
    "the subject is a plain function": (
        lambda: gradcheck.check(square, {"x": X}),
        Refused(InvalidSubject, ("(value, gradient)",)),
    ),
    "there are no inputs": (lambda: with_inputs(()), Refused(InvalidArgument, ("inputs",))),
    "the inputs are a string": (lambda: with_inputs("x"), Refused(InvalidArgument, ("inputs",))),
    "the inputs are a list": (
        lambda: with_inputs([X]),
        Refused(InvalidArgument, ("inputs", "list", "tuple")),
    ),
    "the inputs are None": (lambda: with_inputs(None), Refused(InvalidArgument, ("inputs",))),
    "the inputs are a number": (lambda: with_inputs(3.0), Refused(InvalidArgument, ("inputs",))),
    "an input is None": (lambda: with_inputs((None,)), Refused(InvalidArgument, ("x",))),
    "an input is an object array": (
        lambda: with_inputs((np.array([1.0, None], dtype=object),)),
        Refused(InvalidArgument, ("x", "object")),
    ),
    "an input is a string array": (
        lambda: with_inputs((np.array(["a", "b"]),)),
        Refused(InvalidArgument, ("x", "U1")),
    ),
    "an input is a ragged list": (
        lambda: with_inputs(([[1.0], [2.0, 3.0]],)),
        Refused(InvalidArgument, ("x",)),
    ),
    "an input is an array of dates": (
        lambda: with_inputs((np.array(["2026-01-01"], dtype="datetime64[D]"),)),
        Refused(InvalidArgument, ("x", "datetime64")),
    ),
    "an input is a record array": (
        lambda: with_inputs((np.zeros(2, dtype=[("a", float)]),)),
        Refused(InvalidArgument, ("x",)),
    ),
    "an input is a sparse matrix": (
        lambda: with_inputs((scipy.sparse.eye_array(2),)),
        Refused(InvalidArgument, ("x", "sparse")),
    ),
    "an input has no name": (
        lambda: with_inputs({1: X}),
        Refused(InvalidArgument, ("name", "1")),
    ),
    "no input is float": (
        lambda: with_inputs((np.arange(3),)),
        Refused(InvalidArgument, ("float", "int64")),
    ),
    "every input is boolean": (
        lambda: with_inputs((np.array([True, False]),)),
        Refused(InvalidArgument, ("float", "bool")),
    ),
    "an input is NaN": (
        lambda: with_inputs((np.array([1.0, np.nan]),)),
        Refused(InvalidArgument, ("x", "NaN")),
    ),
    "x0 is a string": (
        lambda: gradcheck.check_grad(np.sum, np.ones_like, "origin"),
        Refused(InvalidArgument, ("x",)),
    ),
    "x0 is an integer array": (
        lambda: gradcheck.check_grad(np.sum, np.ones_like, np.arange(3)),
        Refused(InvalidArgument, ("float", "int64")),
    ),
    "rtol is negative": (lambda: of_square(rtol=-1e-7), Refused(InvalidArgument, ("rtol",))),
    "rtol is NaN": (lambda: of_square(rtol=float("nan")), Refused(InvalidArgument, ("rtol",))),
    "rtol is zero": (lambda: of_square(rtol=0.0), Refused(InvalidArgument, ("rtol",))),
    "rtol is infinite": (lambda: of_square(rtol=np.inf), Refused(InvalidArgument, ("rtol",))),
    "rtol allows everything": (lambda: of_square(rtol=1.0), Refused(InvalidArgument, ("rtol",))),
    "rtol is a string": (lambda: of_square(rtol="1e-7"), Refused(InvalidArgument, ("rtol",))),
    "the seed is negative": (lambda: of_square(seed=-1), Refused(InvalidArgument, ("seed",))),
    "the seed is a float": (lambda: of_square(seed=0.5), Refused(InvalidArgument, ("seed",))),
    "the seed is a string": (lambda: of_square(seed="a"), Refused(InvalidArgument, ("seed",))),
    "kinks is unknown": (lambda: of_square(kinks="maybe"), Refused(InvalidArgument, ("kinks",))),
    "a style is unknown": (lambda: of_square(style="odd"), Refused(InvalidArgument, ("style",))),
    "an option is unknown": (
        lambda: of_square(options={"stride": 2}),
        Refused(InvalidArgument, ("stride",)),
    ),
    "axes name an unknown input": (
        lambda: of_square(axes={"q": ("n",)}),
        Refused(InvalidArgument, ("axes", "q")),
    ),
    "axes do not fit the array": (
        lambda: of_square(axes={"x": ("n", "d")}),
        Refused(InvalidArgument, ("axes", "x")),
    ),
    "the batch axis is no axis": (
        lambda: of_square(batch="n"),
        Refused(InvalidArgument, ("batch", "n")),
    ),
    "a relation is unknown": (
        lambda: of_square(relations=("no-such-relation",)),
        Refused(InvalidArgument, ("no-such-relation",)),
    ),
    "forward raises": (
        lambda: with_forward(raising(RuntimeError("no convergence"))),
        Refused(InvalidSubject, ("forward", "RuntimeError", "no convergence")),
    ),
    "forward takes another number of arguments": (
        lambda: gradcheck.check_vjp(product, product_backward, (X,)),
        Refused(InvalidArgument, ("inputs: got x", "product(x, y)")),
    ),
    "forward returns None": (
        lambda: with_forward(lambda x: None),
        Refused(InvalidSubject, ("forward", "None")),
    ),
    "forward returns a string": (
        lambda: with_forward(lambda x: "value"),
        Refused(InvalidSubject, ("forward",)),
    ),
    "forward returns objects": (
        lambda: with_forward(lambda x: np.array([None, 1.0], dtype=object)),
        Refused(InvalidSubject, ("forward", "array of numbers")),
    ),
    "forward returns a ragged list": (
        lambda: with_forward(lambda x: ([[1.0], [1.0, 2.0]],)),
        Refused(InvalidSubject, ("forward",)),
    ),
    "forward returns integers": (
        lambda: with_forward(lambda x: np.floor(x).astype(int)),
        Refused(InvalidSubject, ("forward", "int64")),
    ),
    "forward returns booleans": (
        lambda: with_forward(lambda x: x > 0),
        Refused(InvalidSubject, ("forward", "bool")),
    ),
    "func returns a vector": (
        lambda: gradcheck.check_grad(square, lambda x: 2 * x, X),
        Refused(InvalidSubject, ("scalar", "(3,)")),
    ),
    "backward takes another number of arguments": (
        lambda: with_backward(lambda cotangent: (cotangent,)),
        Refused(InvalidSubject, ("backward(cotangent, x)",)),
    ),
    "backward returns None": (
        lambda: with_backward(lambda u, x: None),
        Refused(InvalidSubject, ("backward", "None")),
    ),
    "backward returns too few gradients": (
        lambda: with_product_backward(lambda u, x, y: (u * y,)),
        Refused(InvalidSubject, ("1", "2", "x, y")),
    ),
    "backward returns too many gradients": (
        lambda: with_product_backward(lambda u, x, y: (u * y, u * x, u)),
        Refused(InvalidSubject, ("3", "2", "x, y")),
    ),
    "backward returns one bare array for two inputs": (
        lambda: with_product_backward(lambda u, x, y: u * y),
        Refused(InvalidSubject, ("x, y",)),
    ),
    "backward names another input": (
        lambda: with_product_backward(lambda u, x, y: {"x": u * y, "z": u * x}),
        Refused(InvalidSubject, ("x, z", "x, y")),
    ),
    "backward forgets a name": (
        lambda: with_product_backward(lambda u, x, y: {"x": u * y}),
        Refused(InvalidSubject, ("named x;", "x, y")),
    ),
    "backward returns a list": (
        lambda: with_backward(lambda u, x: [2 * x * u]),
        Refused(InvalidSubject, ("list", "tuple")),
    ),
    "backward returns a scalar for a vector": (
        lambda: with_backward(lambda u, x: (float(np.sum(2 * x * u)),)),
        Refused(InvalidSubject, ("float", "x")),
    ),
    "backward returns a string": (
        lambda: with_backward(lambda u, x: "gradient"),
        Refused(InvalidSubject, ("backward", "str")),
    ),
    "jvp raises": (
        lambda: gradcheck.check_jvp(square, raising(ZeroDivisionError("no")), (X,)),
        Refused(InvalidSubject, ("jvp", "ZeroDivisionError")),
    ),
    "jvp returns another shape": (
        lambda: gradcheck.check_jvp(square, lambda i, t: np.sum(2 * i[0] * t[0]), (X,)),
        Refused(InvalidSubject, ("jvp", "[]", "[3]")),
    ),
    "jvp returns a string": (
        lambda: gradcheck.check_jvp(square, lambda i, t: "tangent", (X,)),
        Refused(InvalidSubject, ("jvp",)),
    ),
    "jvp returns None": (
        lambda: gradcheck.check_jvp(square, lambda i, t: None, (X,)),
        Refused(InvalidSubject, ("jvp", "object")),
    ),
}

FOUND = {
    "every input is empty": (
        lambda: with_inputs((NOTHING,)),
        Found("empty-output", Verdict.INCONCLUSIVE),
    ),
    "forward returns an empty array": (
        lambda: with_forward(lambda x: x[:0]),
        Found("empty-output", Verdict.INCONCLUSIVE),
    ),
    "backward raises": (
        lambda: with_backward(raising(KeyError("cache"))),
        Found("backward-raises"),
    ),
    "backward returns the transposed shape": (
        lambda: gradcheck.check_vjp(
            square, lambda u, x: ((2 * x * u).T,), (np.arange(6.0).reshape(2, 3),)
        ),
        Found("shape"),
    ),
    "backward returns a column": (
        lambda: with_backward(lambda u, x: ((2 * x * u)[:, None],)),
        Found("shape"),
    ),
    "backward returns objects": (
        lambda: with_backward(lambda u, x: ((2 * x * u).astype(object),)),
        Found("dtype"),
    ),
    "backward returns strings": (
        lambda: with_backward(lambda u, x: (np.array(["a", "b", "c"]),)),
        Found("dtype"),
    ),
    "backward returns integers": (
        lambda: with_backward(lambda u, x: ((2 * x * u).astype(int),)),
        Found("dtype"),
    ),
    "backward returns float32 for float64": (
        lambda: with_backward(lambda u, x: ((2 * x * u).astype(np.float32),)),
        Found("dtype"),
    ),
    "backward returns complex for real": (
        lambda: with_backward(lambda u, x: (2 * x * u + 0j,)),
        Found("dtype"),
    ),
    "backward returns NaN": (
        lambda: with_backward(lambda u, x: (np.full_like(x, np.nan),)),
        Found("non-finite"),
    ),
    "backward returns infinity": (
        lambda: with_backward(lambda u, x: (np.full_like(x, np.inf),)),
        Found("non-finite"),
    ),
    "backward claims nothing at all": (
        lambda: with_backward(lambda u, x: (None,)),
        Found("not-claimed", Verdict.INCONCLUSIVE),
    ),
    "backward changes its input": (
        lambda: with_backward(mutating_backward),
        Found("mutates-input"),
    ),
    "backward changes its cotangent": (
        lambda: with_backward(cotangent_mutating_backward),
        Found("mutates-cotangent"),
    ),
    "forward changes its input": (
        lambda: with_forward(mutating_forward),
        Found("mutates-input"),
    ),
    "forward is random": (
        lambda: with_forward(random_forward()),
        Found("non-deterministic-forward", Verdict.INCONCLUSIVE),
    ),
    "forward changes its shape from call to call": (
        lambda: with_forward(changes_after(1, square, lambda x: np.append(x, 0.0) ** 2)),
        Found("output-changes", Verdict.INCONCLUSIVE),
    ),
    "forward changes its dtype from call to call": (
        lambda: with_forward(changes_after(1, square, lambda x: (x**2).astype(np.float32))),
        Found("output-changes"),
    ),
    "forward returns NaN": (
        lambda: with_forward(lambda x: np.full_like(x, np.nan)),
        Found("non-finite-forward", Verdict.INCONCLUSIVE),
    ),
    "forward and backward return NaN": (
        lambda: gradcheck.check_vjp(
            lambda x: np.full_like(x, np.nan), lambda u, x: (np.full_like(x, np.nan),), (X,)
        ),
        Found("non-finite-forward", Verdict.INCONCLUSIVE),
    ),
    "forward returns NaN in one entry": (
        lambda: with_forward(lambda x: np.where(x > 1, np.nan, x**2)),
        Found("non-finite-forward", Verdict.INCONCLUSIVE),
    ),
    "forward and backward return NaN in one entry": (
        lambda: gradcheck.check_vjp(
            lambda x: np.where(x > 1, np.nan, x**2),
            lambda u, x: (np.where(x > 1, np.nan, 2 * x * u),),
            (X,),
        ),
        Found("non-finite-forward", Verdict.INCONCLUSIVE),
    ),
    "forward and backward overflow alike": (
        lambda: gradcheck.check_vjp(np.exp, lambda u, x: (u * np.exp(x),), (np.array([1000.0]),)),
        Found("non-finite-forward", Verdict.INCONCLUSIVE),
    ),
    "an input is too large for its sine": (
        lambda: gradcheck.check_vjp(
            np.sin,
            lambda u, x: (u * np.cos(x),),
            (np.array([[0.0, 0.0], [1.0, -8e100]]),),
            seed=39048,
        ),
        Found("infinite-slope", Verdict.INCONCLUSIVE),
    ),
    "forward returns infinity": (
        lambda: with_forward(lambda x: np.full_like(x, np.inf)),
        Found("non-finite-forward", Verdict.INCONCLUSIVE),
    ),
    "everything is zero": (
        lambda: gradcheck.check_vjp(
            lambda x: np.zeros_like(x), lambda u, x: (np.zeros_like(x),), (X,)
        ),
        Found("vacuous", Verdict.CORRECT),
    ),
    "forward prints": (
        lambda: with_forward(lambda x: (sys.stdout.write("hello\n"), x**2)[1]),
        Found("prints", Verdict.CORRECT),
    ),
    "forward ends near the point": (
        lambda: gradcheck.check_vjp(guarded_log, lambda u, x: (u / x,), (np.array([1e-9, 2.0]),)),
        Found("domain-edge", Verdict.CORRECT),
    ),
    "forward does not broadcast as it says": (
        lambda: gradcheck.check_vjp(
            lambda x: x / x.sum(),
            lambda u, x: (u / x.sum() - np.sum(u * x) / x.sum() ** 2,),
            (X,),
            vectorized=True,
            exhaustive=True,
        ),
        Found("not-vectorized", Verdict.CORRECT),
    ),
    "forward warns": (lambda: with_forward(warning_forward), Found("warns", Verdict.CORRECT)),
    "an integer input gets a gradient": (
        lambda: gradcheck.check_vjp(
            lambda x, k: x * k, lambda u, x, k: (u * k, u * x), (X, np.array([1, 2, 3]))
        ),
        Found("gradient-for-integer-input", Verdict.CORRECT),
    ),
    "grad has another shape": (
        lambda: gradcheck.check_grad(lambda x: np.sum(x**2), lambda x: np.sum(2 * x), X),
        Found("shape"),
    ),
}


@pytest.mark.parametrize(("call", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_with_what_was_got_and_what_was_expected(call, expected):
    with pytest.raises(expected.error) as caught:
        call()
    message = str(caught.value)
    assert caught.type is expected.error
    assert all(word in message for word in expected.words), message
    assert re.search("expected|accepts|but", message.lower()), message
    assert "Do:" in message, message


@pytest.mark.parametrize(("call", "expected"), FOUND.values(), ids=FOUND.keys())
def test_it_is_found_and_named(call, expected):
    result = call()
    assert expected.finding in {finding.name for finding in result.findings}, str(result)
    assert result.verdict is expected.verdict, str(result)


FINE = {
    "forward returns a Python float": lambda: gradcheck.check_vjp(
        lambda x: float(np.sum(x**2)), lambda u, x: (2 * x * u,), (X,)
    ),
    "func returns a size-one array": lambda: gradcheck.check_grad(
        lambda x: np.sum(x**2, keepdims=True), lambda x: 2 * x, X
    ),
    "x0 is a list of floats": lambda: gradcheck.check_grad(
        lambda x: np.sum(x**2), lambda x: 2 * x, [1.0, 2.0]
    ),
    "x0 is a Python float": lambda: gradcheck.check_grad(lambda x: x**3, lambda x: 3 * x**2, 1.5),
    "inputs are a mapping": lambda: with_inputs({"x": X}),
    "inputs are read-only": lambda: with_inputs((np.broadcast_to(X, (2, 3)),)),
    "backward returns one bare array for one input": lambda: with_backward(lambda u, x: 2 * x * u),
    "backward returns a mapping": lambda: with_backward(lambda u, x: {"x": 2 * x * u}),
    "one of several inputs is empty": lambda: gradcheck.check_vjp(
        lambda x, e: np.sum(x**2) + np.sum(e),
        lambda u, x, e: (2 * x * u, u * np.ones_like(e)),
        (X, NOTHING),
    ),
}


@pytest.mark.parametrize("call", FINE.values(), ids=FINE.keys())
def test_what_is_only_unusual_is_checked(call):
    result = call()
    assert result.verdict is Verdict.CORRECT, str(result)


def test_an_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        with_forward(raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        with_backward(raising(KeyboardInterrupt()))


def test_the_cause_of_a_refusal_is_kept():
    error = RuntimeError("no convergence")
    with pytest.raises(InvalidSubject) as caught:
        with_forward(raising(error))
    assert caught.value.__cause__ is error


def test_the_table_is_long_enough():
    assert len(REFUSED) + len(FOUND) >= 40
