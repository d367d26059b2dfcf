"""Test: one line per function draws inputs, checks the claim and shrinks failures.

``vjp_test``, ``grad_test`` and ``jvp_test`` return a test function without arguments, which pytest
collects and anyone can call; ``parametrize_with_checks`` makes one item per subject and check.
"""

from __future__ import annotations

from gradcheck.properties.kinds import GradientMismatches
from gradcheck.properties.one_line import grad_test, jvp_test, vjp_test
from gradcheck.properties.suite import parametrize_with_checks

__all__ = ["GradientMismatches", "grad_test", "jvp_test", "parametrize_with_checks", "vjp_test"]
