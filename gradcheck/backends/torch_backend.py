"""Torch functions and modules as subjects: float64 NumPy arrays at the border, tensors inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradcheck.backends.claims import checked_output
from gradcheck.backends.signatures import Call, in_call_order
from gradcheck.errors import InvalidSubject
from gradcheck.subject import Claim, FunctionSubject, Inputs
from gradcheck.trees import Array, is_differentiable

try:
    import torch
except ImportError:
    torch = None


def torch_subject(
    thing: Any, *, options: Mapping[str, Any] | None = None, name: str | None = None
) -> FunctionSubject:
    """A `torch.autograd.Function`, a `torch.nn.Module` or a callable of tensors as a subject.

    Parameters
    ----------
    thing : class, module or callable
        Inputs are given to it in the order of its parameters. For a module, inputs named as its
        parameters (``"weight"``, ``"0.bias"``) replace them.
    options : mapping, optional
        Passed by keyword; to a `torch.autograd.Function`, which takes none, after the inputs.
    name : str, optional
        Shown in reports.

    Raises
    ------
    InvalidSubject
        Where torch is not installed.

    Notes
    -----
    The claim is what torch's engine makes of the backward: it sums gradients over broadcast axes
    and casts them before they can be seen here.
    """
    if torch is None:
        raise InvalidSubject(
            "torch: got no such package, expected it for a torch function. "
            "Do: pip install 'gradcheck[bench]', or pip install torch."
        )
    given = dict(options or {})
    if isinstance(thing, torch.nn.Module):
        work: _Torch = _Module(thing, given)
    elif isinstance(thing, type) and issubclass(thing, torch.autograd.Function):
        work = _Function(thing, given)
    else:
        work = _Torch(thing, given)
    label = name or str(getattr(thing, "__name__", type(thing).__name__))
    return FunctionSubject(label, work.value, work.claim)


class _Torch:
    """A callable of tensors."""

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self.function, self.options = function, options

    def call(self, tensors: Mapping[str, Any]) -> Any:
        order = in_call_order(Call(self.function, "forward"), tuple(tensors))
        return self.function(*(tensors[key] for key in order), **self.options)

    def value(self, inputs: Inputs) -> Any:
        with torch.no_grad():
            return checked_output(_mapped(_as_array, self.call(_tensors(inputs))))

    def claim(self, inputs: Inputs, cotangent: Any) -> Claim:
        tensors = _tensors(inputs)
        output = self.call(tensors)
        wanted = {key: t for key, t in tensors.items() if t.requires_grad}
        outputs, cotangents = _tensor_pairs(output, cotangent)
        if not outputs:
            return dict.fromkeys(inputs)
        found = torch.autograd.grad(outputs, list(wanted.values()), cotangents, allow_unused=True)
        grads = dict(zip(wanted, found, strict=True))
        return {key: _gradient(grads.get(key), key in wanted, inputs[key]) for key in inputs}


class _Function(_Torch):
    """``Function.apply``, which takes positional arguments only."""

    def __init__(self, function: Any, options: Mapping[str, Any]) -> None:
        super().__init__(function.apply, options)
        forward = Call(function.forward, "forward")
        self.names = [key for key in forward.positional if key != "ctx"]

    def call(self, tensors: Mapping[str, Any]) -> Any:
        given = {**tensors, **self.options}
        order = (
            [key for key in self.names if key in given] if set(given) <= set(self.names) else given
        )
        return self.function(*(given[key] for key in order))


class _Module(_Torch):
    """A module; inputs named as its parameters stand in for them."""

    def call(self, tensors: Mapping[str, Any]) -> Any:
        module: Any = self.function
        own = dict(module.named_parameters())
        parameters = {key: tensor for key, tensor in tensors.items() if key in own}
        rest = {key: tensor for key, tensor in tensors.items() if key not in own}
        order = in_call_order(Call(module.forward, "forward"), tuple(rest))
        arguments = tuple(rest[key] for key in order)
        wide = {key: parameters.get(key, _widened(value, rest)) for key, value in own.items()}
        return torch.func.functional_call(module, wide, arguments, dict(self.options))


def _widened(parameter: Any, inputs: Mapping[str, Any]) -> Any:
    # A module made in float32 must not meet float64 inputs half-way.
    wide = any(tensor.dtype == torch.float64 for tensor in inputs.values())
    return parameter.double() if wide and parameter.is_floating_point() else parameter


def _tensors(inputs: Inputs) -> dict[str, Any]:
    return {key: _tensor(np.asarray(array)) for key, array in inputs.items()}


def _tensor(array: Array) -> Any:
    tensor = _laid_out(array)
    return tensor.requires_grad_() if is_differentiable(array) else tensor


def _laid_out(array: Array) -> Any:
    """A copy with the strides of the array, as far as torch has such (it has no negative ones)."""
    plain = torch.from_numpy(np.array(array, order="C", copy=True))
    strides = [abs(stride) // array.itemsize for stride in array.strides]
    if 0 in strides or array.size < 2 or plain.stride() == tuple(strides):
        return plain
    return torch.empty_strided(plain.shape, strides, dtype=plain.dtype).copy_(plain)


def _as_array(tensor: Any) -> Any:
    return tensor.detach().cpu().resolve_conj().numpy() if torch.is_tensor(tensor) else tensor


def _mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: function(value) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        return tuple(function(value) for value in tree)
    return function(tree)


def _tensor_pairs(output: Any, cotangent: Any) -> tuple[list[Any], list[Any]]:
    if isinstance(output, Mapping):
        pairs = [(value, cotangent[key]) for key, value in output.items()]
    elif isinstance(output, (tuple, list)):
        pairs = list(zip(output, cotangent, strict=True))
    else:
        pairs = [(output, cotangent)]
    live = [(out, bar) for out, bar in pairs if torch.is_tensor(out) and out.requires_grad]
    return [out for out, _ in live], [_like(bar, out) for out, bar in live]


def _like(cotangent: Any, output: Any) -> Any:
    return _laid_out(np.asarray(cotangent)).to(output.dtype).reshape(output.shape)


def _gradient(grad: Any, wanted: bool, array: Array) -> Array | None:
    if grad is None:
        return np.zeros_like(array) if wanted else None
    found: Array = _as_array(grad)
    return found
