"""How a forward says that it does not take some inputs."""

from __future__ import annotations

REFUSALS = (ValueError, ArithmeticError, NotImplementedError)
"""Exceptions by which a forward says that it does not take these inputs: the example is left out.

Any other exception is a failure of the test.
"""

LONGEST = 80
"""Characters of a refusal that are told."""


def told(refusal: BaseException) -> str:
    """Type and message, in short.

    >>> told(ValueError("n must be even"))
    'ValueError: n must be even'
    """
    text = f"{type(refusal).__name__}: {refusal}"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
