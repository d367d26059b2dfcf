"""One number between claim and estimate: the sign, a factor of two, a mean instead of a sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gradcheck.diagnosis.evidence import BOUNDS, CAP, Mask, View
from gradcheck.result import Case, Diagnosis
from gradcheck.trees import Array

ROUNDED = 0.02
"""A ratio nearer to 1 than this is a constant written with too few digits, not a forgotten one."""

SHARP = 1e-3
"""A ratio known less well than this matches some constant by chance."""

FIT_BY_ENTRIES = {1: 0.8, 2: 0.92, 3: 0.96}
"""How far a constant ratio is believed that fits one, two, three (or more) entries."""

FIT_IN_PART = {2: 0.8, 3: 0.83}
"""The same where other entries are right: another cause may say which, and so say more."""

FIT_UNNAMED = 0.6
"""A constant ratio that is no known number: true, but it explains little."""

ENTRIES_FOR_RARE = 2
"""Entries that must share a ratio before it is matched with anything but -1, 2, 1/2 or a length."""

RARER = 0.06
"""Loss of fit of a rare number: some input, or a norm, may be that number by chance."""

ENTRIES_FOR_UNNAMED = 3

PLAIN = {2.0: "2", 3.0: "3", 4.0: "4"}
RARE = {
    np.pi: "pi",
    2 * np.pi: "2 pi",
    np.sqrt(np.pi): "sqrt(pi)",
    np.sqrt(2 * np.pi): "sqrt(2 pi)",
    np.sqrt(2): "sqrt(2)",
    np.log(2): "log 2",
    np.log(10): "log 10",
    180 / np.pi: "180/pi",
    6.0: "6",
    8.0: "8",
    10.0: "10",
    1.5: "1.5",
}


@dataclass(frozen=True, slots=True)
class Ratio:
    """A constant ``claimed / estimate``, how well it is known, and by how many entries."""

    value: float
    error: float
    entries: int


def constant_ratio(view: View) -> Ratio | None:
    """The ratio that turns every estimate into its claim, zeros included; ``None`` without one."""
    usable = view.wrong & view.finite & ~view.silent
    if not usable.any() or (np.iscomplexobj(view.claimed) and _turns(view, usable)):
        return None
    ratio, doubt = _ratios(view, usable)
    best = int(np.argmin(doubt))
    value = float(ratio[best])
    constant = view.explains(value * view.estimate, (abs(value) + 1) * view.error)
    if not constant[view.finite].all() or not view.finite.all() or value == 0:
        return None
    return Ratio(value, float(doubt[best]), int(usable.sum()))


def _turns(view: View, usable: Mask) -> bool:
    quotient = view.claimed[usable] / view.estimate[usable]
    return bool(np.abs(quotient.imag).max() > SHARP * np.abs(quotient).max())


def _ratios(view: View, usable: Mask) -> tuple[Array, Array]:
    estimate = view.estimate[usable]
    ratio = np.real(view.claimed[usable] / estimate)
    doubt = BOUNDS * view.error[usable] * np.abs(ratio / estimate) + 1e-9 * np.abs(ratio)
    return ratio, doubt


def sign_or_constant(view: View) -> Iterator[Diagnosis]:
    """Claim and estimate differ by one number: name it."""
    ratio = constant_ratio(view)
    if ratio is None or ratio.error > SHARP * abs(ratio.value):
        return
    fit = FIT_BY_ENTRIES[min(ratio.entries, 3)]
    evidence = f"claimed / estimated = {ratio.value:.9g} for {_entries(ratio.entries)}"
    if _is(ratio, -1.0):
        yield Diagnosis("sign-flipped", "claimed = -estimate: the sign", fit, view.name, evidence)
    elif abs(ratio.value - 1) < ROUNDED:
        yield from _rounded(view, ratio, evidence)
    else:
        yield from _constant(view, ratio, fit, evidence)


def constant_in_part(view: View) -> Iterator[Diagnosis]:
    """Some entries are right, and all others are off by one and the same known number."""
    live = view.right & ~view.silent
    if not live.any() or not view.finite.all() or (view.silent & view.wrong).any():
        return
    if np.iscomplexobj(view.claimed) or int(view.wrong.sum()) < ENTRIES_FOR_RARE:
        return
    ratio, doubt = _ratios(view, view.wrong)
    best = int(np.argmin(doubt))
    shared = Ratio(float(ratio[best]), float(doubt[best]), ratio.size)
    model = np.where(view.wrong, shared.value, 1.0)
    if shared.error > SHARP * abs(shared.value) or shared.value <= 0:
        return  # a sign lost for some entries is a matter of where
    if not view.explains(model * view.estimate, (model + 1) * view.error).all():
        return
    named = [words for words, number in named_numbers(view)[0] if _is(shared, number)]
    if named:
        sentence = (
            f"claimed = {named[0]}{_also(named[1:])}, in {_entries(ratio.size)} of those wrong"
        )
        evidence = (
            f"claimed / estimated = {shared.value:.9g} there, and 1 in {int(live.sum())} others"
        )
        fit = FIT_IN_PART[min(ratio.size, 3)]
        yield Diagnosis("constant-factor", sentence, fit, view.name, evidence)


def _entries(count: int) -> str:
    return "its only entry" if count == 1 else f"all {count} entries"


def _is(ratio: Ratio, number: float) -> bool:
    room = min(ratio.error + 1e-7 * abs(number), CAP * abs(ratio.value - 1))
    return abs(ratio.value - number) <= room


def _rounded(view: View, ratio: Ratio, evidence: str) -> Iterator[Diagnosis]:
    if ratio.entries >= ENTRIES_FOR_RARE:
        sentence = f"claimed = {ratio.value:.9g} x estimate: a constant written with too few digits"
        yield Diagnosis("low-precision", sentence, 0.85, view.name, evidence)


def _constant(view: View, ratio: Ratio, fit: float, evidence: str) -> Iterator[Diagnosis]:
    plain, rare = named_numbers(view)
    named = [words for words, number in plain if _is(ratio, number)]
    if not named and ratio.entries >= ENTRIES_FOR_RARE:
        named = [words for words, number in rare if _is(ratio, number)]
        fit -= RARER if ratio.entries == ENTRIES_FOR_RARE else 0.0
    if named:
        sentence = f"claimed = {named[0]}{_also(named[1:])}"
        yield Diagnosis("constant-factor", sentence, fit, view.name, evidence)
    elif ratio.entries >= ENTRIES_FOR_UNNAMED:
        sentence = f"claimed = {ratio.value:.9g} x estimate, everywhere: a constant factor"
        yield Diagnosis("constant-factor", sentence, FIT_UNNAMED, view.name, evidence)


def _also(others: list[str]) -> str:
    return f" (or {others[0]})" if others else ""


def named_numbers(view: View) -> tuple[Iterator[tuple[str, float]], Iterator[tuple[str, float]]]:
    """Plain and rare numbers a ratio could be, each with the words that complete "claimed = "."""
    lengths = axis_lengths(view.case)
    return _plain(lengths), _rare(lengths)


def _plain(lengths: Mapping[int, str]) -> Iterator[tuple[str, float]]:
    for length, axis in lengths.items():
        yield from _length(float(length), axis)
    for number, words in PLAIN.items():
        yield from _signed(number, words)


def _length(length: float, axis: str) -> Iterator[tuple[str, float]]:
    of = f"{length:g} is {axis}"
    yield f"estimate / {length:g}, and {of}: averaged where it must be summed?", 1 / length
    yield f"{length:g} x estimate, and {of}: summed where it must be averaged?", length
    yield f"-estimate / {length:g}, and {of}: mean or sum, and the sign?", -1 / length
    yield f"-{length:g} x estimate, and {of}: mean or sum, and the sign?", -length


def _signed(number: float, words: str) -> Iterator[tuple[str, float]]:
    for sign, minus in ((1, ""), (-1, "-")):
        yield f"{minus}estimate / {words}: a factor {words} is missing", sign / number
        yield f"{minus}{words} x estimate: a factor {words} too many", sign * number


def _rare(lengths: Mapping[int, str]) -> Iterator[tuple[str, float]]:
    for number, words in RARE.items():
        yield from _signed(float(number), words)
    for length, axis in lengths.items():
        yield from _around_length(length, axis)
    yield from _products(lengths)


def _around_length(length: int, axis: str) -> Iterator[tuple[str, float]]:
    of = f"{length} is {axis}"
    for number, words in (
        (length - 1, f"({length} - 1)"),
        (length / max(length - 1, 1), f"({length} / ({length} - 1))"),
        (np.sqrt(length), f"sqrt({length})"),
        (length**2, f"{length}**2"),
        (2 * length, f"(2 * {length})"),
        (length / 2, f"({length} / 2)"),
    ):
        if number > 1:
            yield f"{words} x estimate, and {of}", float(number)
            yield f"estimate / {words}, and {of}", 1 / float(number)


def _products(lengths: Mapping[int, str]) -> Iterator[tuple[str, float]]:
    found = list(lengths.items())
    for i, (first, one) in enumerate(found):
        for second, two in found[i + 1 :]:
            words = f"({first} * {second}), {one} times {two}"
            yield f"estimate / {words}: averaged where it must be summed?", 1 / (first * second)
            yield f"{words}, x estimate: summed where it must be averaged?", float(first * second)
            yield f"estimate x {first} / {second}: divided by {two}, not {one}?", first / second
            yield f"estimate x {second} / {first}: divided by {one}, not {two}?", second / first


def axis_lengths(case: Case) -> dict[int, str]:
    """Lengths above 1 of the axes of all arrays of a case, each with its name.

    >>> case = Case({"x": np.ones((3, 2))}, {"out": np.ones(3)}, {}, {}, {}, axes={"x": ("n", "d")})
    >>> axis_lengths(case)
    {3: 'axis n of x', 2: 'axis d of x'}
    """
    lengths: dict[int, str] = {}
    for arrays, word in ((case.inputs, ""), (case.output, "output ")):
        for name, array in arrays.items():
            for axis, length in enumerate(np.shape(array)):
                if length > 1:
                    lengths.setdefault(length, f"axis {_axis(case, name, axis)} of {word}{name}")
    return lengths


def _axis(case: Case, name: str, axis: int) -> str:
    names = case.axes.get(name, ())
    return names[axis] if axis < len(names) else str(axis)
