"""One point at which relations are looked at, and the calls they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gradcheck.relations.agreement import (
    LARGE,
    epsilon,
    is_numeric,
    jittered,
    magnitude,
    same_bits,
)
from gradcheck.result import Finding, Severity
from gradcheck.subject import Subject
from gradcheck.trees import Array, Arrays, all_finite, is_differentiable, like_output, named_outputs

REFUSALS = (ValueError, TypeError, NotImplementedError, BufferError)
"""Exceptions that say "not like this": loud, and no wrong number."""

SCALE_EXPONENT = 20
"""Cotangents are mixed at scales 2**20 or 2**-20: far from 1, and exact to multiply by."""

SHRINK = 0.875
"""Factor to a second point where reversing would change nothing: exact, keeps every sign."""

SMALL_SHARE = 8
"""Inputs that can be passed for each other are one array at the second point where they are less
than an eighth of all numbers: biases, not the two sides of a difference."""

ZERO_SHARE = 4
"""Of a large mixed cotangent a quarter, in one run, is exactly zero."""

HUGE = 2.0**42
"""Beyond 4e12 a sum that should cancel leaves numbers of any size, as its terms are ordered: two
ways to compute it need not agree in anything."""

Claims = dict[str, Array | None]
T = TypeVar("T")


class Broken(Exception):
    """A call of the subject raised; carries the finding it amounts to. Never leaves this room."""

    def __init__(self, finding: Finding, error: Exception) -> None:
        super().__init__(finding.message)
        self.finding = finding
        self.error = error


def _normal(generator: np.random.Generator, like: Array) -> Array:
    numbers: Any = generator.standard_normal(like.shape)
    if like.dtype.kind == "c":
        numbers = numbers + 1j * generator.standard_normal(like.shape)
    return np.asarray(numbers)


@dataclass(slots=True)
class Scene:
    """A subject at one point: its output, one cotangent, and the gradients it claimed for it.

    Relations ask for further calls by what they mean (``second_claim``, ``repeated_output``); each
    is made once, when first asked for, and can be read by others afterwards.

    Attributes
    ----------
    subject : Subject
        Called through `value` and `vjp` only, so that a wrapper may count.
    inputs, output, cotangent
        The point, the value there as returned, and a cotangent in the structure of the output.
    claim : mapping of str to array or None
        Gradients as returned. They stay in ``returned``; ``claim`` becomes a copy, which later
        calls of a subject that reuses its buffers cannot change.
    generator : numpy.random.Generator
        Source of the second cotangent and of the layouts.
    axes : mapping of str to tuple of str
        Named axes per input, and of the output under ``"out"``; may be empty.
    outputs, cotangents : dict of str to array
        Output and cotangent by name of output.
    is_met : bool
        Whether the mixed claim was what the two plain ones make, to the last places.
    heard : list
        Warnings recorded while the relations are looked at.
    batch : str
        Name of the axis whose samples are independent, or ``""`` when none is declared.
    options : mapping
        What the subject is called with beside its inputs; looked at for mutation only.
    another : mapping, optional
        A second point of the same domain. Without one, the arrays are reversed along all axes.
    push_forward : callable, optional
        ``push_forward(inputs, tangents)``, where the subject claims a jvp as well.
    pristine : mapping of str to array, optional
        Arrays of the same bits as ``inputs``, which the subject never sees.
    renew : callable, optional
        Makes a fresh subject, where it may keep state; ``subject.renew`` if it has one.
    normal : callable, optional
        ``normal(generator, like)`` draws standard normal numbers in the shape of an array, complex
        where it is complex.
    """

    subject: Subject
    inputs: Mapping[str, Array]
    output: Any
    cotangent: Any
    claim: Mapping[str, Array | None]
    generator: np.random.Generator
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    batch: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    another: Mapping[str, Array] | None = None
    pristine: Mapping[str, Array] | None = None
    push_forward: Callable[[Mapping[str, Array], Mapping[str, Array]], Any] | None = None
    renew: Callable[[], Subject] | None = None
    normal: Callable[[np.random.Generator, Array], Array] = _normal
    returned: Mapping[str, Array | None] = field(init=False, repr=False)
    outputs: Arrays = field(init=False, repr=False)
    cotangents: Arrays = field(init=False, repr=False)
    reuses: bool = field(default=False, repr=False)
    right_at_second_point: frozenset[str] = field(default=frozenset(), repr=False)
    is_met: bool = field(default=False, repr=False)
    heard: list[Any] = field(default_factory=list, repr=False)
    memo: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.returned = as_claims(self.claim)
        self.claim = _copied(self.claim)
        self.outputs = named_outputs(self.output)
        self.cotangents = named_outputs(self.cotangent)

    @property
    def maker(self) -> Callable[[], Subject] | None:
        """What makes a fresh subject, where one can be made."""
        return self.renew or getattr(self.subject, "renew", None)

    @property
    def is_huge(self) -> bool:
        """Whether some input is so large that what rounding does cannot be measured by jitters."""
        return self.shared("is_huge", lambda: any(map(_is_huge, self.inputs.values())))

    def value(self, inputs: Mapping[str, Array], when: str) -> Any:
        """The subject's value; raises `Broken` if it raises."""
        try:
            return self.subject.value(inputs)
        except Exception as error:
            raise _broken(error, "forward", when) from error

    def vjp(self, inputs: Mapping[str, Array], cotangent: Any, when: str) -> Claims:
        """The subject's claim as arrays; raises `Broken` if it raises or claims no mapping."""
        try:
            claim = as_claims(self.subject.vjp(inputs, cotangent))
        except Exception as error:
            raise _broken(error, "backward", when) from error
        return _copied(claim) if self._is_reused(claim) else claim

    def _is_reused(self, claim: Claims) -> bool:
        """Whether backward writes its gradients into the memory it returned the first time."""
        if not self.reuses:
            firsts = self.shared("firsts", lambda: _owned(self.returned))
            self.reuses = any(
                share_memory(first, later) for later in _owned(claim) for first in firsts
            )
        return self.reuses

    def release_returned(self) -> None:
        """Let go of the gradients as they were returned, once no call can overwrite them unseen."""
        self.returned = self.claim
        self.memo["firsts"] = []

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """What ``make`` returned (or raised, if `Broken`) the first time ``key`` was asked for."""
        if key in self.memo:
            result: T | Broken = self.memo[key]
            if isinstance(result, Broken):
                raise result
            return result
        try:
            made = make()
        except Broken as broken:
            self.memo[key] = broken
            raise
        self.memo[key] = made
        return made

    @property
    def second_cotangent(self) -> Any:
        """Another random cotangent, in the structure of the output."""
        return self.shared("second_cotangent", self._draw_cotangent)

    @property
    def second_claim(self) -> Claims:
        """The claim for `second_cotangent` at the same inputs."""
        return self.shared(
            "second_claim",
            lambda: self.vjp(self.inputs, self.second_cotangent, "for a second cotangent"),
        )

    @property
    def second_inputs(self) -> Arrays:
        """A second point: given by the caller, or the same numbers in another order."""
        return self.shared("second_inputs", self._move)

    @property
    def interchangeable(self) -> tuple[str, ...]:
        """The inputs of one shape and dtype: of several such groups the largest in number.

        Of those that are as many, the one of the smallest arrays.
        """
        return self.shared("interchangeable", self._find_interchangeable)

    @property
    def tied(self) -> tuple[str, ...]:
        """The inputs that are one and the same array at the second point."""
        return self.shared("tied", self._find_tied)

    @property
    def second_output(self) -> Any:
        """The value at the second point."""
        return self.shared(
            "second_output",
            lambda: self.quietly(lambda: self.value(self.second_inputs, "at a second point")),
        )

    @property
    def second_point_claim(self) -> Claims:
        """The claim at the second point, for the first cotangent."""
        return self.shared("second_point_claim", lambda: self.quietly(self._claim_second_point))

    def _claim_second_point(self) -> Claims:
        try:
            return self.vjp(self.second_inputs, self.cotangent, "at a second point")
        except Broken:
            if not self.tied:
                raise
        self._untie()
        return self.vjp(self.second_inputs, self.cotangent, "at a second point")

    def _untie(self) -> None:
        self.release_second_point()
        self.memo.pop("second_output", None)
        self.memo["tied"] = ()

    @property
    def repeated_output(self) -> Any:
        """The value at the first point, asked for again."""
        return self.shared(
            "repeated_output", lambda: self.value(self.inputs, "the second time at one point")
        )

    @property
    def repeated_claim(self) -> Claims:
        """The claim at the first point, asked for again after a visit to the second point."""
        return self.shared("repeated_claim", self._repeat)

    def _repeat(self) -> Claims:
        if self.mixes_zeros and self.second_point_is_usable():
            # Of large arrays this is asked late, if at all: other calls have been made since.
            self.quietly(lambda: self.value(self.second_inputs, "at a second point"))
        again = self.vjp(self.inputs, self.cotangent, "the second time at one point")
        # Where it is the same to the bit, one of the two is kept.
        return {k: g if _differ(g, self.claim.get(k)) else self.claim[k] for k, g in again.items()}

    @property
    def third_claim(self) -> Claims:
        """The claim at the first point, asked for a third time."""
        return self.shared(
            "third_claim",
            lambda: self.vjp(self.inputs, self.cotangent, "the third time at one point"),
        )

    @property
    def fourth_claim(self) -> Claims:
        """The claim at the first point, asked for right after `third_claim`."""
        return self.shared(
            "fourth_claim",
            lambda: self.vjp(self.inputs, self.cotangent, "the fourth time at one point"),
        )

    def jittered_outputs(self, way: int) -> Arrays:
        """The value with every input moved by a few units in its last place."""
        return self.shared(f"jittered_outputs {way}", lambda: self._jitter_value(way))

    def jittered_claim(self, way: int) -> Claims:
        """The claim with every number moved by a few units in its last place: rounding noise."""
        return self.shared(f"jittered_claim {way}", lambda: self._jitter(way, self.cotangents))

    def jittered_second_claim(self, way: int) -> Claims:
        """The same for the second cotangent."""
        second = named_outputs(self.second_cotangent)
        return self.shared(f"jittered_second_claim {way}", lambda: self._jitter(way, second))

    @property
    def tripled_claim(self) -> Claims:
        """The claim for three times the cotangent, a multiple that rounds."""
        return self.shared("tripled_claim", lambda: self.multiple(3.0))

    def multiple(self, factor: float) -> Claims:
        """The claim for ``factor`` times the cotangent."""
        scaled = {
            name: np.asarray(factor * array, dtype=array.dtype)
            for name, array in self.cotangents.items()
        }
        return self.vjp(
            self.inputs, like_output(scaled, self.output), f"for {factor:.1e} times the cotangent"
        )

    def quietly(self, call: Callable[[], T]) -> T:
        """Call where the point is of our making: what is warned of there is nobody's fault."""
        return call() if self.another is not None else self.unheard(call)

    def unheard(self, call: Callable[[], T]) -> T:
        """Call where nothing that is warned of is noted."""
        before = len(self.heard)
        try:
            with np.errstate(all="ignore"):
                return call()
        finally:
            del self.heard[before:]

    def release_second_point(self) -> None:
        """Let go of the second point, and of the claim there: together twice the inputs."""
        for key in ("second_inputs", "second_point_claim"):
            self.memo.pop(key, None)

    def shares_one_array(self) -> bool:
        """Whether the claim at the second point is there, and for one array passed several times.

        Where such a point is refused, the second point is another.
        """
        if not self.tied or not self.second_point_is_usable():
            return False
        with suppress(Broken):
            _ = self.second_point_claim
        return bool(self.tied)

    def settle_second_point(self, right: Iterable[str]) -> None:
        """Take the claims of ``right`` at the second point for right, and let go of the point."""
        self.right_at_second_point = frozenset(right)
        self.release_second_point()

    def second_point_differs(self) -> bool:
        """Whether there is a second point at all (integers alone cannot be moved)."""
        return any(not same_bits(self.inputs[k], v) for k, v in self.second_inputs.items())

    def second_point_is_usable(self) -> bool:
        """Whether the second point is another one, accepted, and its value finite."""
        return self.shared("second_point_is_usable", self._second_point_is_usable)

    def _second_point_is_usable(self) -> bool:
        if self._is_usable():
            return True
        if not self.tied:
            return False
        self._untie()
        return self._is_usable()

    def _is_usable(self) -> bool:
        try:
            return (
                self.second_point_differs()
                and _finite(self.second_output)
                and _alike(self.output, self.second_output)
            )
        except Broken:
            return False

    @property
    def eps(self) -> float:
        """Machine epsilon of the coarsest number that takes part in a claim."""
        return self.shared("eps", self._coarsest)

    @property
    def factors(self) -> tuple[float, float]:
        """Two powers of two, tiny or huge together, by which the two cotangents are mixed."""
        return self.shared("factors", self._draw_factors)

    @property
    def scale(self) -> float:
        """How many times larger than the scene's own cotangent the mixed one is."""
        return abs(self.factors[0])

    @property
    def mixed_cotangent(self) -> Any:
        """The two cotangents, mixed by `factors`."""
        return self.shared("mixed_cotangent", lambda: self.combine(*self.factors))

    @property
    def mixes_zeros(self) -> bool:
        """Whether the mixed cotangent is zero at some entries of every output, and not at all."""
        return all(
            array.size > LARGE for array in self.cotangents.values() if is_differentiable(array)
        )

    @property
    def mixed_claim(self) -> Claims:
        """The claim for `mixed_cotangent`, in plain memory."""
        return self.shared(
            "mixed_claim",
            lambda: self.vjp(self.inputs, self.mixed_cotangent, "for a sum of two cotangents"),
        )

    @property
    def mixed_expectation(self) -> Claims:
        """What a linear vjp must give for `mixed_cotangent`."""
        return self.shared("mixed_expectation", lambda: self.expect(*self.factors))

    def combine(self, first: float, second: float) -> Any:
        """``first * cotangent + second * second_cotangent``, in the structure of the output."""
        right = named_outputs(self.second_cotangent)
        mixed = {
            name: np.asarray(first * left + second * right[name], dtype=left.dtype)
            if is_differentiable(left)
            else left
            for name, left in self.cotangents.items()
        }
        return like_output(mixed, self.output)

    def expect(self, first: float, second: float) -> Claims:
        """``first * claim + second * second_claim``, where both are numbers of one shape."""
        ones, others = numeric_claims(self.claim), numeric_claims(self.second_claim)
        with np.errstate(all="ignore"):
            return {
                name: mixture(first, grad, second, others[name])
                for name, grad in ones.items()
                if name in others and others[name].shape == grad.shape
            }

    def random_like(self, array: Array) -> Array:
        """Standard normal numbers in the shape and dtype of a float array; others unchanged."""
        if not is_differentiable(array):
            return array
        return np.asarray(self.normal(self.generator, array), dtype=array.dtype)

    def _coarsest(self) -> float:
        claims = numeric_claims(self.claim)
        return epsilon([*self.inputs.values(), *self.cotangents.values(), *claims.values()])

    def _draw_factors(self) -> tuple[float, float]:
        # float16 overflows at 2**16 and underflows at 2**-14.
        exponent = SCALE_EXPONENT if self.eps < 1e-4 else 2
        scale = 2.0 ** (exponent if self.generator.integers(2) else -exponent)
        return scale, -scale / 2

    def _draw_cotangent(self) -> Any:
        drawn = {name: self.random_like(array) for name, array in self.cotangents.items()}
        if self.mixes_zeros:
            for name, array in self.cotangents.items():
                if is_differentiable(array):
                    self._cancel_some(array, drawn[name])
        return like_output(drawn, self.output)

    def _cancel_some(self, one: Array, other: Array) -> None:
        """Choose a quarter of ``other`` so that it cancels when the two are mixed."""
        first, second = self.factors
        length = one.size // ZERO_SHARE
        start = int(self.generator.integers(one.size - length + 1))
        run = slice(start, start + length)
        other.reshape(-1)[run] = (-first / second) * one.reshape(-1)[run]

    def _move(self) -> Arrays:
        if self.another is not None:
            return {name: frozen(np.array(array)) for name, array in self.another.items()}
        moved = {name: _moved(np.asarray(array)) for name, array in self.inputs.items()}
        moved.update(dict.fromkeys(self.tied, moved[self.tied[0]]) if self.tied else {})
        return {name: frozen(array) for name, array in moved.items()}

    def _find_interchangeable(self) -> tuple[str, ...]:
        alike: dict[Any, list[str]] = {}
        for name, array in self.inputs.items():
            if is_differentiable(array):
                alike.setdefault((array.shape, array.dtype), []).append(name)
        groups = [tuple(names) for names in alike.values() if len(names) > 1]
        groups.sort(key=lambda names: (-len(names), self.inputs[names[0]].size))
        return groups[0] if groups else ()

    def _find_tied(self) -> tuple[str, ...]:
        names = self.interchangeable
        moving = [array.size for array in self.inputs.values() if is_differentiable(array)]
        tied = sum(self.inputs[name].size for name in names)
        return names if self.another is None and SMALL_SHARE * tied < sum(moving) else ()

    def _jitter_value(self, way: int) -> Arrays:
        inputs = {name: jittered(np.asarray(array), way) for name, array in self.inputs.items()}
        return named_outputs(self.value(inputs, "at inputs moved by rounding"))

    def _jitter(self, way: int, cotangents: Mapping[str, Array]) -> Claims:
        inputs = {name: jittered(np.asarray(array), way) for name, array in self.inputs.items()}
        cotangent = {name: jittered(array, way) for name, array in cotangents.items()}
        bar = like_output(cotangent, self.output)
        return self.quietly(lambda: self.vjp(inputs, bar, "at inputs moved by rounding"))


class Owned(NamedTuple):
    """An array and the one that owns its memory, ``None`` if NumPy did not allocate that."""

    array: Array
    owner: Array | None


def owned(array: Array) -> Owned:
    """The array with its owner, found once for many comparisons."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return Owned(array, owner if owner.flags.owndata else None)


def share_memory(left: Owned, right: Owned) -> bool:
    """Whether two arrays may share memory.

    >>> x = np.ones(3)
    >>> share_memory(owned(x[:2]), owned(x[1:])), share_memory(owned(x), owned(x.copy()))
    (True, False)
    """
    if left.owner is not right.owner and left.owner is not None and right.owner is not None:
        return False
    return np.may_share_memory(left.array, right.array)


def _owned(claims: Mapping[str, Array | None]) -> list[Owned]:
    return [owned(grad) for grad in claims.values() if grad is not None]


def as_claims(returned: Any) -> Claims:
    """A returned mapping of gradients as arrays, ``None`` kept.

    >>> as_claims({"x": 1.0, "labels": None})
    {'x': array(1.), 'labels': None}
    """
    if not isinstance(returned, Mapping):
        raise TypeError(f"got {type(returned).__name__}, expected a mapping of names to gradients")
    return {name: None if grad is None else np.asarray(grad) for name, grad in returned.items()}


def _is_huge(array: Array) -> bool:
    return is_differentiable(array) and magnitude(array) >= HUGE


def _differ(left: Array | None, right: Array | None) -> bool:
    if left is None or right is None:
        return left is not right
    return not same_bits(left, right)


def mixture(first: float, left: Array, second: float, right: Array) -> Array:
    """``first * left + second * right``."""
    total = np.asarray(first * left)
    if total.shape and total.dtype == right.dtype:
        total += second * right
        return total
    return np.asarray(total + second * right)


def _copied(claims: Mapping[str, Array | None]) -> Claims:
    return {name: None if grad is None else np.array(grad) for name, grad in claims.items()}


def numeric_claims(claims: Mapping[str, Array | None]) -> Arrays:
    """The gradients that are there and hold numbers."""
    return {name: g for name, g in claims.items() if g is not None and is_numeric(g)}


def raising(error: Exception, which: str, when: str = "") -> Finding:
    """The finding an exception of the subject amounts to.

    Writing into a read-only array is named for what it is.

    >>> raising(ValueError("assignment destination is read-only"), "backward").name
    'mutates-input'
    >>> raising(ZeroDivisionError("division by zero"), "forward").name
    'forward-raises'
    """
    said = f"{type(error).__name__}: {error}"
    if writes_read_only(error):
        return Finding(
            "mutates-input",
            f"{which} writes into an array it was given ({said}). Expected inputs and cotangent "
            "to stay as they are. Do: work on a copy.",
        )
    place = f", {when}" if when else ""
    wanted = "a value" if which == "forward" else "gradients"
    return Finding(
        f"{which}-raises",
        f"{which} raised {said}{place}. Expected {wanted}. Do: make it accept this call, or keep "
        "such inputs out of the check.",
    )


def writes_read_only(error: Exception) -> bool:
    """Whether an exception is NumPy's refusal to write into a read-only array."""
    return isinstance(error, ValueError) and (
        "destination is read-only" in str(error) or "output array is read-only" in str(error)
    )


def _broken(error: Exception, which: str, when: str) -> Broken:
    if type(error).__module__.split(".")[0] == "hypothesis":
        raise error  # assume() and its kind steer the run; they are no fact about the subject
    return Broken(raising(error, which, when), error)


def frozen(array: Array) -> Array:
    """The array itself, made read-only."""
    array.flags.writeable = False
    return array


def _moved(array: Array) -> Array:
    if not is_differentiable(array) or array.size == 0:
        return array.copy()
    flipped = np.flip(array).copy()
    is_same = array.item(0) == array.item(-1) and same_bits(flipped, array)
    if is_same or (_is_sorted(array) and not _sums_to_one(array)):
        return np.asarray(array * SHRINK, dtype=array.dtype)
    return flipped


def _is_sorted(array: Array) -> bool:
    # Knots and thresholds must stay in order.
    return array.ndim == 1 and array.dtype.kind == "f" and bool((array[1:] >= array[:-1]).all())


def _sums_to_one(array: Array) -> bool:
    # Probabilities and one-hot labels must keep their sum.
    return abs(float(array.sum()) - 1.0) < 1e-6


def _finite(output: Any) -> bool:
    return all(map(all_finite, named_outputs(output).values()))


def _alike(left: Any, right: Any) -> bool:
    lefts, rights = named_outputs(left), named_outputs(right)
    return lefts.keys() == rights.keys() and all(
        array.shape == rights[name].shape for name, array in lefts.items()
    )


def failure(name: str, message: str, input: str = "") -> Finding:
    """A finding that makes the verdict WRONG."""
    return Finding(name, message, Severity.FAILURE, input)


def note(name: str, message: str, input: str = "") -> Finding:
    """A finding that is only shown."""
    return Finding(name, message, Severity.NOTE, input)
