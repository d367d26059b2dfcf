"""Refuse a property at once that no example could make sense of."""

from __future__ import annotations

from gradcheck.errors import InvalidArgument
from gradcheck.properties.property import Property
from gradcheck.strategies.case import Case


def require_sense(tested: Property) -> None:
    """Refuse what would fail, or say nothing, in every example.

    Raises
    ------
    InvalidArgument, InvalidSubject
    """
    _require_plausible_options(tested)
    if tested.draws_subjects:
        _require_no_arguments(tested)
        return
    if not tested.specs and not tested.option_strategies:
        raise InvalidArgument(
            f"{tested.name}: got no argument, expected a shape for every input. "
            "Do: write for example vjp_test(forward, backward, x='n d')."
        )
    # An option may turn out to be an array, and so an input: then the names are not known yet.
    names = None if tested.option_strategies else tuple(tested.specs)
    tested.function.subject(dict.fromkeys(tested.option_strategies), names)


def _require_no_arguments(tested: Property) -> None:
    if tested.specs or tested.option_strategies or tested.function.backward is not None:
        raise InvalidArgument(
            f"{tested.name}: got arguments beside a strategy of subjects, expected none: drawn "
            "subjects bring their own inputs. Do: leave them out."
        )


def _require_plausible_options(tested: Property) -> None:
    tested.options(Case({}, {}, {}, 0))
    asked = tested.asked
    if asked.examples is not None and asked.examples < 1:
        raise InvalidArgument(
            f"examples: got {asked.examples}, expected at least 1. Do: correct it."
        )
    if asked.batch and asked.batch not in tested.axis_names:
        raise InvalidArgument(
            f"batch: got {asked.batch!r}, expected one of "
            f"{', '.join(sorted(tested.axis_names)) or 'no axis'}. Do: name an axis."
        )
