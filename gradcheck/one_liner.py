"""Dress what a one-line property runs as a test function that pytest collects."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from types import FrameType
from typing import Any

from gradcheck.recording import PROPERTY_MARK

TestFunction = Callable[[], None]


def as_test(run: Callable[[], None], subject: str, caller: FrameType) -> TestFunction:
    """A test function without arguments that pytest shows at the caller's line.

    Compiled there, a traceback shows the line of the test and not our plumbing.

    >>> import sys
    >>> test = as_test(lambda: None, "the mean <of batches>", sys._getframe())
    >>> test.__name__, test.__doc__
    ('test_the_mean_of_batches_', 'Property test of the mean <of batches>.')
    """
    source = "\n" * (caller.f_lineno - 1) + "def test(): run()"
    scope: dict[str, Any] = {"run": run, "__name__": module_of(caller)}
    exec(compile(source, caller.f_code.co_filename, "exec"), scope)
    test: Any = scope["test"]
    test.__name__ = test.__qualname__ = identifier(f"test_{subject}")
    test.__doc__ = f"Property test of {subject}."
    setattr(test, PROPERTY_MARK, "")
    return test  # type: ignore[no-any-return]


def module_of(caller: FrameType) -> str:
    """Name of the module that a test is written in."""
    return str(caller.f_globals.get("__name__", ""))


def identifier(text: str) -> str:
    """Any text as a name for a function.

    >>> identifier("a dense layer"), identifier("lambda"), identifier("2d")
    ('a_dense_layer', '_lambda', '_2d')
    """
    name = re.sub(r"\W+", "_", text)
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"_{name}"
