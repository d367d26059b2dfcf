"""How a drawn case of one function is checked."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis.strategies import SearchStrategy

from gradcheck.checking import Options, run_check
from gradcheck.properties.function import Function
from gradcheck.properties.kill_rate import KillRate
from gradcheck.properties.one_relation import check_relation
from gradcheck.result import CheckResult
from gradcheck.strategies.case import (
    Case,
    cases,
    opening,
    specs_and_options,
    subject_cases,
)
from gradcheck.strategies.shapes import ELLIPSIS, Axes, Bounds, Shape


@dataclass(frozen=True)
class Asked:
    """The options of a property test; ``only`` names the one relation to look at."""

    rtol: float | None = None
    kinks: str | None = None
    relations: tuple[str, ...] | None = None
    axes: Mapping[str, Bounds] = field(default_factory=dict)
    batch: str = ""
    examples: int | None = None
    seed: int | None = None
    self_test: bool = False
    only: str = ""


class Property:
    """One function, what its arguments may be, and how strictly it is checked."""

    def __init__(
        self, function: Function, arguments: Mapping[str, Any], asked: Asked, module: str
    ) -> None:
        self.function = function
        self.asked = asked
        self.module = module
        self.specs, self.option_strategies = specs_and_options(arguments)
        self.axes = Axes(dict(asked.axes))
        self.draws_subjects = isinstance(function.forward, SearchStrategy)
        self.strategy = (
            subject_cases(function.forward)
            if self.draws_subjects
            else cases(arguments, axes=asked.axes)
        )
        self.kill_rate: KillRate | None = None
        varies = self.draws_subjects or self.option_strategies
        self._plain = None if varies else function.subject({})

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.function.name

    @property
    def axis_names(self) -> set[str]:
        """Names of all axes that shapes mention."""
        return {name for spec in self.specs.values() for name in spec.shape.names}

    def subject(self, case: Case) -> Any:
        """The function with the options of a case; a factory makes its objects anew."""
        if case.subject is not None:
            return case.subject
        if self._plain is not None and getattr(self._plain, "renew", None) is None:
            return self._plain
        return self.function.subject(case.keywords)

    def options(self, case: Case, **changes: Any) -> Options:
        """How a case is checked."""
        subject = self._plain if case.subject is None else case.subject
        lenient = hasattr(subject, "layers")
        given = Options(
            rtol=self.asked.rtol,
            seed=case.seed,
            kinks=self.asked.kinks or ("lenient" if lenient else "strict"),
            relations=self.asked.relations,
            axes=self.axes_of(case),
            batch=self.asked.batch,
            diagnose=False,
        )
        return replace(given, **changes) if changes else given

    def opening(self, seed: int) -> Case | None:
        """A case in which most bugs show, where nothing but arrays is drawn."""
        if self.draws_subjects or self.option_strategies:
            return None
        choose = random.Random(seed).randrange
        return opening(self.specs, self.axes, choose)

    def axes_of(self, case: Case) -> dict[str, tuple[str, ...]]:
        """Names of the axes of every input."""
        return {
            name: _axes_named(self.specs[name].shape, array.ndim)
            for name, array in case.arrays.items()
            if name in self.specs
        }

    def asking(self, **changes: Any) -> Property:
        """The same function and arguments, checked otherwise."""
        other = copy(self)
        other.asked = replace(self.asked, **changes)
        return other

    def check(self, case: Case, **changes: Any) -> CheckResult:
        """Check one case, whatever the extremes it holds."""
        options = self.options(case, **changes)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.asked.only:
                return check_relation(self.subject(case), case.inputs, options, self.asked.only)
            return run_check(self.subject(case), case.inputs, options)


def _axes_named(shape: Shape, ndim: int) -> tuple[str, ...]:
    leading = tuple(f"{ELLIPSIS}{i}" for i in range(ndim - len(shape.axes)))
    return (*leading, *map(str, shape.axes))
