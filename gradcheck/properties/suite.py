"""Many subjects at once: one test item for each subject and check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import hypothesis
import numpy as np
import pytest

from gradcheck.errors import GradientInconclusive, GradientMismatch, InvalidArgument, VacuousTest
from gradcheck.properties.function import Function, name_of
from gradcheck.properties.property import Asked, Property
from gradcheck.properties.run import run
from gradcheck.relations import DEFAULT, RELATIONS

GRADIENT = "gradient"
"""The check that compares claims with estimates; all others are relations."""

CHECKS = (GRADIENT, *DEFAULT)


@dataclass(frozen=True)
class NamedCheck:
    """One check, to be called with a subject of `parametrize_with_checks`.

    Raises `GradientMismatch`, or `GradientInconclusive` where nothing could be decided.
    """

    name: str
    subject_name: str

    @property
    def gradcheck_property(self) -> str:
        """What the plugin selects it by."""
        return self.name

    def __call__(self, subject: Any) -> None:
        __tracebackhide__ = True
        tested = _suite_property(subject, self.subject_name)
        asked = {"relations": ()} if self.name == GRADIENT else {"only": self.name}
        run(tested.asking(**asked, self_test=False))


def parametrize_with_checks(
    subjects: Iterable[Any] | Mapping[str, Any],
    *,
    expected_failed_checks: Mapping[str, str] | None = None,
    checks: Sequence[str] | None = None,
) -> pytest.MarkDecorator:
    """Parametrize a test with one item per subject and check.

    Parameters
    ----------
    subjects : iterable or mapping of str to subject
        A subject is a test made by `vjp_test` or its sisters, or a pair ``(subject, inputs)`` where
        ``inputs`` maps the names of inputs to arrays (one point), or to shapes and strategies.
    expected_failed_checks : mapping of str to str, optional
        ``"subject::check"`` (``*`` stands for anything) to the reason why it fails.
    checks : sequence of str, optional
        Some of ``"gradient"`` and the names of the relations; by default all default ones.

    Returns
    -------
    pytest.MarkDecorator
        For a test function ``def test_layers(subject, check): check(subject)``. The ids are
        ``subject::check``, the same in every process.

    Raises
    ------
    InvalidArgument
        For two subjects of one name, an unknown check, or an expected failure that matches none.
        One that passes fails its item.

    Examples
    --------
    >>> from gradcheck import vjp_test
    >>> test_sine = vjp_test(np.sin, lambda y_bar, x: y_bar * np.cos(x), x="n")
    >>> mark = parametrize_with_checks([test_sine], checks=["gradient", "linear"])
    >>> [parameters.id for parameters in mark.args[1]]
    ['sin::gradient', 'sin::linear']
    """
    chosen = tuple(CHECKS if checks is None else checks)
    for name in chosen:
        if name != GRADIENT and name not in RELATIONS:
            raise InvalidArgument(
                f"checks: got {name!r}, expected some of {', '.join((GRADIENT, *RELATIONS))}. "
                "Do: correct it."
            )
    expected = dict(expected_failed_checks or {})
    items = [
        (f"{name}::{check}", subject, NamedCheck(check, name))
        for name, subject in _named_subjects(subjects).items()
        for check in chosen
    ]
    _require_matches(expected, [identifier for identifier, _, _ in items])
    return pytest.mark.parametrize(
        ("subject", "check"),
        [
            pytest.param(subject, check, id=identifier, marks=_expectation(identifier, expected))
            for identifier, subject, check in items
        ],
    )


def _named_subjects(subjects: Iterable[Any] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(subjects, Mapping):
        named = [(str(name), subject) for name, subject in subjects.items()]
    else:
        named = [(_suite_name(subject), subject) for subject in subjects]
    if not named:
        raise InvalidArgument("subjects: got none, expected at least one. Do: list some.")
    counts = Counter(name for name, _ in named)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise InvalidArgument(
            f"subjects: got two named {repeated[0]!r}, expected one of each name. "
            "Do: pass a mapping from names to subjects."
        )
    for name, subject in named:
        _suite_property(subject, name)
    return dict(named)


def _suite_name(subject: Any) -> str:
    tested = getattr(subject, "gradcheck", None)
    if isinstance(tested, Property):
        return tested.name
    return name_of(subject[0]) if _is_pair(subject) else name_of(subject)


def _is_pair(subject: Any) -> bool:
    return isinstance(subject, tuple) and len(subject) == 2 and isinstance(subject[1], Mapping)


def _suite_property(subject: Any, name: str) -> Property:
    """A member of a suite as a property."""
    tested = getattr(subject, "gradcheck", None)
    if isinstance(tested, Property):
        return tested
    if not _is_pair(subject):
        raise InvalidArgument(
            f"subjects: got {type(subject).__name__} {name!r}, expected a test made by vjp_test, "
            "or a pair (subject, inputs) with a mapping of inputs. Do: pass one of these."
        )
    thing, inputs = subject
    function = Function("assert_vjp", thing, None, None, name)
    arguments = {key: _argument(value) for key, value in inputs.items()}
    return Property(function, arguments, Asked(), "suite")


def _argument(value: Any) -> Any:
    is_point = isinstance(value, (np.ndarray, np.generic, int, float, complex))
    return hypothesis.strategies.just(np.asarray(value)) if is_point else value


def _require_matches(expected: Mapping[str, str], identifiers: Sequence[str]) -> None:
    stale = [
        pattern
        for pattern in expected
        if not any(_matches(identifier, pattern) for identifier in identifiers)
    ]
    if stale:
        raise InvalidArgument(
            f"expected_failed_checks: got {', '.join(map(repr, stale))}, which match nothing; "
            f"expected ids such as {identifiers[0]!r}. Do: remove or correct them."
        )


def _matches(identifier: str, pattern: str) -> bool:
    """Whether ``*`` stands for anything and all else, brackets too, for itself."""
    return fnmatchcase(identifier, pattern.replace("[", "[[]").replace("?", "[?]"))


def _expectation(identifier: str, expected: Mapping[str, str]) -> tuple[pytest.MarkDecorator, ...]:
    reasons = [reason for pattern, reason in expected.items() if _matches(identifier, pattern)]
    failures = (GradientMismatch, GradientInconclusive, VacuousTest)
    return tuple(
        pytest.mark.xfail(reason=reason, strict=True, raises=failures) for reason in reasons[:1]
    )
