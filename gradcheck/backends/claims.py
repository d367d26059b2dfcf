"""What goes in and what comes back, as named arrays, or a typed error that says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.backends.signatures import input_names
from gradcheck.errors import InvalidArgument, InvalidSubject
from gradcheck.trees import Array, Arrays, is_differentiable

SPELLINGS = ("{}", "d{}", "d_{}", "grad_{}", "{}_grad", "{}_bar", "g_{}", "grad{}", "d{}s")
"""How people call the gradient of ``{}``, commonest first."""


def named_inputs(inputs: Any, names: Any = None) -> Arrays:
    """Inputs by name, as numeric arrays, at least one of them float; nothing is copied.

    Parameters
    ----------
    inputs : tuple or mapping of array_like
        One entry per input.
    names : sequence of str, callable, pair of callables or layer object, optional
        Names for a tuple; of a callable, the first of a pair, or the ``forward`` of an object, the
        names of its parameters. Without them ``x0, x1, …``.

    Raises
    ------
    InvalidArgument

    Examples
    --------
    >>> named_inputs((np.ones(1), 2.0), lambda x, w: x * w)
    {'x': array([1.]), 'w': array(2.)}
    """
    if isinstance(inputs, Mapping):
        _require_string_names(inputs)
        pairs = list(inputs.items())
    elif isinstance(inputs, tuple):
        pairs = list(zip(_tuple_names(inputs, names), inputs, strict=True))
    else:
        raise InvalidArgument(
            f"inputs: got {_described(inputs)}, expected a tuple or a mapping of arrays. "
            "Do: pass (x,) for one input, or {'x': x}."
        )
    arrays = {name: _numeric(name, value) for name, value in pairs}
    if not any(is_differentiable(array) for array in arrays.values()):
        kinds = ", ".join(f"{name}: {array.dtype}" for name, array in arrays.items()) or "no input"
        raise InvalidArgument(
            f"inputs: got {kinds}; expected at least one float or complex array, or there is "
            "nothing to differentiate. Do: pass floats (np.asarray(x, float))."
        )
    return arrays


def normalise_claim(
    returned: Any, inputs: Mapping[str, Any] | Sequence[str]
) -> dict[str, Array | None]:
    """What a backward returned, as one gradient or None per input name.

    Parameters
    ----------
    returned : array, tuple or mapping of array
        One gradient per input, ``None`` for an input without one. A single input's gradient may
        be returned bare. Where there are integer inputs, the gradients of the float ones suffice.
        A mapping may spell the gradient of ``w`` ``w``, ``dw``, ``d_w``, ``grad_w``, ``w_grad`` …
    inputs : mapping of str to array, or sequence of str
        Names, in the order of the gradients; arrays tell which are float.

    Raises
    ------
    InvalidSubject
        For nothing, a list, a scalar, another number of gradients, or other names.

    Examples
    --------
    >>> normalise_claim(np.ones(1), ["x"])
    {'x': array([1.])}
    >>> normalise_claim({"dw": np.ones(1), "x": None}, ["x", "w"])
    {'x': None, 'w': array([1.])}
    """
    names = list(inputs)
    if type(returned) is tuple and len(returned) == len(names):
        return {n: _gradient(n, g, inputs) for n, g in zip(names, returned, strict=True)}
    if isinstance(returned, Mapping):
        return _from_mapping(returned, inputs, names)
    if isinstance(returned, tuple):
        return _from_tuple(returned, inputs, names)
    if returned is None or isinstance(returned, list):
        raise InvalidSubject(
            f"backward: got {_described(returned)}, expected {_wanted(names)}. "
            "Do: return a tuple of arrays (None for an input without a gradient)."
        )
    return _from_tuple((returned,), inputs, names)


def checked_output(value: Any) -> Any:
    """The value as it is, if it is numeric.

    Raises
    ------
    InvalidSubject
        For None, text, objects or an empty structure.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "fciub":
        return value
    parts = value.values() if isinstance(value, Mapping) else value
    if not isinstance(value, (Mapping, tuple, list)):
        parts = (value,)
    if not parts or any(not _is_number_array(part) for part in parts):
        raise InvalidSubject(
            f"forward: got {_described(value)}, expected an array of numbers, or a tuple or "
            "mapping of them. Do: return the output as a NumPy array."
        )
    return value


def spelled(name: str, available: Iterable[Any]) -> Any:
    """The key among ``available`` that spells the gradient of ``name``, or None.

    >>> spelled("w", ["dx", "dw"])
    'dw'
    """
    keys = list(available)
    for wanted in (spelling.format(name) for spelling in SPELLINGS):
        if wanted in keys:
            return wanted
    folded = {str(key).lower(): key for key in keys}
    for wanted in (spelling.format(name).lower() for spelling in SPELLINGS):
        if wanted in folded:
            return folded[wanted]
    return None


def _require_string_names(inputs: Mapping[Any, Any]) -> None:
    odd = [name for name in inputs if not isinstance(name, str)]
    if odd:
        raise InvalidArgument(
            f"inputs: got the name {odd[0]!r}, expected strings. Do: name every input."
        )


def _tuple_names(inputs: tuple[Any, ...], names: Any) -> Sequence[str]:
    forward = names[0] if isinstance(names, tuple) and names else names
    forward = getattr(forward, "forward", forward)
    if callable(forward):
        return input_names(forward, len(inputs))
    if not isinstance(names, (list, tuple)):
        return [f"x{i}" for i in range(len(inputs))]
    if len(names) != len(inputs):
        raise InvalidArgument(
            f"inputs: got {len(inputs)} arrays, expected {len(names)} ({', '.join(names)}). "
            "Do: pass one array per name."
        )
    return names


def _numeric(name: str, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            f"inputs: {name}: got {_described(value)}, expected a numeric array ({error}). "
            "Do: give it one shape and one dtype."
        ) from error
    if array.dtype.kind not in "fciub":
        raise InvalidArgument(
            f"inputs: {name}: got {_described(value)} of dtype {array.dtype}, expected numbers. "
            "Do: convert it (np.asarray(x, float))."
        )
    return array


def _is_number_array(value: Any) -> bool:
    if value is None:
        return False
    try:
        return np.asarray(value).dtype.kind in "fciub"
    except (TypeError, ValueError):
        return False


def _from_mapping(
    returned: Mapping[Any, Any], inputs: Mapping[str, Any] | Sequence[str], names: list[str]
) -> dict[str, Array | None]:
    keys = {name: spelled(name, returned) for name in names}
    found = [key for key in keys.values() if key is not None]
    missing = [n for n, key in keys.items() if key is None and not _may_lack(inputs, n)]
    unknown = [key for key in returned if key not in found]
    if missing or unknown:
        raise InvalidSubject(
            f"backward: got gradients named {', '.join(map(str, returned)) or '(none)'}; expected "
            f"{', '.join(names)}. Do: return one per input, None for an input without a gradient."
        )
    return {
        name: None if key is None else _gradient(name, returned[key], inputs)
        for name, key in keys.items()
    }


def _from_tuple(
    returned: tuple[Any, ...], inputs: Mapping[str, Any] | Sequence[str], names: list[str]
) -> dict[str, Array | None]:
    owed = names
    if len(returned) != len(names):
        owed = [name for name in names if not _may_lack(inputs, name)]
    if len(returned) != len(owed):
        raise InvalidSubject(
            f"backward: got {_counted(len(returned), 'gradient')}, expected {_wanted(names)}. "
            "Do: return one per input, in that order, None for an input without a gradient."
        )
    grads = dict(zip(owed, returned, strict=True))
    return {name: _gradient(name, grads.get(name), inputs) for name in names}


def _may_lack(inputs: Mapping[str, Any] | Sequence[str], name: str) -> bool:
    return isinstance(inputs, Mapping) and not is_differentiable(np.asarray(inputs[name]))


def _gradient(name: str, grad: Any, inputs: Mapping[str, Any] | Sequence[str]) -> Array | None:
    if grad is None or type(grad) is np.ndarray:
        return grad
    if isinstance(grad, (np.ndarray, np.generic)):
        return np.asarray(grad)
    scalar = isinstance(grad, (bool, int, float, complex))
    is_0d = isinstance(inputs, Mapping) and np.ndim(inputs[name]) == 0
    if hasattr(grad, "__array__") or (scalar and is_0d):
        return np.asarray(grad)
    raise InvalidSubject(
        f"backward: got {_described(grad)} as the gradient of {name}, expected an array of the "
        "shape of the input. Do: return a NumPy array."
    )


def _wanted(names: list[str]) -> str:
    return f"{_counted(len(names), 'gradient')} ({', '.join(names)})"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _described(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    shown = repr(value)
    return f"{type(value).__name__} {shown if len(shown) <= 40 else shown[:37] + '...'}"
