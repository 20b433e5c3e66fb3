#!/usr/bin/env python3
"""tests/data/optimizer.safetensors: ten steps of torch.optim's SGD and AdamW in float32, with a learning rate that changes from step to step, and
thirty steps of geoopt's Riemannian SGD and Adam in float64.

    python tests/oracle/make_optimizer.py    needs torch, geoopt, safetensors
"""
import geoopt
import torch
from safetensors.torch import save_file

torch.manual_seed(2)
STEPS, SIZE = 10, 37
start, gradients = torch.randn(SIZE), torch.randn(STEPS, SIZE) * torch.logspace(-3, 1, SIZE)
rates = [1e-2 * (1 - t / STEPS) for t in range(STEPS)]
makers = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1.0, foreach=False),
    "momentum": lambda p: torch.optim.SGD(p, lr=1.0, momentum=0.9, weight_decay=5e-4, foreach=False),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, foreach=False, fused=False),
    "adamw_low": lambda p: torch.optim.AdamW(p, lr=1.0, betas=(0.25, 0.5), eps=1e-3, weight_decay=0.1, foreach=False, fused=False),
}
out = {"start": start, "gradients": gradients, "rates": torch.tensor(rates)}
for name, make in makers.items():
    p = start.clone().requires_grad_()
    optimizer, after = make([p]), []
    for rate, gradient in zip(rates, gradients):
        optimizer.param_groups[0]["lr"] = rate
        p.grad = gradient.clone()
        optimizer.step()
        after.append(p.detach().clone())
    out[name] = torch.stack(after)


# f(X) = |A X - C|^2 / 2 on Stiefel manifolds. geoopt starts the momentum buffer at the Euclidean gradient, which is no tangent and counts the first gradient
# twice: here it starts at zero. Its canonical "retraction" of square matrices moves twice as far as its argument says: half the rate. For tall ones it leaves
# along another direction than its argument (docs/manifold.md), put right in Canonical.

class Canonical(geoopt.CanonicalStiefel):
    @staticmethod
    def _amat(x, u):
        pu = u - x @ (x.T @ u) / 2
        return pu @ x.T - x @ pu.T


class Polar(geoopt.EuclideanStiefel):
    def retr(self, x, u):
        return self.projx(x + u)


def follow(manifold, adam, rate, x, a, c):
    point, after = geoopt.ManifoldParameter(x.clone(), manifold=manifold), []
    optimizer = geoopt.optim.RiemannianAdam([point], lr=rate) if adam else geoopt.optim.RiemannianSGD([point], lr=rate, momentum=0.9)
    if not adam:
        optimizer.state[point]["momentum_buffer"] = torch.zeros_like(x)
    for step in range(1, 31):
        optimizer.zero_grad()
        (0.5 * (a @ point - c).pow(2).sum()).backward()
        optimizer.step()
        if step in (1, 10, 30):
            after.append(point.detach().clone())
    return torch.stack(after)


for n, p in [(6, 6), (9, 4)]:
    a, c = torch.randn(n, n), torch.randn(n, p)
    x = torch.linalg.qr(torch.randn(n, p).double())[0].float().double()  # off the manifold by rounding, as float32 starts are
    out |= {f"stiefel.{n}.A": a, f"stiefel.{n}.C": c, f"stiefel.{n}.X": x.float()}
    for adam, rate in [(False, 0.01), (True, 0.1)]:
        canonical = (geoopt.CanonicalStiefel(), rate / 2) if n == p else (Canonical(), rate)
        for name, (manifold, lr) in {"qr": (geoopt.EuclideanStiefel(), rate), "polar": (Polar(), rate), "cayley": canonical}.items():
            out[f"stiefel.{n}.{'radam' if adam else 'rsgd'}.{name}"] = follow(manifold, adam, lr, x, a.double(), c.double())
save_file({name: value.contiguous() for name, value in out.items()}, "tests/data/optimizer.safetensors")
