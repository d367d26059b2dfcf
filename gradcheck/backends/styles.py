"""The styles in which people write backwards, translated into subjects.

``as_subject(thing, backward=None, style=None, options=None)`` takes, without a wrapper:

============================  ====================================================================
``"pair"``                    ``forward(*inputs)``, ``backward(cotangent, *inputs) -> gradients``
``"cached"``                  ``out, cache = forward(*inputs)``, ``backward(dout, cache)``
``"gradient"``                scalar ``forward(*inputs)``, ``gradient(*inputs) -> gradients``
``"value-and-gradient"``      ``forward(*inputs) -> (scalar, gradients)``, as SciPy's ``jac=True``
``"layer"``                   an object with ``forward(x)`` and ``backward(dout)``
``"factory"``                 a class or function that makes such an object, anew per example
============================  ====================================================================

Every subject made here is self-contained: ``vjp(inputs, cotangent)`` runs the forward itself where
the backward needs what the forward saved. ``named_inputs`` and ``normalise_claim`` are the two
ends.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradcheck.backends.claims import (
    checked_output,
    named_inputs,
    normalise_claim,
)
from gradcheck.backends.layers import factory_subject, layer_subject
from gradcheck.backends.signatures import (
    Call,
    callable_named,
    in_call_order,
    require_forward,
)
from gradcheck.errors import InvalidArgument, InvalidSubject
from gradcheck.subject import Claim, FunctionSubject, Inputs, Subject
from gradcheck.trees import Array

__all__ = ["STYLES", "as_subject", "named_inputs", "normalise_claim"]

STYLES = ("pair", "cached", "gradient", "value-and-gradient", "layer", "factory")

CACHE_NAMES = frozenset(
    ("cache", "caches", "ctx", "context", "saved", "residual", "residuals", "memo", "tape", "state")
)
"""Names that a backward's second parameter has only where it is what the forward saved."""

Options = Mapping[str, Any]


def as_subject(
    thing: Any,
    backward: Any = None,
    *,
    style: str | None = None,
    options: Options | None = None,
    names: Sequence[str] | None = None,
    jvp: Callable[..., Any] | None = None,
    gradients: Mapping[str, str] | None = None,
    name: str | None = None,
    vectorized: bool = False,
) -> Subject:
    """Anything with a value and a claimed derivative, as a subject.

    Parameters
    ----------
    thing : Subject, callable, pair of callables, layer object, class or factory
        A Subject comes back as it is. So do a `torch.autograd.Function`, a `torch.nn.Module` and a
        JAX function, through their own backends.
    backward : callable or True, optional
        The backward. ``True`` as SciPy's ``jac=True``: ``thing`` returns ``(value, gradient)``.
    style : str, optional
        One of `STYLES`, where it must not be guessed.
    options : mapping, optional
        Passed by keyword to those of forward and backward that accept them.
    names : sequence of str, optional
        Names of the inputs, where they are known: a backward that cannot take them is then refused
        here, not at the first call.
    jvp : callable, optional
        ``jvp(inputs, tangents) -> tangent of the output``, inputs and tangents as tuples.
    gradients : mapping of str to str, optional
        For layers: the attribute (``"dw"``, ``"weight.grad"``) that holds the gradient of an input.
    name : str, optional
        Shown in reports; by default the name of the function.
    vectorized : bool
        Whether the forward broadcasts over leading axes of all its inputs.

    Raises
    ------
    InvalidSubject
        If ``thing`` is none of these, or its backward cannot be called as its style says.
    InvalidArgument
        For an unknown style, or an option that neither forward nor backward accepts.

    Notes
    -----
    A pair is taken for ``"cached"`` if the backward's second parameter has one of the names in
    `CACHE_NAMES`, or if it takes exactly two arguments where the inputs are not one. With one input
    and two arguments, ``backward(dout, second)`` is cached if the forward returns a tuple of two
    whose second part is no array, or is the input itself; otherwise it is a pair whose forward has
    two outputs. ``style=`` overrules all of it.

    Examples
    --------
    >>> square = as_subject(lambda x: x**2, lambda g, x: 2 * x * g, name="square")
    >>> square.vjp({"x": np.array([3.0])}, np.array([1.0]))
    {'x': array([6.])}
    """
    if isinstance(thing, tuple) and len(thing) == 2 and backward is None:
        thing, backward = thing
    chosen = _style(thing, backward, style)
    given = dict(options or {})
    if chosen == "subject":
        return _as_it_is(thing, given)
    if chosen in ("torch", "jax"):
        return _framework_subject(chosen, thing, given, name)
    label = name or _name_of(thing)
    if chosen == "layer":
        return layer_subject(thing, options=given, gradients=gradients, name=label)
    if chosen == "factory":
        return factory_subject(thing, options=given, gradients=gradients, name=label)
    forward = callable_named(thing, "forward")
    claimer = forward if chosen == "value-and-gradient" else callable_named(backward, "backward")
    _require_options_fit(given, forward, claimer, *_maybe(jvp))
    work = _WRITTEN[chosen](forward, claimer, given, style)
    if names is not None:
        if chosen != "pair":
            _require_fit(chosen, forward, claimer, tuple(names), given)
        work.binding(names)  # refuses what does not fit, and is asked for by every call
    return FunctionSubject(
        label,
        work.value,
        work.claim,
        push_forward=None if jvp is None else _push_forward(forward, jvp, given),
        vectorized=vectorized,
    )


class _Binding(NamedTuple):
    order: tuple[str, ...]
    by_name: bool
    in_order: bool


class _Written(ABC):
    """Two callables and their options; the styles differ in how they are called."""

    def __init__(self, forward: Call, backward: Call, options: Options, style: str | None) -> None:
        self.forward, self.backward = forward, backward
        self.forward_options = forward.chosen(options)
        self.backward_options = backward.chosen(options)
        self.style = style
        self.bindings: dict[tuple[str, ...], _Binding] = {}

    def binding(self, names: Iterable[str]) -> _Binding:
        """How inputs of these names are passed; looked up once per tuple of names."""
        key = tuple(names)
        found = self.bindings.get(key)
        if found is None:
            order = in_call_order(self.forward, key)
            self.require(order)
            found = _Binding(order, _is_by_name(self.forward, order), order == key)
            self.bindings[key] = found
        return found

    def arguments(self, inputs: Inputs) -> list[Array]:
        """The inputs in the order of the call."""
        return [inputs[name] for name in self.binding(inputs).order]

    def require(self, order: tuple[str, ...]) -> None:
        """Refuse inputs that the forward cannot take."""
        require_forward(self.forward, order, self.forward_options)

    def run(self, inputs: Inputs) -> Any:
        """What the forward returns."""
        order, by_name, in_order = self.binding(inputs)
        if by_name:
            named = {name: inputs[name] for name in order}
            return self.forward.function(**named, **self.forward_options)
        if in_order:
            return self.forward.function(*inputs.values(), **self.forward_options)
        return self.forward.function(*[inputs[name] for name in order], **self.forward_options)

    def value(self, inputs: Inputs) -> Any:
        return checked_output(self.run(inputs))

    @abstractmethod
    def claim(self, inputs: Inputs, cotangent: Any) -> Claim: ...

    def normalised(self, returned: Any, inputs: Inputs) -> Claim:
        binding = self.binding(inputs)
        if binding.in_order:
            return normalise_claim(returned, inputs)
        claim = normalise_claim(returned, {name: inputs[name] for name in binding.order})
        return {name: claim[name] for name in inputs}


class _Pair(_Written):
    """backward(cotangent, *inputs); turns into the cached style if that is what it meets."""

    cached: bool | None = None

    def value(self, inputs: Inputs) -> Any:
        returned = self.run(inputs)
        if self.cached or (self.cached is None and self.is_cached(inputs, returned)):
            returned = _split(returned)[0]
        return checked_output(returned)

    def claim(self, inputs: Inputs, cotangent: Any) -> Claim:
        arguments = self.arguments(inputs)
        if self.cached is None:
            self.is_cached(inputs, self.run(inputs))
        if self.cached:
            arguments = [_split(self.run(inputs))[1]]
        returned = self.backward.function(cotangent, *arguments, **self.backward_options)
        return self.normalised(returned, inputs)

    def require(self, order: tuple[str, ...]) -> None:
        options = {**self.forward_options, **self.backward_options}
        style = "pair" if self.style else ""
        _require_fit(style, self.forward, self.backward, order, options)
        if self.style == "pair" or not _takes_cache(self.backward, len(order)):
            self.cached = False
        elif _only_cached(self.backward, len(order), self.backward_options):
            self.cached = True

    def is_cached(self, inputs: Inputs, returned: Any) -> bool:
        """Whether the pair is of the cached style, as the first value seen shows."""
        self.cached = _looks_cached(returned, list(inputs.values()))
        return self.cached


class _Cached(_Written):
    """out, cache = forward(*inputs); backward(dout, cache)."""

    def value(self, inputs: Inputs) -> Any:
        return checked_output(_split(self.run(inputs))[0])

    def claim(self, inputs: Inputs, cotangent: Any) -> Claim:
        _, cache = _split(self.run(inputs))
        returned = self.backward.function(cotangent, cache, **self.backward_options)
        return self.normalised(returned, inputs)


class _Gradient(_Written):
    """gradient(*inputs) of a scalar function: the vjp for the cotangent 1."""

    def value(self, inputs: Inputs) -> Any:
        return _scalar(checked_output(self.run(inputs)))

    def claim(self, inputs: Inputs, cotangent: Any) -> Claim:
        arguments = self.arguments(inputs)
        returned = self.backward.function(*arguments, **self.backward_options)
        return _scaled(self.normalised(returned, inputs), cotangent)


class _ValueAndGradient(_Written):
    """(scalar, gradients) = forward(*inputs)."""

    def value(self, inputs: Inputs) -> Any:
        return _scalar(checked_output(_split(self.run(inputs), "(value, gradient)")[0]))

    def claim(self, inputs: Inputs, cotangent: Any) -> Claim:
        _, returned = _split(self.run(inputs), "(value, gradient)")
        return _scaled(self.normalised(returned, inputs), cotangent)


_WRITTEN: Mapping[str, type[_Written]] = {
    "pair": _Pair,
    "cached": _Cached,
    "gradient": _Gradient,
    "value-and-gradient": _ValueAndGradient,
}


def _style(thing: Any, backward: Any, style: str | None) -> str:
    if style is not None:
        if style not in STYLES:
            raise InvalidArgument(
                f"style: got {style!r}, expected one of {', '.join(STYLES)}. Do: correct it."
            )
        return style
    if backward is not None:
        return "value-and-gradient" if backward is True else "pair"
    framework = _framework(thing)
    if framework:
        return framework
    if isinstance(thing, type):
        return "factory"
    if isinstance(thing, Subject):
        return "subject"
    if callable(getattr(thing, "backward", None)):
        return "layer"
    if callable(thing):
        return "factory" if _makes_objects(thing) else "value-and-gradient"
    raise InvalidSubject(
        f"subject: got {type(thing).__name__} {repr(thing)[:40]}, expected a Subject (name, value, "
        "vjp), a function with its backward, an object with forward and backward, or a class or "
        "factory of such objects. Do: pass one of these."
    )


def _makes_objects(thing: Callable[..., Any]) -> bool:
    call = Call(thing, "factory")
    return call.parameters is not None and call.accepts(0) and not call.is_open


def _framework(thing: Any) -> str:
    """``"torch"`` or ``"jax"`` if ``thing`` is theirs; neither is imported to find out."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None:
        if isinstance(thing, torch.nn.Module):
            return "torch"
        if isinstance(thing, type) and issubclass(thing, torch.autograd.Function):
            return "torch"
    if jax is not None and type(thing).__name__ in ("custom_vjp", "custom_jvp"):
        return "jax"
    return ""


def _framework_subject(kind: str, thing: Any, options: Options, name: str | None) -> Subject:
    # Optional frameworks: their backend is imported only once a thing of theirs is at hand.
    if kind == "torch":
        from gradcheck.backends.torch_backend import torch_subject

        return torch_subject(thing, options=options, name=name)
    from gradcheck.backends.jax_backend import jax_subject

    return jax_subject(thing, options=options, name=name)


def _as_it_is(subject: Subject, options: Options) -> Subject:
    if options:
        raise InvalidArgument(
            f"options: got {', '.join(options)}, expected none: a Subject takes inputs only. "
            "Do: build the subject with its options."
        )
    return subject


def _name_of(thing: Any) -> str:
    return str(getattr(thing, "__name__", None) or getattr(thing, "name", type(thing).__name__))


def _maybe(jvp: Callable[..., Any] | None) -> tuple[Call, ...]:
    return () if jvp is None else (callable_named(jvp, "jvp"),)


def _require_options_fit(options: Options, *calls: Call) -> None:
    for option in options:
        if not any(call.takes(option) for call in calls):
            listed = " nor ".join(str(call) for call in dict.fromkeys(calls))
            raise InvalidArgument(
                f"options: got {option!r}, which neither {listed} accepts. Do: correct the name."
            )


def _require_fit(
    style: str, forward: Call, backward: Call, order: tuple[str, ...], options: Options
) -> None:
    """Refuse a backward that cannot be called with these inputs, in any style it may be of."""
    require_forward(forward, order, options)
    count = len(order)
    arguments = {"pair": (1 + count,), "cached": (2,), "": (1 + count, 2)}.get(style, ())
    if not arguments or any(backward.accepts(number, options) for number in arguments):
        return
    listed = ", ".join(("cotangent", *order))
    raise InvalidSubject(
        f"backward: got {backward}, expected backward({listed}), or backward(dout, cache) beside a "
        "forward that returns (out, cache). Do: take the cotangent and every input, or say style=."
    )


def _is_by_name(call: Call, order: tuple[str, ...]) -> bool:
    """Whether the inputs skip a parameter, or are keyword-only, and so must be named."""
    known = set(order) <= call.keywords
    return known and order != call.positional[: len(order)]


def _takes_cache(backward: Call, count: int) -> bool:
    if backward.parameters is None:
        return False
    return len(backward.required) <= 2 <= len(backward.positional) and (
        count == 1 or not backward.accepts(1 + count) or backward.positional[1] in CACHE_NAMES
    )


def _only_cached(backward: Call, count: int, options: Options) -> bool:
    return backward.positional[1] in CACHE_NAMES or not backward.accepts(1 + count, options)


def _looks_cached(returned: Any, inputs: list[Array]) -> bool:
    if not isinstance(returned, tuple) or len(returned) != 2:
        return False
    saved = returned[1]
    if not isinstance(saved, (np.ndarray, np.generic, float, int, complex)):
        return True
    return any(saved is array for array in inputs)


def _split(returned: Any, form: str = "(out, cache)") -> tuple[Any, Any]:
    if isinstance(returned, tuple) and len(returned) == 2:
        return returned
    raise InvalidSubject(
        f"forward: got {type(returned).__name__}, expected {form}. Do: return that tuple, or say "
        f"style= (one of {', '.join(STYLES)})."
    )


def _scalar(value: Any) -> Any:
    if isinstance(value, (Mapping, tuple, list)) or np.size(value) != 1:
        raise InvalidSubject(
            f"forward: got an output of shape {np.shape(value)}, expected a scalar: a gradient "
            "without a cotangent is that of a scalar function. Do: pass backward(cotangent, ...)."
        )
    return value


def _scaled(claim: Claim, cotangent: Any) -> Claim:
    factor = np.asarray(cotangent).reshape(())
    return {name: None if grad is None else grad * factor for name, grad in claim.items()}


def _push_forward(
    forward: Call, jvp: Callable[..., Any], options: Options
) -> Callable[[Inputs, Inputs], Any]:
    chosen = Call(jvp, "jvp").chosen(options)

    def push_forward(inputs: Inputs, tangents: Inputs) -> Any:
        order = in_call_order(forward, tuple(inputs))
        points, directions = (tuple(tree[name] for name in order) for tree in (inputs, tangents))
        return jvp(points, directions, **chosen)

    return push_forward
