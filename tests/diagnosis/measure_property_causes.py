"""Which cause a one-line property test names for every bug of the corpus; minutes, not seconds.

Run ``python -m tests.diagnosis.measure_property_causes [ids]`` from the root of the repository.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Iterator

import gradcheck
from gradcheck import strategies
from gradcheck.errors import GradientMismatch
from tests.corpus.test_corpus import TWINS


def failures(twin) -> Iterator[GradientMismatch]:
    """Every failure that the one line finds, each at its smallest case."""
    try:
        gradcheck.vjp_test(*twin.wrong(), **twin.arguments(strategies))()
    except GradientMismatch as error:
        yield error
    except BaseExceptionGroup as group:
        yield from (leaf for leaf in group.exceptions if isinstance(leaf, GradientMismatch))


def measure(ids):
    """Outcomes counted; what is not right is written out as it comes."""
    counts = Counter()
    for twin in TWINS:
        found = list(failures(twin)) if not ids or twin.id in ids else None
        for error in found or ():
            said = error.result.diagnoses[0].name if error.result.diagnoses else ""
            kind = "right" if said in twin.diagnosis else "wrong" if said else "no cause"
            counts[kind] += 1
            if kind != "right":
                sys.stdout.write(f"{kind:9} {twin.id:20} {said:20} {error.result.reproduce:.200}\n")
        counts["bug not found"] += found == []
    return counts


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.stdout.write(f"{dict(measure(sys.argv[1:]))}\n")
