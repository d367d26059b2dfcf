"""The exceptions, typed by who must act.

::

    Exception
    ├── AssertionError
    │   ├── GradientMismatch        the author of the backward
    │   │   └── one cached subclass per (finding or comparison, input): see `mismatch_type`
    │   ├── GradientInconclusive    whoever chose the point or the tolerance
    │   ├── VacuousTest             whoever wrote the test: it could not have failed
    │   └── TrainingFailed          the author of the training loop
    └── ValueError
        ├── InvalidArgument         the caller of gradcheck
        └── InvalidSubject          the author of the function handed in
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any


class _WithResult(AssertionError):
    """An assertion that carries the record it was raised for."""

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        # Dynamic subclasses have no importable name, and results may hold closures: what crosses
        # a process border is the message.
        return (type(self)._portable(), (str(self),))

    @classmethod
    def _portable(cls) -> type[_WithResult]:
        return cls


class GradientMismatch(_WithResult):
    """A claimed derivative is wrong; ``.result`` holds the CheckResult."""

    @classmethod
    def _portable(cls) -> type[_WithResult]:
        return GradientMismatch


class GradientInconclusive(_WithResult):
    """Nothing could be decided; ``.result`` holds the CheckResult."""


class VacuousTest(_WithResult):
    """A property test whose examples could not have failed."""


class TrainingFailed(_WithResult):
    """A training run broke a promise; ``.result`` holds the TrainingResult."""


class InvalidArgument(ValueError):
    """An argument of gradcheck's own functions is unusable."""


class InvalidSubject(ValueError):
    """The function handed in breaks the contract of a subject."""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group, however deep; an error that is no group is its own leaf.

    >>> list(leaves(ExceptionGroup("two", [ValueError(1), TypeError(2)])))
    [ValueError(1), TypeError(2)]
    """
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


@cache
def mismatch_type(cause: str, name: str) -> type[GradientMismatch]:
    """Subclass of GradientMismatch for one cause and one named input.

    Hypothesis tells two bugs apart by exception type and line. All mismatches are raised from one
    line, so the type must differ, or two bugs would shrink into one.

    >>> mismatch_type("gradient", "b").__name__
    'GradientMismatch_gradient_b'
    >>> mismatch_type("gradient", "b") is mismatch_type("gradient", "b")
    True
    """
    label = re.sub(r"\W+", "_", f"GradientMismatch_{cause}_{name}").rstrip("_")
    return type(label, (GradientMismatch,), {"__module__": __name__, "__doc__": cause})
