"""The one line that a user writes, for each kind of derivative."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from gradcheck.checking import ABOUT_COTANGENTS
from gradcheck.errors import InvalidArgument
from gradcheck.one_liner import TestFunction, as_test, module_of
from gradcheck.properties.function import Function
from gradcheck.properties.property import Asked, Property
from gradcheck.properties.run import run
from gradcheck.properties.sense import require_sense
from gradcheck.relations import DEFAULT
from gradcheck.strategies.shapes import Bounds


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
    function = Function("assert_vjp", forward, backward, style, name)
    return _property_test(
        function,
        {**(arguments or {}), **shapes},
        Asked(rtol, kinks, _names(relations), axes or {}, batch, examples, seed, self_test),
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
    function = Function("assert_vjp", func, grad, style, name)
    chosen = tuple(name for name in _names(relations) or DEFAULT if name not in ABOUT_COTANGENTS)
    return _property_test(
        function,
        {**(arguments or {}), **shapes},
        Asked(rtol, kinks, chosen, axes or {}, "", examples, seed, self_test),
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
    >>> import numpy as np
    >>> test_sine = jvp_test(np.sin, lambda x, x_dot: np.cos(x[0]) * x_dot[0], x="n")
    >>> test_sine()
    """
    function = Function("assert_jvp", forward, jvp, None, name)
    asked = Asked(rtol, kinks, (), axes or {}, "", examples, seed, False)
    return _property_test(function, {**(arguments or {}), **shapes}, asked)


def _names(relations: Iterable[str] | None) -> tuple[str, ...] | None:
    if isinstance(relations, str):
        raise InvalidArgument(
            f"relations: got the string {relations!r}, expected an iterable of names. "
            f"Do: pass ({relations!r},)."
        )
    return None if relations is None else tuple(relations)


def _property_test(function: Function, arguments: Mapping[str, Any], asked: Asked) -> TestFunction:
    """The property as a test function that pytest shows at the caller's line."""
    caller = sys._getframe(2)
    tested = Property(function, arguments, asked, module_of(caller))
    require_sense(tested)
    test: Any = as_test(partial(run, tested), tested.name, caller)
    test.gradcheck = tested
    return test  # type: ignore[no-any-return]
