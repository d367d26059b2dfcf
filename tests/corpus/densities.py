"""Log-likelihoods, losses and special functions."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.overflow import softmax
from tests.corpus.twin import normal, two_ways

MODERATE = (-8.0, 8.0)


def positive(seed, *shape):
    return np.exp(normal(seed, *shape, scale=0.5))


def student_t(x, nu):
    """Summed log density of Student's t."""
    return np.sum(
        special.gammaln((nu + 1) / 2)
        - special.gammaln(nu / 2)
        - 0.5 * np.log(nu * np.pi)
        - (nu + 1) / 2 * np.log1p(x**2 / nu)
    )


def student_t_back(out_bar, x, nu, *, right):
    square = x**2 / nu
    n = x.size
    nu_bar = n * (special.digamma((nu + 1) / 2) - special.digamma(nu / 2)) / 2 - (
        n / (2 * nu) if right else 0
    )
    nu_bar += np.sum(-0.5 * np.log1p(square) + (nu + 1) / (2 * nu) * square / (1 + square))
    return -out_bar * (nu + 1) * x / (nu + x**2), np.asarray(out_bar * nu_bar)


def gamma_density(x, shape, rate):
    return shape * np.log(rate) - special.gammaln(shape) + (shape - 1) * np.log(x) - rate * x


def gamma_density_back(out_bar, x, shape, rate, *, right):
    power = shape - 1 if right else shape
    return (
        out_bar * (power / x - rate),
        out_bar * (np.log(rate) - special.digamma(shape) + np.log(x)),
        out_bar * (shape / rate - x),
    )


def von_mises(x, kappa):
    """Log density at angles x around 0."""
    return kappa * (np.cos(x) - 1) - np.log(2 * np.pi * special.i0e(kappa))


def von_mises_back(out_bar, x, kappa, *, right):
    if right:
        ratio = special.i1e(kappa) / special.i0e(kappa)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = special.i1(kappa) / special.i0(kappa)
    return -out_bar * kappa * np.sin(x), out_bar * (np.cos(x) - ratio)


def dirichlet(alpha, p):
    """Log density of every row of p."""
    return (
        special.gammaln(alpha.sum())
        - special.gammaln(alpha).sum()
        + np.sum((alpha - 1) * np.log(p), axis=1)
    )


def dirichlet_back(out_bar, alpha, p, *, right):
    log_bar = out_bar @ np.log(p)
    normaliser = -special.digamma(alpha) + (special.digamma(alpha.sum()) if right else 0)
    return log_bar + out_bar.sum() * normaliser, out_bar[:, None] * (alpha - 1) / p


def mixture(x, logit, mean, logvar):
    """Log density of a mixture of normals, for every x."""
    return special.logsumexp(_joint(x, logit, mean, logvar), axis=1)


def _joint(x, logit, mean, logvar):
    z = (x[:, None] - mean) ** 2 * np.exp(-logvar)
    return special.log_softmax(logit) - 0.5 * (z + logvar + np.log(2 * np.pi))


def mixture_back(out_bar, x, logit, mean, logvar, *, right):
    r = out_bar[:, None] * softmax(_joint(x, logit, mean, logvar))
    d = (x[:, None] - mean) * np.exp(-logvar)
    logit_bar = r.sum(axis=0) - (out_bar.sum() * special.softmax(logit) if right else 0)
    return (
        -np.sum(r * d, axis=1),
        logit_bar,
        np.sum(r * d, axis=0),
        np.sum(r * 0.5 * (d * (x[:, None] - mean) - 1), axis=0),
    )


def contrastive(a, b, temperature=0.5):
    """CLIP's loss of matched rows, both ways."""
    s = a @ b.T / temperature
    rows = special.logsumexp(s, axis=1) - np.diag(s)
    return np.mean(rows + special.logsumexp(s, axis=0) - np.diag(s)) / 2


def contrastive_back(out_bar, a, b, temperature=0.5, *, right):
    s = a @ b.T / temperature
    n = len(a)
    s_bar = softmax(s) - np.eye(n) + (softmax(s.T).T - np.eye(n) if right else 0)
    s_bar = out_bar * s_bar / (2 * n) / temperature
    return s_bar @ b, s_bar.T @ a


def transported(x, y):
    """Squared Wasserstein distance of two samples of one size."""
    return np.mean((np.sort(x) - np.sort(y)) ** 2)


def transported_back(out_bar, x, y, *, right):
    i, j = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    slope = 2 * out_bar * (x[i] - y[j]) / len(x)
    x_bar, y_bar = np.empty_like(x), np.empty_like(y)
    x_bar[i] = slope
    y_bar[j if right else i] = -slope
    return x_bar, y_bar


def cox(risk, time):
    """Cox's negative partial log likelihood, ties as Breslow does; no censoring."""
    return sum(_at_risk(risk, time >= t) - risk[i] for i, t in enumerate(time))


def _at_risk(risk, still):
    return special.logsumexp(risk[still])


def cox_back(out_bar, risk, time, *, right):
    risk_bar = -np.ones_like(risk)
    order = np.argsort(time, kind="stable")
    for place, i in enumerate(order):
        still = time >= time[i] if right else np.isin(np.arange(len(time)), order[place:])
        risk_bar[still] += special.softmax(risk[still])
    return out_bar * risk_bar, None


def ordered(score, cuts, label):
    """Cumulative logit: log probability of ordered classes, the cuts given as increments."""
    low, high = _bounds(cuts, label)
    return np.log(special.expit(high - score) - special.expit(low - score))


def _bounds(cuts, label):
    edges = np.concatenate([[-np.inf], np.cumsum(cuts), [np.inf]])
    return edges[label], edges[label + 1]


def ordered_back(out_bar, score, cuts, label, *, right):
    low, high = _bounds(cuts, label)
    p, q = special.expit(high - score), special.expit(low - score)
    up, down = p * special.expit(score - high), q * special.expit(score - low)
    edge_bar = np.zeros(len(cuts) + 2)
    np.add.at(edge_bar, label + 1, out_bar * up / (p - q))
    np.add.at(edge_bar, label, -out_bar * down / (p - q))
    inner = edge_bar[1:-1].copy()
    if not right:
        inner[-1] = 0
    return -out_bar * (up - down) / (p - q), np.cumsum(inner[::-1])[::-1].copy(), None


def elastic(w, x, y, alpha=1.0, l1_ratio=0.5):
    """Least squares with a smooth elastic net (sqrt(w^2 + 0.01) for |w|)."""
    r = x @ w - y
    smooth = np.sum(np.sqrt(w**2 + 0.01))
    return r @ r / (2 * len(y)) + alpha * (l1_ratio * smooth + (1 - l1_ratio) / 2 * w @ w)


def elastic_back(out_bar, w, x, y, alpha=1.0, l1_ratio=0.5, *, right):
    r = out_bar * (x @ w - y) / len(y)
    ratio = l1_ratio if right else 1 - l1_ratio
    penalty = alpha * (ratio * w / np.sqrt(w**2 + 0.01) + (1 - ratio) * w)
    return x.T @ r + out_bar * penalty, np.outer(r, w), -r


def skewness(x):
    """Per row, of (n, d)."""
    c = x - x.mean(axis=1, keepdims=True)
    s = np.sqrt(np.mean(c**2, axis=1) + 0.1)
    return np.mean(c**3, axis=1) / s**3


def skewness_back(out_bar, x, *, right):
    c = x - x.mean(axis=1, keepdims=True)
    s = np.sqrt(np.mean(c**2, axis=1, keepdims=True) + 0.1)
    g = out_bar[:, None] / x.shape[1]
    c_bar = 3 * g * c**2 / s**3
    if right:
        c_bar -= 3 * g * np.mean(c**3, axis=1, keepdims=True) / s**5 * c
    return (c_bar - c_bar.mean(axis=1, keepdims=True),)


def scores_of(x, ddof=1):
    """Columns standardised; ddof as in NumPy."""
    c = x - x.mean(axis=0)
    return c / np.sqrt(np.sum(c**2, axis=0) / (len(x) - ddof) + 0.01)


def scores_of_back(out_bar, x, ddof=1, *, right):
    c = x - x.mean(axis=0)
    n = len(x) - ddof
    s = np.sqrt(np.sum(c**2, axis=0) / n + 0.01)
    used = n if right else len(x)
    c_bar = out_bar / s - c * np.sum(out_bar * c, axis=0) / (used * s**3)
    return (c_bar - c_bar.mean(axis=0),)


def clipped_surrogate(logp, old, advantage, eps=0.2):
    """PPO: the smaller of the plain and the clipped surrogate."""
    ratio = np.exp(logp - old)
    return np.minimum(ratio * advantage, np.clip(ratio, 1 - eps, 1 + eps) * advantage)


def clipped_surrogate_back(out_bar, logp, old, advantage, eps=0.2, *, right):
    ratio = np.exp(logp - old)
    if right:
        stopped = np.where(advantage > 0, ratio > 1 + eps, ratio < 1 - eps)
    else:
        stopped = ratio > 1 + eps
    slope = out_bar * ratio * advantage * ~stopped
    clipped = np.minimum(ratio * advantage, np.clip(ratio, 1 - eps, 1 + eps) * advantage)
    factor = np.divide(clipped, advantage, out=np.zeros_like(ratio), where=advantage != 0)
    at_zero = np.where(advantage == 0, np.minimum(ratio, 1 + eps), factor)
    return slope, -slope, out_bar * at_zero


def log_one_minus_exp(x):
    """``log(1 - exp(-x))`` for positive x."""
    with np.errstate(divide="ignore"):
        return np.where(x < 0.7, np.log(-np.expm1(-x)), np.log1p(-np.exp(-x)))


def log_one_minus_exp_back(out_bar, x, *, right):
    with np.errstate(over="ignore", divide="ignore"):
        return (out_bar * (1 / np.expm1(x) if right else np.exp(-x) / (1 - np.exp(-x))),)


def loses_digits(pair, point):
    x = point["x"]
    return not np.allclose(pair[1](np.ones_like(x), x)[0] * np.expm1(x), 1, rtol=1e-8)


def hazard(x):
    """Log of the upper tail of the normal distribution."""
    return special.log_ndtr(-x)


def hazard_back(out_bar, x, *, right):
    if right:
        ratio = np.sqrt(2 / np.pi) / special.erfcx(x / np.sqrt(2))
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) / special.ndtr(-x)
    return (-out_bar * ratio,)


def inverse_softplus(y):
    return y + np.log(-np.expm1(-y))


def inverse_softplus_back(out_bar, y, *, right):
    with np.errstate(over="ignore", invalid="ignore"):
        return (out_bar * (-1 / np.expm1(-y) if right else np.exp(y) / np.expm1(y)),)


def jinc(r):
    """``2 J1(r) / r``: the amplitude of a round aperture."""
    return np.divide(2 * special.j1(r), r, out=np.ones_like(r), where=r != 0)


def jinc_back(out_bar, r, *, right):
    if right:
        slope = np.divide(-2 * special.jv(2, r), r, out=np.zeros_like(r), where=r != 0)
        return (out_bar * slope,)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (out_bar * -2 * special.jv(2, r) / r,)


def weighted_deviance(w, x, y, weight):
    """Poisson deviance objective with sample weights, as for a boosted tree."""
    eta = x @ w
    return np.sum(weight * (np.exp(eta) - y * eta))


def weighted_deviance_back(out_bar, w, x, y, weight, *, right):
    eta = x @ w
    r = out_bar * (np.exp(eta) - y) * (weight if right else 1.0)
    return x.T @ r, np.outer(r, w), -out_bar * weight * eta, out_bar * (np.exp(eta) - y * eta)


def tversky(p, y, alpha=0.5, beta=0.5):
    """1 - the Tversky index; alpha weighs false positives, beta false negatives."""
    hit, over, under = np.sum(p * y), np.sum(p * (1 - y)), np.sum((1 - p) * y)
    return 1 - (hit + 1) / (hit + alpha * over + beta * under + 1)


def tversky_back(out_bar, p, y, alpha=0.5, beta=0.5, *, right):
    hit, over, under = np.sum(p * y), np.sum(p * (1 - y)), np.sum((1 - p) * y)
    low = hit + alpha * over + beta * under + 1
    a, b = (alpha, beta) if right else (beta, alpha)
    slope = (y * low - (hit + 1) * (y + a * (1 - y) - b * y)) / low**2
    return -out_bar * slope, None


def kurtosis_penalty(x, target=3.0):
    """Squared distance of the fourth moment from a target, per column."""
    m4 = np.mean(x**4, axis=0)
    return (m4 - target) ** 2


def kurtosis_penalty_back(out_bar, x, target=3.0, *, right):
    m4 = np.mean(x**4, axis=0)
    return (2 * out_bar * (m4 - target) * 4 * x**3 / (len(x) if right else x.size),)


TWINS = (
    two_ways(
        "studentt-nu",
        "missing term",
        student_t,
        student_t_back,
        bug="the normaliser's 1 / (2 nu) is left out",
        arguments=lambda st: {
            "x": st.array("n", domain=MODERATE),
            "nu": st.array("", domain=(0.5, 30)),
        },
        bug_point=lambda: {"x": normal(1200, 4), "nu": np.array(3.5)},
        generic_point=lambda: {"x": normal(1201, 3), "nu": np.array(2.0)},
        diagnosis=("missing-term",),
    ),
    two_ways(
        "gamma-power",
        "missing term",
        gamma_density,
        gamma_density_back,
        bug="shape / x where (shape - 1) / x is due",
        arguments=lambda st: {k: st.array("n", domain=(0.2, 10)) for k in ("x", "shape", "rate")},
        bug_point=lambda: {
            "x": positive(1202, 4),
            "shape": positive(1203, 4),
            "rate": positive(1204, 4),
        },
        generic_point=lambda: {
            "x": positive(1205, 3),
            "shape": positive(1206, 3),
            "rate": positive(1207, 3),
        },
        diagnosis=("missing-term",),
    ),
    two_ways(
        "vonmises-ratio",
        "overflow",
        von_mises,
        von_mises_back,
        bug="the Bessel functions of the ratio overflow one by one",
        arguments=lambda st: {
            "x": st.array("n", domain=(-3.1, 3.1)),
            "kappa": st.array("n", domain=(0.01, 2000)),
        },
        bug_point=lambda: {"x": np.array([0.1, -0.02]), "kappa": np.array([3.0, 900.0])},
        generic_point=lambda: {"x": normal(1208, 3), "kappa": positive(1209, 3)},
        diagnosis=("overflow",),
    ),
    two_ways(
        "dirichlet-normaliser",
        "missing term",
        dirichlet,
        dirichlet_back,
        bug="digamma of the sum is left out",
        arguments=lambda st: {
            "alpha": st.array("k", domain=(0.3, 10)),
            "p": st.probabilities("n k"),
        },
        bug_point=lambda: {
            "alpha": positive(1210, 3),
            "p": special.softmax(normal(1211, 4, 3, scale=0.3), axis=1),
        },
        generic_point=lambda: {
            "alpha": positive(1212, 2),
            "p": special.softmax(normal(1213, 3, 2), axis=1),
        },
        diagnosis=("missing-term",),
    ),
    two_ways(
        "mixture-weights",
        "missing term",
        mixture,
        mixture_back,
        bug="the normaliser of the weights is left out",
        arguments=lambda st: {
            "x": st.array("n", domain=(-3, 3)),
            "logit": st.array("k", domain=(-3, 3)),
            "mean": st.array("k", domain=(-3, 3)),
            "logvar": st.array("k", domain=(-1, 2)),
        },
        bug_point=lambda: {
            "x": normal(1214, 4),
            "logit": normal(1215, 3),
            "mean": normal(1216, 3),
            "logvar": normal(1217, 3, scale=0.5),
        },
        generic_point=lambda: {
            "x": normal(1218, 3),
            "logit": normal(1219, 2),
            "mean": normal(1220, 2),
            "logvar": normal(1221, 2, scale=0.5),
        },
        diagnosis=("missing-term",),
    ),
    two_ways(
        "clip-one-direction",
        "missing term",
        contrastive,
        contrastive_back,
        bug="only the rows' half of the loss has a gradient",
        arguments=lambda st: {
            "a": st.array("n d", domain=(-2, 2)),
            "b": st.array("n d", domain=(-2, 2)),
            "temperature": hyp.sampled_from([0.5, 1.0]),
        },
        bug_point=lambda: {"a": normal(1222, 4, 3), "b": normal(1223, 4, 3), "temperature": 0.5},
        generic_point=lambda: {
            "a": normal(1224, 3, 2),
            "b": normal(1225, 3, 2),
            "temperature": 1.0,
        },
        diagnosis=("missing-term",),
    ),
    two_ways(
        "wasserstein-order",
        "misaligned",
        transported,
        transported_back,
        bug="the second sample's gradient is put in the order of the first",
        arguments=lambda st: {"x": "n", "y": "n"},
        bug_point=lambda: {"x": normal(1230, 5), "y": normal(1231, 5)},
        generic_point=lambda: {"x": normal(1232, 4), "y": normal(1233, 4)},
        diagnosis=("misaligned",),
    ),
    two_ways(
        "cox-ties",
        "ties",
        cox,
        cox_back,
        bug="of those who fail at the same time the earlier rows are not at risk any more",
        arguments=lambda st: {
            "risk": st.array("n", domain=MODERATE),
            "time": st.indices("n", into=4),
        },
        bug_point=lambda: {"risk": normal(1234, 5), "time": np.array([3, 1, 1, 2, 1])},
        generic_point=lambda: {"risk": normal(1235, 4), "time": np.array([3, 0, 1, 2])},
        diagnosis=("missing-term", "assigned-not-added", "wrong-at-ties", "wrong-slice"),
    ),
    two_ways(
        "ordinal-last-cut",
        "wrong slice",
        ordered,
        ordered_back,
        bug="the last cut gets no gradient of its own",
        arguments=lambda st: {
            "score": st.array("n", domain=(-3, 3)),
            "cuts": st.array("3", domain=(0.2, 2)),
            "label": st.labels("n", classes=4),
        },
        bug_point=lambda: {
            "score": normal(1236, 4),
            "cuts": np.array([0.3, 0.8, 0.6]),
            "label": np.array([3, 0, 2, 1]),
        },
        generic_point=lambda: {
            "score": normal(1237, 3),
            "cuts": np.array([0.4, 0.5, 0.9]),
            "label": np.array([1, 0, 1]),
        },
        diagnosis=("missing-term", "wrong-slice"),
    ),
    two_ways(
        "elastic-ratio",
        "option",
        elastic,
        elastic_back,
        bug="the shares of both penalties have changed places; the default is one half",
        arguments=lambda st: {
            "w": "d",
            "x": "n d",
            "y": "n",
            "l1_ratio": hyp.sampled_from([0.5, 0.1, 0.9]),
            "alpha": hyp.sampled_from([1.0, 0.1]),
        },
        bug_point=lambda: {
            "w": normal(1238, 3),
            "x": normal(1239, 4, 3),
            "y": normal(1240, 4),
            "alpha": 1.0,
            "l1_ratio": 0.9,
        },
        generic_point=lambda: {
            "w": normal(1241, 3),
            "x": normal(1242, 4, 3),
            "y": normal(1243, 4),
            "alpha": 1.0,
            "l1_ratio": 0.5,
        },
        diagnosis=("wrong-for-option", "missing-term"),
    ),
    two_ways(
        "skew-spread",
        "missing term",
        skewness,
        skewness_back,
        bug="the spread is treated as a constant",
        arguments=lambda st: {"x": st.array("n d", domain=(-3, 3))},
        bug_point=lambda: {"x": normal(1244, 3, 4)},
        generic_point=lambda: {"x": normal(1245, 2, 3)},
        diagnosis=("missing-term",),
    ),
    two_ways(
        "zscore-ddof",
        "option",
        scores_of,
        scores_of_back,
        bug="ddof is ignored in the backward",
        arguments=lambda st: {
            "x": st.array("n d", domain=MODERATE),
            "ddof": hyp.integers(0, 1),
            "axes": {"n": (2, 6)},
        },
        bug_point=lambda: {"x": normal(1246, 4, 2), "ddof": 1},
        generic_point=lambda: {"x": normal(1247, 3, 2), "ddof": 0},
        diagnosis=("missing-term", "wrong-for-option"),
    ),
    two_ways(
        "ppo-negative",
        "wrong for negative",
        clipped_surrogate,
        clipped_surrogate_back,
        bug="the clip is taken to be that of a positive advantage",
        arguments=lambda st: {
            "logp": st.array("n", domain=(-3, 0)),
            "old": st.array("n", domain=(-3, 0)),
            "advantage": "n",
        },
        bug_point=lambda: {
            "logp": np.array([-0.2, -1.5, -0.3, -1.0]),
            "old": np.array([-1.0, -0.4, -1.4, -1.05]),
            "advantage": np.array([0.7, -0.9, -1.2, 0.4]),
        },
        generic_point=lambda: {
            "logp": np.array([-1.0, -0.4]),
            "old": np.array([-1.05, -0.45]),
            "advantage": np.array([0.7, -0.9]),
        },
        diagnosis=("wrong-for-negative", "inverted-mask", "ignores-mask", "missing-term"),
    ),
    two_ways(
        "log1mexp-cancels",
        "cancellation",
        log_one_minus_exp,
        log_one_minus_exp_back,
        bug="1 - exp(-x) cancels for small x",
        arguments=lambda st: {"x": st.positive("n")},
        bug_point=lambda: {"x": np.array([3.3e-12, 2.7e-10])},
        generic_point=lambda: {"x": positive(1248, 4)},
        diagnosis=("wrong-for-small", "low-precision"),
        symptom=loses_digits,
    ),
    two_ways(
        "hazard-tail",
        "overflow",
        hazard,
        hazard_back,
        bug="density and tail underflow one by one: 0 / 0",
        arguments=lambda st: {"x": st.array("n", domain=(-100, 100))},
        bug_point=lambda: {"x": np.array([0.3, 45.0])},
        generic_point=lambda: {"x": normal(1249, 4)},
        diagnosis=("overflow", "wrong-for-positive"),
    ),
    two_ways(
        "invsoftplus-overflow",
        "overflow",
        inverse_softplus,
        inverse_softplus_back,
        bug="exp(y) / (exp(y) - 1) where both overflow",
        arguments=lambda st: {"y": st.positive("n")},
        bug_point=lambda: {"y": np.array([0.7, 800.0])},
        generic_point=lambda: {"y": positive(1250, 4)},
        diagnosis=("overflow",),
    ),
    two_ways(
        "jinc-zero",
        "0/0",
        jinc,
        jinc_back,
        bug="0 / 0 on the axis, which the forward guards",
        arguments=lambda st: {"r": st.array("n", domain=(-20, 20))},
        bug_point=lambda: {"r": np.array([0.7, 0.0])},
        generic_point=lambda: {"r": normal(1251, 4)},
        diagnosis=("singular-at-zero",),
    ),
    two_ways(
        "boost-weights",
        "missing factor",
        weighted_deviance,
        weighted_deviance_back,
        bug="the sample weights are left out of the gradient",
        arguments=lambda st: {
            "w": st.array("d", domain=(-2, 2)),
            "x": st.array("n d", domain=(-2, 2)),
            "y": st.array("n", domain=(0, 5)),
            "weight": st.positive("n"),
        },
        bug_point=lambda: {
            "w": normal(1252, 2, scale=0.5),
            "x": normal(1253, 4, 2),
            "y": np.array([0.0, 2, 1, 3]),
            "weight": positive(1254, 4),
        },
        generic_point=lambda: {
            "w": normal(1255, 2, scale=0.5),
            "x": normal(1256, 3, 2),
            "y": np.array([1.0, 0, 2]),
            "weight": np.ones(3),
        },
        diagnosis=("wrong-factor", "missing-term"),
    ),
    two_ways(
        "tversky-swapped",
        "option",
        tversky,
        tversky_back,
        bug="alpha and beta have changed places, which are equal by default",
        arguments=lambda st: {
            "p": st.array("n", domain=(0.01, 0.99)),
            "y": st.mask("n", dtype="int64"),
            "alpha": hyp.sampled_from([0.5, 0.3, 0.7]),
            "beta": hyp.sampled_from([0.5, 0.7]),
        },
        bug_point=lambda: {
            "p": special.expit(normal(1257, 5)),
            "y": np.array([1, 0, 0, 1, 1]),
            "alpha": 0.3,
            "beta": 0.7,
        },
        generic_point=lambda: {
            "p": special.expit(normal(1258, 4)),
            "y": np.array([1, 0, 1, 0]),
            "alpha": 0.5,
            "beta": 0.5,
        },
        diagnosis=("wrong-for-option", "missing-term"),
    ),
    two_ways(
        "moment-size",
        "constant",
        kurtosis_penalty,
        kurtosis_penalty_back,
        bug="divided by the size of the array, not by its rows",
        arguments=lambda st: {"x": st.array("n d", domain=(-3, 3))},
        bug_point=lambda: {"x": normal(1259, 4, 3)},
        generic_point=lambda: {"x": normal(1260, 4, 1)},
        diagnosis=("constant-factor",),
    ),
)
