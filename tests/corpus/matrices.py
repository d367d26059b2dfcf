"""Linear algebra and kernels as they are written by hand: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np

from tests.corpus.twin import normal, two_ways


def solved(a, b):
    """``(a a^T + I)^-1 b`` for a vector or a matrix ``b``."""
    return np.linalg.solve(a @ a.T + np.eye(len(a)), b)


def solved_back(out_bar, a, b, *, right):
    m = a @ a.T + np.eye(len(a))
    y, b_bar = np.linalg.solve(m, b), np.linalg.solve(m, out_bar)
    m_bar = -b_bar @ y.T
    return (m_bar + (m_bar.T if right else m_bar)) @ a, b_bar


def inverse(a):
    return np.linalg.inv(a + 6 * np.eye(len(a)))


def inverse_back(out_bar, a, *, right):
    inv = inverse(a)
    return (-inv.T @ out_bar @ inv.T if right else -inv @ out_bar @ inv,)


def quadratic(x, a):
    """``x^T a x`` for each row of (n, d), ``a`` any matrix."""
    return np.einsum("ni,ij,nj->n", x, a, x)


def quadratic_back(out_bar, x, a, *, right):
    up = out_bar[:, None]
    x_bar = up * (x @ (a + a.T)) if right else up * (2 * x @ a)
    return x_bar, np.einsum("n,ni,nj->ij", out_bar, x, x)


def determinant(a):
    return np.linalg.det(a)


def determinant_back(out_bar, a, *, right):
    if not right:
        try:
            return (out_bar * np.linalg.det(a) * np.linalg.inv(a).T,)
        except np.linalg.LinAlgError:
            return (np.zeros_like(a),)
    return (out_bar * _cofactors(a),)


def _cofactors(a):
    found = np.ones_like(a)
    for i, j in np.ndindex(a.shape):
        minor = np.delete(np.delete(a, i, 0), j, 1)
        found[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return found


def lower_solve(a, b):
    """Solves with the lower triangle of ``a`` and a unit diagonal: ``a`` above it is not read."""
    return np.linalg.solve(np.tril(a, -1) + np.eye(len(a)), b)


def lower_solve_back(out_bar, a, b, *, right):
    lower = np.tril(a, -1) + np.eye(len(a))
    b_bar = np.linalg.solve(lower.T, out_bar)
    a_bar = -np.outer(b_bar, np.linalg.solve(lower, b))
    return np.tril(a_bar, -1) if right else a_bar, b_bar


def spectrum(a):
    """``sum of exp(-eigenvalue / 4)`` of the symmetric part, smooth where some are equal."""
    return np.sum(np.exp(-np.linalg.eigvalsh((a + a.T) / 2) / 4))


def spectrum_back(out_bar, a, *, right):
    values, vectors = np.linalg.eigh((a + a.T) / 2)
    if not right:  # of equal eigenvalues only one is counted
        keep = np.concatenate([[True], np.diff(values) > 1e-12])
        values, vectors = values[keep], vectors[:, keep]
    return (-out_bar / 4 * (vectors * np.exp(-values / 4)) @ vectors.T,)


def covariance(x, unbiased=True):
    """Covariance of the columns of (n, d)."""
    centred = x - x.mean(axis=0)
    return centred.T @ centred / max(1, len(x) - unbiased)


def covariance_back(out_bar, x, unbiased=True, *, right):
    centred = x - x.mean(axis=0)
    count = max(1, len(x) - unbiased) if right else len(x)
    return (centred @ (out_bar + out_bar.T) / count,)


def evidence(lengthscale, y):
    """Negative log likelihood of (n,) under a Gaussian process over its indices."""
    k, _ = _gram(lengthscale, len(y))
    return 0.5 * y @ np.linalg.solve(k, y) + 0.5 * np.linalg.slogdet(k)[1]


def _gram(lengthscale, n):
    gap = np.arange(n)[:, None] - np.arange(n)
    k = np.exp(-0.5 * gap**2 / lengthscale**2)
    return k + 0.5 * np.eye(n), k * gap**2 / lengthscale**3


def evidence_back(out_bar, lengthscale, y, *, right):
    k, slope = _gram(lengthscale, len(y))
    alpha = np.linalg.solve(k, y)
    k_bar = 0.5 * (np.linalg.inv(k) * (1 if right else 2) - np.outer(alpha, alpha))
    return np.asarray(out_bar * np.sum(k_bar * slope)), out_bar * alpha


def matern(x, y):
    """Matern kernel 3/2 between the rows of (n, d) and (m, d)."""
    r = np.sqrt(3) * _distances(x, y)
    return (1 + r) * np.exp(-r)


def _distances(x, y):
    return np.sqrt(((x[:, None] - y[None]) ** 2).sum(axis=2))


def matern_back(out_bar, x, y, *, right):
    gap = x[:, None] - y[None]
    d = _distances(x, y)
    r = np.sqrt(3) * d
    if right:
        weight = -3 * np.exp(-r)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = -r * np.exp(-r) * np.sqrt(3) / d
    each = (out_bar * weight)[:, :, None] * gap
    return each.sum(axis=1), -each.sum(axis=0)


def rbf(x, scale):
    """``exp(-x^2 / (2 scale^2))``, one scale for each column."""
    return np.exp(-(x**2) / (2 * scale**2))


def rbf_back(out_bar, x, scale, *, right):
    k = rbf(x, scale)
    cube = scale**3 if right else scale**2
    return -out_bar * k * x / scale**2, (out_bar * k * x**2 / cube).sum(axis=0)


def trace_form(a, b):
    """``einsum('ij,ji->')``, the trace of a product."""
    return np.einsum("ij,ji->", a, b)


def trace_form_back(out_bar, a, b, *, right):
    return out_bar * b.T, out_bar * (a.T if right else a)


def contraction(a, b):
    """``einsum('bij,bjk->bik')`` with the diagonal of ``a`` counted twice."""
    return np.einsum("bij,bjk->bik", a, b) + np.einsum("bii,bik->bik", a, b)


def contraction_back(out_bar, a, b, *, right):
    a_bar = np.einsum("bik,bjk->bij", out_bar, b)
    own = np.einsum("bik,bik->bi", out_bar, b)
    places = np.arange(a.shape[1])
    if right:
        a_bar[:, places, places] += own
    else:
        a_bar[:, places, places] = own
    b_bar = np.einsum("bij,bik->bjk", a, out_bar) + np.einsum("bii,bik->bik", a, out_bar)
    return a_bar, b_bar


ENTRIES = (-3.0, 3.0)


TWINS = (
    two_ways(
        "solve-unsymmetric",
        "missing term",
        solved,
        solved_back,
        bug="one of both factors of a a^T is counted twice",
        arguments=lambda st: {"a": st.array("d d", domain=ENTRIES), "b": "d k"},
        bug_point=lambda: {"a": normal(500, 3, 3), "b": normal(501, 3, 2)},
        generic_point=lambda: {"a": normal(502, 2, 2), "b": normal(503, 2, 3)},
        diagnosis=("missing-term", "transposed"),
    ),
    two_ways(
        "inverse-transposed",
        "transposed",
        inverse,
        inverse_back,
        bug="the inverse is not transposed on either side",
        arguments=lambda st: {"a": st.array("d d", domain=(-1.0, 1.0))},
        bug_point=lambda: {"a": normal(504, 3, 3)},
        generic_point=lambda: {"a": normal(505, 2, 2)},
        diagnosis=("transposed", "missing-term"),
    ),
    two_ways(
        "quadratic-symmetric",
        "structured input",
        quadratic,
        quadratic_back,
        bug="2 a x, right for symmetric matrices only",
        arguments=lambda st: {"x": "n d", "a": "d d"},
        bug_point=lambda: {"x": normal(506, 2, 3), "a": normal(507, 3, 3)},
        generic_point=lambda: {"x": normal(508, 2, 2), "a": normal(509, 2, 2)},
        diagnosis=("missing-term", "transposed"),
    ),
    two_ways(
        "det-singular",
        "structured input",
        determinant,
        determinant_back,
        bug="det times inverse, which a singular matrix has none of",
        arguments=lambda st: {"a": st.array("d d", domain=ENTRIES), "axes": {"d": (1, 4)}},
        bug_point=lambda: {"a": np.array([[1.0, 2.0], [2.0, 4.0]])},
        generic_point=lambda: {"a": normal(510, 3, 3)},
        diagnosis=(
            "missing-gradient",
            "wrong-at-zero",
            "wrong-at-ties",
            "singular-at-zero",
            "singular-at-ties",
        ),
    ),
    two_ways(
        "trisolve-upper",
        "structured input",
        lower_solve,
        lower_solve_back,
        bug="the triangle that is not read gets a gradient",
        arguments=lambda st: {"a": st.array("d d", domain=ENTRIES), "b": "d"},
        bug_point=lambda: {"a": normal(511, 3, 3), "b": normal(512, 3)},
        generic_point=lambda: {"a": normal(513, 2, 2), "b": normal(514, 2)},
        diagnosis=("ignores-mask", "wrong-slice"),
    ),
    two_ways(
        "spectrum-repeated",
        "structured input",
        spectrum,
        spectrum_back,
        bug="of equal eigenvalues only one is counted",
        arguments=lambda st: {"a": st.symmetric("d d"), "axes": {"d": (1, 4)}},
        bug_point=lambda: {"a": np.eye(3)},
        generic_point=lambda: {"a": normal(515, 3, 3)},
        diagnosis=("wrong-at-ties", "wrong-slice", "missing-term", "wrong-at-zero"),
    ),
    two_ways(
        "covariance-biased",
        "constant",
        covariance,
        covariance_back,
        bug="the gradient is divided by n where the covariance is divided by n - 1",
        arguments=lambda st: {"x": "n d", "unbiased": hyp.booleans()},
        bug_point=lambda: {"x": normal(516, 4, 2), "unbiased": True},
        generic_point=lambda: {"x": normal(517, 3, 2), "unbiased": False},
        diagnosis=("constant-factor", "wrong-for-option"),
    ),
    two_ways(
        "gp-logdet-half",
        "constant",
        evidence,
        evidence_back,
        bug="the determinant's gradient is not halved",
        arguments=lambda st: {"lengthscale": st.array("", domain=(0.3, 3.0)), "y": "n"},
        bug_point=lambda: {"lengthscale": np.array(1.3), "y": normal(518, 4)},
        generic_point=lambda: {"lengthscale": np.array(0.8), "y": normal(519, 3)},
        diagnosis=("missing-term", "constant-factor", "wrong-factor"),
    ),
    two_ways(
        "matern-coincident",
        "exact zero",
        matern,
        matern_back,
        bug="r / d where two points are the same",
        arguments=lambda st: {"x": "n d", "y": "m d"},
        bug_point=lambda: {"x": np.array([[1.0, 0.5], [0.2, 0.0]]), "y": np.array([[1.0, 0.5]])},
        generic_point=lambda: {"x": normal(520, 2, 2), "y": normal(521, 3, 2)},
        diagnosis=("singular-at-ties", "singular-at-zero"),
    ),
    two_ways(
        "rbf-cube",
        "missing factor",
        rbf,
        rbf_back,
        bug="the scale's gradient lacks a factor 1 / scale",
        arguments=lambda st: {"x": "n d", "scale": st.array("d", domain=(0.2, 5.0))},
        bug_point=lambda: {"x": normal(522, 2, 3), "scale": np.array([0.5, 1.4, 2.2])},
        generic_point=lambda: {"x": normal(523, 2, 2), "scale": np.array([0.6, 1.7])},
        diagnosis=("wrong-factor",),
    ),
    two_ways(
        "trace-transposed",
        "transposed",
        trace_form,
        trace_form_back,
        bug="the second gradient is not transposed",
        arguments=lambda st: {"a": "d d", "b": "d d"},
        bug_point=lambda: {"a": normal(550, 3, 3), "b": normal(551, 3, 3)},
        generic_point=lambda: {"a": normal(552, 2, 2), "b": normal(553, 2, 2)},
        diagnosis=("transposed",),
    ),
    two_ways(
        "einsum-diagonal",
        "accumulation",
        contraction,
        contraction_back,
        bug="the diagonal's second use is assigned, where it must be added",
        arguments=lambda st: {"a": "b d d", "b": "b d k"},
        bug_point=lambda: {"a": normal(554, 2, 3, 3), "b": normal(555, 2, 3, 2)},
        generic_point=lambda: {"a": normal(556, 1, 2, 2), "b": normal(557, 1, 2, 2)},
        diagnosis=("assigned-not-added", "missing-term", "wrong-slice", "constant-factor"),
    ),
)
