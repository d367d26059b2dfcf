"""Break every claimed derivative of ``models/`` and ``losses/`` in turn, and see who notices.

``python -m tests.mutation.mutate`` prints how many broken versions the verification catches.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType

import numpy as np

from gradcheck.recording import recording
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, Target, mutants, targets
from tests.mutation.probes import Probe, probes


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant: the name of the probe that caught it, or none."""

    mutant: Mutant
    caught_by: str = ""
    with_a_verdict: bool = False

    @property
    def equivalent(self) -> bool:
        """Whether it is on the list of those that compute the same."""
        return self.mutant.name in EQUIVALENT


def outcomes(target: Target, reaching: Sequence[Probe]) -> list[Outcome]:
    """Every mutant of a target, tried on the probes that reach it."""
    return [_tried(mutant, reaching) for mutant in mutants(target)]


def _tried(mutant: Mutant, reaching: Sequence[Probe]) -> Outcome:
    with mutant, recording(_ignore, alone=True):
        for probe in reaching:
            error = failure(probe)
            if error is not None:
                return Outcome(mutant, probe.name, isinstance(error, AssertionError))
    return Outcome(mutant)


def _ignore(result: object) -> None:
    """The wrong gradients found here are planted, and nobody's news."""


def failure(probe: Probe) -> Exception | None:
    """What a probe raises, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            probe.run()
        except Exception as error:
            return error
    return None


def probes_by_code(all_probes: Sequence[Probe]) -> dict[CodeType, list[Probe]]:
    """Which probes run which target: only those can notice that it broke."""
    reached: dict[CodeType, list[Probe]] = {target.code: [] for target in targets()}
    for probe in all_probes:
        for code in _codes_run_by(probe):
            if code in reached:
                reached[code].append(probe)
    return reached


def _codes_run_by(probe: Probe) -> set[CodeType]:
    codes = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, argument: codes.add(frame.f_code))
    try:
        probe.run()
    finally:
        sys.setprofile(before)
    return codes


def main() -> None:
    """Try every mutant and print the tally."""
    reaching = probes_by_code(probes())
    every: list[Outcome] = []
    for target in targets():
        tried = [one for one in outcomes(target, reaching[target.code]) if not one.equivalent]
        caught = sum(bool(one.caught_by) for one in tried)
        print(f"{caught:5} of {len(tried):4}  {target.name}")  # noqa: T201
        for one in tried:
            if not one.caught_by:
                print(f"       survives: {one.mutant.name}")  # noqa: T201
        every += tried
    caught = sum(bool(one.caught_by) for one in every)
    judged = sum(one.with_a_verdict for one in every)
    print(  # noqa: T201
        f"{caught} of {len(every)} broken versions caught ({caught / len(every):.2%}): {judged} by "
        f"a verdict, {caught - judged} because they raise; {len(EQUIVALENT)} equivalent left out"
    )


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        main()
