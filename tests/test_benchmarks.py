"""The code of the benchmarks runs, without other checkers, on next to nothing."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import page, peers
from benchmarks.measuring import TINY
from benchmarks.page import Table
from benchmarks.peers import Answer, Peer, naive, ours
from benchmarks.problems import Problem
from benchmarks.tables import cost, false_alarms, first_failure, generation, missed_bugs


@pytest.fixture(autouse=True)
def _only_what_needs_no_other_package(monkeypatch):
    monkeypatch.setattr(peers, "MODULES", ("ours", "naive"))


@pytest.mark.parametrize("module", [cost, false_alarms, first_failure, generation, missed_bugs])
def test_every_table_has_as_many_cells_as_columns(module):
    makers = [make for name, make in vars(module).items() if name.endswith("tables")]
    assert makers
    for table in [table for make in makers for table in make(TINY)]:
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert table.markdown().startswith("### ")


def squares(factor):
    return Problem(
        "squares",
        lambda x, y: np.array([x @ x, x @ y]),
        lambda u, x, y: (factor * u[0] * x + u[1] * y, u[1] * x),
        {"x": np.array([1.0, -2.0]), "y": np.array([0.5, 3.0])},
    )


@pytest.mark.parametrize("peer", [*ours.PEERS, *naive.PEERS], ids=lambda peer: peer.name)
def test_a_right_gradient_passes_and_a_wrong_one_fails(peer):
    assert peer.judge(squares(2.0)) is Answer.PASS
    assert peer.judge(squares(3.0)) is Answer.FAIL


def test_a_checker_that_breaks_off_has_not_judged():
    def broken(problem):
        raise RuntimeError("no such mode")

    assert Peer("broken", broken, False).judge(squares(2.0)) is Answer.ERROR


def test_the_scalar_form_differentiates_complex_inputs_as_pairs_of_reals():
    def magnitude(z):
        return np.abs(z) ** 2

    z = np.array([1.0 + 2.0j, -0.5j])
    form = Problem("z", magnitude, lambda u, z: (2 * u * z,), {"z": z}).scalar_form()
    step = 1e-6 * np.eye(4)
    central = [(form.value(form.start + s) - form.value(form.start - s)) / 2e-6 for s in step]
    assert np.allclose(form.gradient(form.start), central)


def test_calls_are_counted():
    counted, counts = squares(2.0).counted()
    assert naive.loop(counted)
    assert (counts.forwards, counts.backwards) == (9, 1)


def test_a_section_of_the_page_is_replaced_and_the_others_stay(tmp_path):
    path = tmp_path / "page.md"
    table = Table("One", "About it.", ["a", "b"], [["1", "2"]], ["A remark."])
    page.write("one", page.section("one", [table], "now"), path)
    page.write("two", page.section("two", [table], "now"), path)
    page.write("one", page.section("one", [table], "later"), path)
    text = path.read_text("utf-8")
    assert text.count("### One") == 2
    assert text.count("Measured: later.") == 1
    assert text.index("later") < text.index("<!-- two -->")
