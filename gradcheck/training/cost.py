"""The objective of a training loop as the harness calls it: named arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradcheck.errors import InvalidArgument
from gradcheck.oracles.noise import noise_level
from gradcheck.subject import Subject
from gradcheck.trees import Array, Arrays, inner_product, is_differentiable

Pair = Callable[[Mapping[str, Array]], tuple[Any, Mapping[str, Any]]]
"""``objective(parameters) -> (loss, gradients)``, both mappings keyed by parameter name."""

Objective = Pair | Subject
"""Or a subject whose inputs are the parameters, and whose value is the loss."""


REFUSALS = (ArithmeticError, ValueError)
"""What an objective may raise at a point that the harness chose: ``math.exp`` overflows."""


class Cost:
    """An objective and the calls made to it.

    Every call gets fresh copies, so that an objective that writes into its arguments does no harm,
    and runs with floating-point warnings off: probing walks into overflow on purpose.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = as_pair(objective)
        self.calls = 0

    def __call__(self, parameters: Mapping[str, Array]) -> tuple[float, Arrays]:
        """Loss and claimed gradients, each in the shape of its parameter."""
        self.calls += 1
        with np.errstate(all="ignore"):
            answer = self.objective(copied(parameters))
        loss, gradients = _pair(answer)
        return float(loss), _complete(gradients, parameters)

    def value(self, parameters: Mapping[str, Array]) -> float:
        """Loss only."""
        return self(parameters)[0]

    def probe(self, parameters: Mapping[str, Array]) -> float:
        """Loss where no training has been: nan where the objective refuses to go."""
        try:
            return self.value(parameters)
        except REFUSALS:
            return float("nan")

    def noise(self, parameters: Mapping[str, Array], direction: Mapping[str, Array]) -> float:
        """Bound on the rounding noise of the loss around a point: measured, and the last place."""
        here = self.value(parameters)
        level = noise_level(lambda t: self.probe(moved(parameters, direction, t)) - here)
        return 4 * level + 4 * coarsest_eps(parameters) * abs(here)


def is_objective(given: Any) -> bool:
    """Whether something can be asked for a loss and its gradients."""
    return callable(given) or isinstance(given, Subject)


def as_pair(objective: Objective) -> Pair:
    """The objective as a function that returns a loss and its gradients.

    >>> from gradcheck.subject import FunctionSubject
    >>> square = lambda p: p["w"] @ p["w"]
    >>> bowl = FunctionSubject("bowl", square, lambda p, u: {"w": 2 * u * p["w"]})
    >>> as_pair(bowl)({"w": np.array([3.0])})
    (np.float64(9.0), {'w': array([6.])})
    """
    if callable(objective):
        return objective
    return lambda parameters: (
        objective.value(parameters),
        objective.vjp(parameters, np.ones(())),
    )


def copied(parameters: Mapping[str, Any]) -> Arrays:
    """Independent arrays of the same names and dtypes."""
    return {str(name): np.array(value) for name, value in parameters.items()}


def moved(parameters: Mapping[str, Array], direction: Mapping[str, Array], step: float) -> Arrays:
    """``parameters + step * direction``, each in its own dtype.

    >>> moved({"w": np.ones(2, np.float32)}, {"w": np.array([1.0, 0.0])}, 0.5)["w"]
    array([1.5, 1. ], dtype=float32)
    """
    with np.errstate(all="ignore"):
        return {
            name: (array + step * direction[name]).astype(array.dtype)
            if is_differentiable(array)
            else array
            for name, array in parameters.items()
        }


def displacement(before: Mapping[str, Array], after: Mapping[str, Array]) -> Arrays:
    """What an update added to each float parameter, in float64 or wider."""
    with np.errstate(all="ignore"):
        return {
            name: np.asarray(after[name], dtype=np.result_type(array, np.float64)) - array
            for name, array in before.items()
            if is_differentiable(array)
        }


def norm(tree: Mapping[str, Array]) -> float:
    """Euclidean norm of all arrays together, without overflow.

    >>> norm({"w": np.array([2.0**700]), "b": np.array([2.0**700])}) == 2.0**700.5
    True
    """
    scale = max((float(np.max(np.abs(array), initial=0.0)) for array in tree.values()), default=0.0)
    if scale == 0 or not np.isfinite(scale):
        return scale
    return scale * float(np.sqrt(sum(inner_product(a / scale, a / scale) for a in tree.values())))


def float_arrays(parameters: Mapping[str, Array]) -> Arrays:
    """The parameters that a gradient can move."""
    return {name: array for name, array in parameters.items() if is_differentiable(array)}


def all_finite(tree: Mapping[str, Array]) -> bool:
    """Whether every entry of every float array is finite."""
    return all(bool(np.all(np.isfinite(a))) for a in tree.values() if is_differentiable(a))


def coarsest_eps(parameters: Mapping[str, Array]) -> float:
    """Relative spacing of the least precise float dtype among the parameters.

    >>> coarsest_eps({"w": np.ones(1, np.float32)})
    1.1920928955078125e-07
    """
    spacings = [float(np.finfo(a.dtype).eps) for a in parameters.values() if is_differentiable(a)]
    return max(spacings, default=float(np.finfo(np.float64).eps))


def _pair(answer: Any) -> tuple[Any, Mapping[str, Any]]:
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping):
        if np.shape(answer[0]) == ():
            return answer[0], answer[1]
        got = f"a loss of shape {np.shape(answer[0])}"
    else:
        got = f"{type(answer).__name__}"
    raise InvalidArgument(
        f"objective: got {got}; expected (loss, gradients), a number and a mapping with one "
        "array per parameter name"
    )


def _require_known_names(gradients: Mapping[str, Any], parameters: Mapping[str, Array]) -> None:
    # More gradients than parameters shown are fine, and so are fewer: both at once is a typo.
    unknown = sorted(map(str, set(gradients) - set(parameters)))
    missing = sorted(set(float_arrays(parameters)) - set(gradients))
    if unknown and missing:
        raise InvalidArgument(
            f"objective: got gradients for {', '.join(unknown)}, and none for "
            f"{', '.join(missing)}; expected the names of the parameters"
        )


def _complete(gradients: Mapping[str, Any], parameters: Mapping[str, Array]) -> Arrays:
    # A parameter without an entry (or with None) claims a zero gradient: the check will say so.
    _require_known_names(gradients, parameters)
    complete = {}
    for name, array in parameters.items():
        claim = gradients.get(name)
        gradient = np.zeros(array.shape) if claim is None else np.asarray(claim)
        if gradient.shape != array.shape:
            raise InvalidArgument(
                f"objective: got a gradient of shape {gradient.shape} for parameter {name!r}; "
                f"expected {array.shape}"
            )
        complete[name] = gradient
    return complete
