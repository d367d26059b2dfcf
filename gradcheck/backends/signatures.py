"""What a callable says about its arguments, and which call it therefore gets."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from gradcheck.errors import InvalidArgument, InvalidSubject

POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the parameters of a callable; ``None`` where nothing is."""

    parameters: tuple[Parameter, ...] | None
    positional: tuple[str, ...]
    required: tuple[str, ...]
    keywords: frozenset[str]
    keyword_only: frozenset[str]
    required_keywords: tuple[str, ...]
    is_open: bool
    takes_any_keyword: bool


def _read(function: Callable[..., Any]) -> _Known:
    try:
        known = tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return _Known(None, (), (), frozenset(), frozenset(), (), True, False)
    positional = tuple(p.name for p in known if p.kind in POSITIONAL)
    owed = [p for p in known if p.default is Parameter.empty]
    keyword_only = frozenset(p.name for p in known if p.kind is Parameter.KEYWORD_ONLY)
    by_either = (p.name for p in known if p.kind is Parameter.POSITIONAL_OR_KEYWORD)
    return _Known(
        known,
        positional,
        tuple(p.name for p in owed if p.kind in POSITIONAL),
        keyword_only.union(by_either),
        keyword_only,
        tuple(p.name for p in owed if p.kind is Parameter.KEYWORD_ONLY),
        any(p.kind is Parameter.VAR_POSITIONAL for p in known),
        any(p.kind is Parameter.VAR_KEYWORD for p in known),
    )


_read_before: WeakKeyDictionary[FunctionType, tuple[Any, _Known]] = WeakKeyDictionary()
"""A property test asks for the same functions in every example, and reading one takes longer than
a call of it. Beside the answer stands what it was read from."""


def _known(function: Callable[..., Any]) -> _Known:
    if type(function) is not FunctionType or function.__dict__:  # a wrapper, or its own signature
        return _read(function)
    source = (function.__code__, function.__defaults__, function.__kwdefaults__)
    found = _read_before.get(function)
    if found is None or not all(map(operator.is_, found[0], source)):
        found = _read_before[function] = (source, _read(function))
    return found[1]


@dataclass(frozen=True)
class Call:
    """A callable with its parameters, as far as they can be known (many C functions hide them)."""

    function: Callable[..., Any]
    role: str
    _known: _Known = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", _known(self.function))

    @property
    def parameters(self) -> tuple[Parameter, ...] | None:
        """Parameters, or None where nothing is known."""
        return self._known.parameters

    @property
    def positional(self) -> tuple[str, ...]:
        """Names of the parameters that can be passed by position."""
        return self._known.positional

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the positional parameters without a default."""
        return self._known.required

    @property
    def keywords(self) -> frozenset[str]:
        """Names that can be passed by keyword."""
        return self._known.keywords

    @property
    def keyword_only(self) -> frozenset[str]:
        """Names that can be passed by keyword only."""
        return self._known.keyword_only

    @property
    def is_open(self) -> bool:
        """Whether any number of positional arguments is accepted, or nothing is known."""
        return self._known.is_open

    @property
    def takes_any_keyword(self) -> bool:
        """Whether there is a ``**kwargs``."""
        return self._known.takes_any_keyword

    def accepts(self, number: int, options: Iterable[str] = ()) -> bool:
        """Whether ``number`` positional arguments, beside ``options`` by keyword, fit."""
        if self.is_open:
            return True
        known = self._known
        if number > len(known.positional):
            return False
        owed = (*known.required[number:], *known.required_keywords)
        return not owed or set(owed).issubset(options)

    def takes(self, option: str) -> bool:
        """Whether ``option`` can be passed by keyword."""
        return self.takes_any_keyword or option in self.keywords

    def chosen(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``options`` this callable accepts."""
        return {name: value for name, value in options.items() if self.takes(name)}

    def __str__(self) -> str:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        if self.parameters is None:
            return f"{name}(...)"
        plain = (str(p.replace(annotation=Parameter.empty)) for p in self.parameters)
        return f"{name}({', '.join(plain)})"


def callable_named(function: Any, role: str) -> Call:
    """A callable to inspect.

    Raises
    ------
    InvalidSubject
        For anything that cannot be called.
    """
    if not callable(function):
        raise InvalidSubject(
            f"{role}: got {type(function).__name__} {repr(function)[:40]}, expected a callable. "
            f"Do: pass the function itself."
        )
    return Call(function, role)


def input_names(function: Callable[..., Any], number: int) -> tuple[str, ...]:
    """Names for ``number`` inputs passed to ``function`` by position.

    Raises
    ------
    InvalidArgument
        If it takes fewer.

    Examples
    --------
    >>> input_names(lambda x, w, b: x @ w + b, 2)
    ('x', 'w')
    >>> input_names(lambda *xs: sum(xs), 2)
    ('xs0', 'xs1')
    """
    call = Call(function, "forward")
    names = call.positional[:number]
    if len(names) < number and not call.is_open:
        raise InvalidArgument(
            f"inputs: got {number} arrays, expected at most {len(names)}: {call}. "
            "Do: pass one array per parameter, options as keyword arguments."
        )
    spare = _spare_name(call)
    missing = number - len(names)
    if missing == 1 and not names:
        return (spare,)
    return (*names, *(f"{spare}{i}" for i in range(missing)))


def in_call_order(call: Call, names: Sequence[str]) -> tuple[str, ...]:
    """Input names in the order of the parameters that bear them, else in their own order.

    Raises
    ------
    InvalidArgument
        If only some of the names are parameters: then no order is safe.

    Examples
    --------
    >>> in_call_order(Call(lambda x, w: x * w, "forward"), ["w", "x"])
    ('x', 'w')
    """
    if call.parameters is None:
        return tuple(names)
    known = [name for name in call.positional if name in names]
    keyword_only = [name for name in names if name in call.keywords and name not in known]
    strangers = [name for name in names if name not in known and name not in keyword_only]
    if strangers and call.keywords.intersection(known) and not call.is_open:
        raise InvalidArgument(
            f"inputs: got the names {', '.join(names)}; {', '.join(strangers)} is no parameter of "
            f"{call}. Do: name inputs as the parameters, or pass a tuple."
        )
    return tuple(names) if strangers else (*known, *keyword_only)


def require_forward(call: Call, names: Sequence[str], options: Iterable[str]) -> None:
    """Refuse inputs that a forward cannot take.

    Raises
    ------
    InvalidArgument
    """
    positional = [name for name in names if name not in call.keyword_only]
    if not call.accepts(len(positional), {*options, *names}):
        raise InvalidArgument(
            f"inputs: got {', '.join(names) or 'none'}, but forward is {call}. "
            "Do: give every parameter without a default an input or an option."
        )


def _spare_name(call: Call) -> str:
    for parameter in call.parameters or ():
        if parameter.kind is Parameter.VAR_POSITIONAL:
            return parameter.name
    return "x"
