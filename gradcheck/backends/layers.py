"""Objects with forward and backward, and factories that make them, as subjects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradcheck.backends.claims import checked_output, normalise_claim, spelled
from gradcheck.backends.signatures import Call, callable_named, in_call_order, require_forward
from gradcheck.errors import InvalidArgument, InvalidSubject
from gradcheck.subject import Claim, FunctionSubject, Inputs
from gradcheck.trees import Array, Arrays, is_differentiable

PARAMETER_DICTS = ("params", "parameters", "weights")
"""Attributes that may hold a layer's parameters by name."""

GRADIENT_DICTS = ("grads", "gradients", "grad", "dparams", "d_params")
"""Attributes that may hold the gradients by name of parameter."""

RESETS = ("zero_grad", "zero_grads", "zero_gradients", "reset_gradients", "clear_grads")
"""Methods that empty accumulated gradients, as a training loop would before each backward."""

HELD = ("data", "value")
"""Attributes in which a parameter object, one with its own ``.grad``, keeps its numbers."""


def layer_subject(
    layer: Any,
    *,
    options: Mapping[str, Any] | None = None,
    gradients: Mapping[str, str] | None = None,
    name: str = "",
    renew: Callable[[], FunctionSubject] | None = None,
) -> FunctionSubject:
    """A layer object as a subject.

    Inputs named as parameters of ``forward`` are passed to it. Every other input must be a
    parameter of the layer: an attribute, or an entry of its ``params`` dict. It is set before the
    forward, and what the layer held before is put back afterwards. Gradients of parameters are what
    ``backward`` returns beside those of the arguments (in the order in which the layer lists its
    parameters), or else are read from the entry or attribute
    that spells them (``dw``, ``grad_w``, ``w_grad``, ``w.grad``, ``grads["w"]`` …). A ``backward``
    without arguments is that of a scalar output: its gradients are for the cotangent 1.

    Raises
    ------
    InvalidSubject
        Without callable ``forward`` (or ``__call__``) and ``backward``.
    """
    work = _Layer(layer, dict(options or {}), dict(gradients or {}))
    label = name or type(layer).__name__
    return FunctionSubject(label, work.value, work.claim, renew=renew)


def factory_subject(
    factory: Callable[..., Any],
    *,
    options: Mapping[str, Any] | None = None,
    gradients: Mapping[str, str] | None = None,
    name: str = "",
) -> FunctionSubject:
    """A class or function that makes layer objects, as a subject.

    Options that the factory accepts go to it, the others to forward and backward. Inputs named as
    parameters of the factory are passed to it too, and then an object is made for every call;
    otherwise one object serves all calls, and ``renew`` makes another.

    Raises
    ------
    InvalidSubject
        If what it makes has no forward and backward.
    """
    given = dict(options or {})
    maker = callable_named(factory, "factory")
    own = {key: value for key, value in given.items() if key in maker.keywords}
    rest = {key: value for key, value in given.items() if key not in own}
    label = name or getattr(factory, "__name__", type(factory).__name__)
    if not maker.accepts(0, own):
        built = _Built(maker, own, rest, dict(gradients or {}))
        return FunctionSubject(label, built.value, built.claim)

    def make() -> FunctionSubject:
        made = factory(**own)
        return layer_subject(made, options=rest, gradients=gradients, name=label, renew=make)

    return make()


class _Built:
    """Layers made anew for each call, from those inputs that the factory takes."""

    def __init__(
        self, maker: Call, own: Mapping[str, Any], rest: Mapping[str, Any], held: dict[str, str]
    ) -> None:
        self.maker, self.own, self.rest, self.held = maker, own, rest, held

    def build(self, inputs: Inputs) -> _Layer:
        arrays = {key: value for key, value in inputs.items() if key in self.maker.keywords}
        missing = [k for k in self.maker.required if k not in arrays and k not in self.own]
        if missing:
            raise InvalidArgument(
                f"inputs: got {', '.join(inputs)}, but the factory is {self.maker}. "
                f"Do: give {', '.join(missing)} as an input or an option."
            )
        return _Layer(self.maker.function(**arrays, **self.own), dict(self.rest), self.held, arrays)

    def value(self, inputs: Inputs) -> Any:
        return self.build(inputs).value(inputs)

    def claim(self, inputs: Inputs, cotangent: Any) -> Claim:
        return self.build(inputs).claim(inputs, cotangent)


class _Layer:
    """One layer object: which inputs are arguments, which parameters, and where gradients lie."""

    def __init__(
        self,
        layer: Any,
        options: Mapping[str, Any],
        gradients: dict[str, str],
        built_in: Inputs | None = None,
    ) -> None:
        self.layer, self.gradients, self.built_in = layer, gradients, built_in or {}
        self.forward = callable_named(getattr(layer, "forward", layer), "forward")
        self.backward = callable_named(getattr(layer, "backward", None), "backward")
        for option in options:
            if not (self.forward.takes(option) or self.backward.takes(option)):
                raise InvalidArgument(
                    f"options: got {option!r}, which neither {self.forward} nor {self.backward} "
                    "accepts. Do: correct the name."
                )
        self.forward_options = self.forward.chosen(options)
        self.backward_options = self.backward.chosen(options)

    def value(self, inputs: Inputs) -> Any:
        with self.holding(inputs):
            return checked_output(self.run(inputs))

    def claim(self, inputs: Inputs, cotangent: Any) -> Claim:
        with self.holding(inputs):
            self.run(inputs)
            self.empty_gradients()
            returned = self.pull_back(cotangent)
            claim = self.collect(inputs, returned)
        if self.backward.accepts(1, self.backward_options):
            return claim
        factor = np.asarray(cotangent).reshape(())
        return {key: None if grad is None else grad * factor for key, grad in claim.items()}

    def arguments(self, inputs: Inputs) -> tuple[str, ...]:
        """Names of the inputs that are arguments of forward, in its order."""
        names = [key for key in inputs if key in self.forward.keywords]
        if not names:  # forward(*xs), or parameters of other names: all that are no parameters
            names = [key for key in inputs if not self.is_parameter(key)]
        return in_call_order(self.forward, names)

    def run(self, inputs: Inputs) -> Any:
        names = self.arguments(inputs)
        require_forward(self.forward, names, self.forward_options)
        return self.forward.function(*(inputs[key] for key in names), **self.forward_options)

    def pull_back(self, cotangent: Any) -> Any:
        if self.backward.accepts(1, self.backward_options):
            return self.backward.function(cotangent, **self.backward_options)
        if self.backward.accepts(0, self.backward_options):
            return self.backward.function(**self.backward_options)
        raise InvalidSubject(
            f"backward: got {self.backward}, expected backward(cotangent). Do: keep in the layer "
            "what else it needs, or pass a pair of functions."
        )

    def empty_gradients(self) -> None:
        for reset in RESETS:
            if callable(getattr(self.layer, reset, None)):
                getattr(self.layer, reset)()
                return

    def is_parameter(self, name: str) -> bool:
        """Whether the layer holds ``name``, so that it can be set."""
        return (
            name in self.built_in
            or self.parameter_dict(name) is not None
            or hasattr(self.layer, name)
        )

    def parameter_dict(self, name: str) -> Any:
        for attribute in PARAMETER_DICTS:
            held = getattr(self.layer, attribute, None)
            if isinstance(held, dict) and name in held:
                return held
        return None

    @contextmanager
    def holding(self, inputs: Inputs) -> Iterator[None]:
        """The layer with its parameters set to the inputs; what it held before comes back."""
        arguments = self.arguments(inputs)
        names = [key for key in inputs if key not in arguments and key not in self.built_in]
        before = [(name, self.exchange(name, inputs[name])) for name in names]
        try:
            yield
        finally:
            for name, held in before:
                self.exchange(name, held)

    def exchange(self, name: str, value: Any) -> Any:
        """Set a parameter; returns what was there."""
        held = self.parameter_dict(name)
        if held is not None:
            before, held[name] = held[name], value
            return before
        if not hasattr(self.layer, name):
            raise InvalidArgument(
                f"inputs: got {name}, which is no argument of {self.forward} and no attribute or "
                f"params entry of {type(self.layer).__name__}. Do: correct the name."
            )
        current = getattr(self.layer, name)
        target, attribute = _holder(current, self.layer, name)
        before = getattr(target, attribute)
        setattr(target, attribute, value)
        return before

    def collect(self, inputs: Inputs, returned: Any) -> Claim:
        """Gradients of arguments and parameters, from what was returned and what is held."""
        arguments = self.arguments(inputs)
        others = self.in_own_order([key for key in inputs if key not in arguments])
        ordered = {key: inputs[key] for key in (*arguments, *others)}
        if _gives_all(returned, ordered, arguments):
            claim = normalise_claim(returned, ordered)
        else:
            claim = normalise_claim(returned, {key: inputs[key] for key in arguments})
            claim |= {key: self.held_gradient(key, inputs[key]) for key in others}
        return {key: claim[key] for key in inputs}

    def in_own_order(self, parameters: list[str]) -> list[str]:
        """Parameters in the order in which the layer lists them: that of gradients returned."""
        listed = list(_attributes(self.layer))
        for attribute in PARAMETER_DICTS:
            held = getattr(self.layer, attribute, None)
            listed += list(held) if isinstance(held, dict) else []
        known = [key for key in listed if key in parameters]
        return known if len(known) == len(parameters) else parameters

    def held_gradient(self, name: str, parameter: Array) -> Array | None:
        """A copy of the gradient the layer holds: its buffer is its own."""
        found = self.find_gradient(name)
        if found is None:
            if not is_differentiable(parameter):
                return None
            raise InvalidSubject(
                f"backward: got no gradient of {name} from {type(self.layer).__name__}, expected "
                f"an attribute or entry like d{name}, grad_{name}, {name}.grad or grads[{name!r}]. "
                f"Do: say where it is, gradients={{{name!r}: 'attribute'}}."
            )
        return np.array(normalise_claim((found,), {name: parameter})[name])

    def find_gradient(self, name: str) -> Any:
        if name in self.gradients:
            return _follow(self.layer, self.gradients[name])
        for attribute in GRADIENT_DICTS:
            held = getattr(self.layer, attribute, None)
            key = spelled(name, held) if isinstance(held, Mapping) else None
            if key is not None and isinstance(held, Mapping):
                return held[key]
        grad = getattr(getattr(self.layer, name, None), "grad", None)
        if grad is not None:
            return grad
        key = spelled(name, [k for k in _attributes(self.layer) if k != name])
        return None if key is None else getattr(self.layer, key)


def _gives_all(returned: Any, inputs: Arrays, arguments: tuple[str, ...]) -> bool:
    """Whether what backward returned covers the parameters too."""
    if isinstance(returned, Mapping):
        return any(spelled(k, returned) is not None for k in inputs if k not in arguments)
    return isinstance(returned, tuple) and len(returned) != len(arguments)


def _holder(current: Any, layer: Any, name: str) -> tuple[Any, str]:
    """The object and attribute that hold a parameter's numbers."""
    if not isinstance(current, np.ndarray) and hasattr(current, "grad"):
        for attribute in HELD:
            if hasattr(current, attribute):
                return current, attribute
    return layer, name


def _follow(layer: Any, path: str) -> Any:
    found = layer
    for attribute in path.split("."):
        found = found[attribute] if isinstance(found, Mapping) else getattr(found, attribute, None)
    return found


def _attributes(layer: Any) -> list[str]:
    return [*getattr(layer, "__dict__", ()), *getattr(type(layer), "__slots__", ())]
