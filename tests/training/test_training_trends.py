"""The trend test keeps the false-alarm rate it states, and still sees trends."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom

from gradcheck.training.trends import Plateau, fell_and_stayed, plateau, trend

SERIES = 1000


def trendless(epochs, correlation, seed=0):
    """Stationary AR(1) noise: rows are runs without any trend."""
    noise = np.random.default_rng(seed).standard_normal((SERIES, epochs + 100))
    return lfilter([1.0], [1.0, -correlation], noise)[:, 100:]


def most_alarms(rate):
    """False alarms that a test of exactly this rate exceeds once in 10,000 measurements."""
    return binom.isf(1e-4, SERIES, rate)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("epochs", [8, 12, 20, 50])
def test_trendless_losses_are_called_falling_no_more_often_than_stated(epochs, correlation):
    found = [trend(run) for run in trendless(epochs, correlation)]
    for significance in (0.01, 0.05):
        assert sum(t.falls(significance) for t in found) <= most_alarms(significance)
        assert sum(t.rises(significance) for t in found) <= most_alarms(significance)


def test_the_textbook_test_would_break_that_promise():
    runs = trendless(12, 0.6)
    falling = sum(trend(run, correlation=0.0).falls(0.01) for run in runs)
    assert falling > most_alarms(0.01)


def test_correlation_beyond_the_stated_one_breaks_it_too():
    found = [trend(run) for run in trendless(12, 0.95)]
    assert sum(t.falls(0.05) for t in found) > most_alarms(0.05)


@pytest.mark.parametrize("epochs", [10, 20, 50, 200])
def test_a_noisy_decay_is_seen_to_fall(epochs):
    rng = np.random.default_rng(1)
    decay = np.exp(-np.arange(epochs) / (0.3 * epochs))
    seen = [trend(decay + 0.02 * rng.standard_normal(epochs)).falls() for _ in range(50)]
    assert np.mean(seen) >= 0.95


def test_a_rising_series_rises():
    assert trend(np.linspace(0, 1, 12) ** 2).rises()
    assert not trend(np.linspace(0, 1, 12) ** 2).falls()


@pytest.mark.parametrize("series", [[], [1.0], [2.0, 2.0, 2.0, 2.0]])
def test_nothing_is_read_into_a_series_without_change(series):
    found = trend(series)
    assert not found.falls(0.5)
    assert not found.rises(0.5)


def test_the_verdict_does_not_depend_on_scale_or_offset():
    run = trendless(20, 0.5)[0] - np.arange(20)
    assert trend(run) == trend(1e-9 * run) == trend(1e9 * run)


@pytest.mark.parametrize("significance", [0.01, 0.05])
def test_a_start_that_is_no_higher_is_rarely_said_to_have_fallen(significance):
    runs = trendless(40, 0.3, seed=2)
    alarms = sum(fell_and_stayed(run[0], run[1:], significance) for run in runs)
    assert alarms <= most_alarms(significance)


def test_a_fall_within_one_epoch_is_seen():
    rng = np.random.default_rng(3)
    later = 0.3 + 0.01 * rng.standard_normal(30)
    assert fell_and_stayed(2.3, later)
    assert not trend([2.3, *later]).falls()  # ranks alone cannot


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_plateau_is_named_with_its_level_and_start(noise):
    rng = np.random.default_rng(4)
    losses = np.concatenate([np.linspace(2.0, 0.5, 10), np.full(30, 0.5)])
    found = plateau(losses + noise * rng.standard_normal(40))
    assert isinstance(found, Plateau)
    assert found.level == pytest.approx(0.5, abs=0.01)
    assert 7 <= found.since <= 10


@pytest.mark.parametrize("losses", [np.linspace(1, 0, 30), 0.95 ** np.arange(30), [1.0, 0.5]])
def test_a_loss_that_still_falls_has_no_plateau(losses):
    assert plateau(losses) is None


def test_a_loss_that_rises_at_the_end_has_no_plateau():
    assert plateau([*np.linspace(1, 0, 20), *np.linspace(0, 1, 10)]) is None
