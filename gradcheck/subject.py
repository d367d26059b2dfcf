"""What gradcheck needs to know of a function: its value and its claimed derivative, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from gradcheck.trees import Array

Inputs = Mapping[str, Array]
Claim = Mapping[str, Any]


@runtime_checkable
class Subject(Protocol):
    """A differentiable function of named arrays with a claimed derivative.

    Satisfied by shape, not by inheritance. ``value`` returns an array, or a tuple or mapping of
    arrays; the cotangent has the structure of the value. ``vjp`` returns one gradient per input
    name, ``None`` for an input that has no gradient.
    """

    @property
    def name(self) -> str: ...

    def value(self, inputs: Inputs) -> Any: ...

    def vjp(self, inputs: Inputs, cotangent: Any) -> Claim: ...


@runtime_checkable
class TangentSubject(Protocol):
    """A function whose claim is forward-mode: the tangent of the output."""

    @property
    def name(self) -> str: ...

    def value(self, inputs: Inputs) -> Any: ...

    def jvp(self, inputs: Inputs, tangents: Inputs) -> Any: ...


@dataclass(frozen=True, slots=True)
class LayerCall:
    """One layer of a layered model at the activations and cotangent that flow through it."""

    name: str
    subject: Subject
    inputs: Inputs
    cotangent: Any


@runtime_checkable
class LayeredSubject(Protocol):
    """A subject that can show its layers, first to last, as they are called at ``inputs``."""

    def layers(self, inputs: Inputs, cotangent: Any) -> Sequence[LayerCall]: ...


@dataclass(frozen=True, slots=True)
class FunctionSubject:
    """The plain subject: callables of named arrays.

    Attributes
    ----------
    name : str
        Shown in reports.
    evaluate : callable
        ``evaluate(inputs) -> output``.
    pull_back : callable, optional
        ``pull_back(inputs, cotangent) -> {name: gradient or None}``.
    push_forward : callable, optional
        ``push_forward(inputs, tangents) -> tangent of the output``.
    renew : callable, optional
        Returns a fresh subject; for stateful objects, so that stale caches can be told from
        right answers.
    stateful : bool
        Whether ``pull_back`` reads a cache that ``evaluate`` wrote: then the value is computed
        before every pull-back.
    vectorized : bool
        Whether ``evaluate`` broadcasts over leading axes of all its inputs.
    """

    name: str
    evaluate: Callable[[Inputs], Any]
    pull_back: Callable[[Inputs, Any], Claim] | None = None
    push_forward: Callable[[Inputs, Inputs], Any] | None = None
    renew: Callable[[], FunctionSubject] | None = None
    stateful: bool = False
    vectorized: bool = False
    call: str = field(default="", compare=False)

    def value(self, inputs: Inputs) -> Any:
        return self.evaluate(inputs)

    def vjp(self, inputs: Inputs, cotangent: Any) -> Claim:
        if self.pull_back is None:
            raise TypeError(f"{self.name} claims no vjp")
        if self.stateful:
            self.evaluate(inputs)
        return self.pull_back(inputs, cotangent)

    def jvp(self, inputs: Inputs, tangents: Inputs) -> Any:
        if self.push_forward is None:
            raise TypeError(f"{self.name} claims no jvp")
        return self.push_forward(inputs, tangents)
