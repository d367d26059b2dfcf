"""A line that checks a failing case again."""

from __future__ import annotations

from gradcheck.properties.function import name_of
from gradcheck.properties.property import Property
from gradcheck.report.terminal import reproduction
from gradcheck.strategies.case import Case

MOST_WRITTEN = 128
"""Entries of an array that a reproduction line spells out."""


def reproduction_of(tested: Property, case: Case) -> str:
    """A line that checks this case again and fails the same way."""
    function, asked = tested.function, tested.asked
    if case.subject is not None:
        call = f"gradcheck.assert_check(subject, subject.inputs, seed={case.seed})"
        return f"subject = {case.subject!r}; {call}"
    line = reproduction(
        function.call if function.backward is not None else "assert_check",
        [name_of(one) for one in function.callables],
        case.inputs,
        seed=case.seed,
        options=case.keywords,
        rtol=asked.rtol,
        recipes={name: f"gradcheck.{text}" for name, text in _large(case).items()},
    )
    further = {
        "kinks": asked.kinks,
        "style": function.style,
        "relations": asked.relations if function.call != "assert_jvp" else None,
        "batch": asked.batch or None,
        "axes": tested.axes_of(case) if asked.batch else None,
    }
    given = "".join(f", {key}={value!r}" for key, value in further.items() if value is not None)
    return f"{line.removesuffix(')')}{given})" if given else line


def _large(case: Case) -> dict[str, str]:
    """Recipes of the arrays that are too large to write out."""
    return {
        name: text for name, text in case.recipes.items() if case.arrays[name].size > MOST_WRITTEN
    }
