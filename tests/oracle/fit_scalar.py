"""Coefficients of lib/ops/scalar.h: least squares at Chebyshev nodes, with the error a float32 evaluation has.

usage: python fit_scalar.py        (numpy, mpmath)
"""
import mpmath as mp
import numpy as np
from numpy.polynomial import chebyshev, polynomial


def fit(f, a, b, degree, nodes=400):
    """Ascending coefficients of the polynomial in t that follows f on [a, b]."""
    x = np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)
    y = [float(f(t)) for t in (a + b) / 2 + (b - a) / 2 * x]
    result, power = np.zeros(1), np.ones(1)
    line = np.array([-(a + b) / (b - a), 2 / (b - a)])  # x as a polynomial in t
    for c in chebyshev.cheb2poly(chebyshev.chebfit(x, y, degree)):
        result = polynomial.polyadd(result, c * power)
        power = polynomial.polymul(power, line)
    return result


def horner(coefficients, t):
    r = np.float32(0)
    for c in coefficients[::-1]:
        r = np.float32(r * t + np.float32(c))
    return r


exp_tail = fit(lambda r: (mp.e**r - 1 - r) / r**2 if r else mp.mpf("0.5"), -0.3466, 0.3466, 4)
small = fit(lambda s: mp.erf(mp.sqrt(s)) / mp.sqrt(s) if s > 0 else 2 / mp.sqrt(mp.pi), 0, 1, 7)
large = fit(lambda t: mp.log(mp.erfc(t)), 0.95, 4, 8)
for name, c in ("exp, from r^2", exp_tail), ("erf(x)/x in x^2", small), ("log erfc", large):
    print(name, ", ".join(f"{v:.9e}f" for v in c))

x = np.linspace(-5, 5, 20001).astype(np.float32)
t = np.abs(x)
erf = np.where(t < 1, horner(small, x * x) * x, np.copysign(1 - np.exp(horner(large, np.minimum(t, np.float32(4)))), x))
print("largest |erf - exact|", max(abs(erf[i] - float(mp.erf(float(x[i])))) for i in range(0, len(x), 7)))
