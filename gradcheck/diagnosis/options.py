"""Wrong for some values of an option and right for the others, seen over many points."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from gradcheck.result import Diagnosis

FIT_OPTION = 0.76
"""Below what names a mechanism: this says when the claim is wrong, and not how."""

LEAST_ON_EACH_SIDE = 3
"""Points that must be wrong, and right: fewer fall on two sides by chance."""

NEUTRAL = (0, 1)
"""Values of a number at which it does nothing: ignoring it is right there."""

SHOWN = 4


@dataclass(frozen=True, slots=True)
class Trial:
    """The options of one point that was checked, and whether the claim was wrong there."""

    options: Mapping[str, Any]
    wrong: bool


def wrong_for_options(trials: Sequence[Trial]) -> Iterator[Diagnosis]:
    """Options whose value alone tells the wrong points from the right ones.

    Examples
    --------
    >>> trials = [Trial({"axis": axis}, axis < 0) for axis in (-2, -1, 0, 1, -1, 1, 0)]
    >>> [diagnosis.name for diagnosis in wrong_for_options(trials)]
    ['wrong-for-option']
    """
    for words, values in _told_by(trials):
        bad = {value for value, trial in zip(values, trials, strict=True) if trial.wrong}
        good = {value for value, trial in zip(values, trials, strict=True) if not trial.wrong}
        counts = [sum(trial.wrong is side for trial in trials) for side in (True, False)]
        if bad & good or min(counts) < LEAST_ON_EACH_SIDE or _is_a_matter_of_size(bad, good):
            continue
        sentence = f"wrong for {words} {_listed(bad)}, right for {_listed(good)}: the backward"
        sentence += " ignores or confuses this option"
        evidence = f"{counts[0]} points wrong, {counts[1]} right, and none against it"
        yield Diagnosis("wrong-for-option", sentence, FIT_OPTION, "", evidence)
        return


def _told_by(trials: Sequence[Trial]) -> Iterator[tuple[str, list[Any]]]:
    """The value of each option at all points; whether two options are equal."""
    names = [name for name in (trials[0].options if trials else ()) if _is_known(trials, name)]
    for name in names:
        yield f"{name} =", [trial.options[name] for trial in trials]
    for one, two in combinations(names, 2):
        words = f"({one} == {two}) being"
        yield words, [trial.options[one] == trial.options[two] for trial in trials]


def _is_known(trials: Sequence[Trial], name: str) -> bool:
    return all(isinstance(trial.options.get(name), Hashable) for trial in trials)


def _is_a_matter_of_size(bad: set[Any], good: set[Any]) -> bool:
    """Whether a small number hides the mistake and a large one shows it: then it is no option."""
    if not all(isinstance(value, float) for value in bad | good):
        return False
    return max(good, default=0.0) < min(bad, default=0.0) and not good <= set(NEUTRAL)


def _listed(values: set[Any]) -> str:
    shown = sorted(map(repr, values))
    return ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")
