"""The function under test, as its author wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis.strategies import SearchStrategy

from gradcheck.backends.styles import as_subject
from gradcheck.errors import InvalidSubject
from gradcheck.subject import FunctionSubject


@dataclass(frozen=True)
class Function:
    """The function under test, as its author wrote it."""

    call: str
    forward: Any
    backward: Any
    style: str | None
    given_name: str | None

    @property
    def name(self) -> str:
        """The name it goes by in reports."""
        drawn = isinstance(self.forward, SearchStrategy)
        return self.given_name or ("drawn_subjects" if drawn else name_of(self.forward))

    @property
    def callables(self) -> tuple[Any, ...]:
        """What a call of `assert_vjp` and its sisters starts with."""
        alone = self.backward is None
        return (self.forward,) if alone else (self.forward, self.backward)

    def subject(self, options: Mapping[str, Any], names: Sequence[str] | None = None) -> Any:
        """The function with its options fixed, as a subject."""
        if self.call != "assert_jvp":
            return as_subject(
                self.forward, self.backward, style=self.style, options=options, names=names,
                name=self.given_name,
            )  # fmt: skip
        made = as_subject(
            self.forward, _no_backward, style="pair", jvp=self.backward, options=options,
            name=self.name,
        )  # fmt: skip
        push = made.push_forward  # type: ignore[attr-defined]
        return FunctionSubject(made.name, made.value, push_forward=push)


def _no_backward(*_: Any) -> Any:
    raise InvalidSubject("this subject claims a jvp only")


def name_of(thing: Any) -> str:
    """The name of anything.

    >>> name_of(len), name_of(3)
    ('len', 'int')
    """
    return str(getattr(thing, "__name__", None) or getattr(thing, "name", type(thing).__name__))
