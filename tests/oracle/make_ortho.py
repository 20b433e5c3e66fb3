#!/usr/bin/env python3
"""tests/data/ortho.safetensors: the Cayley transform, the QR factorisation and their gradients by PyTorch in float64, PEFT's own OFT rotation, geoopt's
retractions, projections and lengths on Stiefel manifolds, and the hyperspherical energy as OFT defines and as its code computes it.

    python tests/oracle/make_ortho.py        needs torch, peft, geoopt, safetensors
"""
import math

import geoopt
import torch
from peft import HRAConfig
from peft.tuners.boft.layer import BOFTLayer
from peft.tuners.hra.layer import HRALinear
from peft.tuners.oft.layer import OFTRotationModule
from safetensors.torch import save_file

torch.manual_seed(1)
out = {}


def cayley(v, b):
    S = torch.zeros(b, b, dtype=v.dtype)
    rows, columns = torch.triu_indices(b, b, 1)
    S = S.index_put((rows, columns), v)
    S = S - S.T
    eye = torch.eye(b, dtype=v.dtype)
    return torch.linalg.solve(eye + S, eye - S, left=False)


for b, scale in [(2, 1.0), (5, 1.0), (16, 0.5), (24, 0.05)]:
    v = (scale * torch.randn(b * (b - 1) // 2)).double().requires_grad_()  # float32 values, exact in float64
    G = torch.randn(b, b).double()
    R = cayley(v, b)
    (R * G).sum().backward()
    oft = OFTRotationModule(r=1, n_elements=v.numel(), block_size=b, in_features=b, use_cayley_neumann=False)
    peft = oft._cayley_batch(v.detach()[None], b, use_cayley_neumann=False)[0]
    out |= {f"cayley.{b}.v": v.detach().float(), f"cayley.{b}.G": G.float(), f"cayley.{b}.R": R.detach(), f"cayley.{b}.grad": v.grad.clone(),
            f"cayley.{b}.peft": peft.contiguous()}

oft = OFTRotationModule(r=3, n_elements=10, block_size=5, in_features=15, use_cayley_neumann=False).double()  # a whole layer's rotation of rows
v, x = 0.5 * torch.randn(3, 10), torch.randn(4, 15)
oft.weight.data.copy_(v)
out |= {"layer.v": v, "layer.x": x, "layer.y": oft(x.double()).detach().contiguous()}

for n, p in [(6, 6), (9, 4), (12, 1)]:
    X = torch.randn(n, p)
    Q, R = torch.linalg.qr(X.double())
    out |= {f"qr.{n}.X": X, f"qr.{n}.Q": (Q * torch.where(R.diagonal() < 0, -1.0, 1.0)).contiguous()}

# geoopt's canonical "retraction" leaves X along U - X U^T X: its tangent u is our U = u + X X^T u (docs/manifold.md).
euclidean, canonical = geoopt.EuclideanStiefel(), geoopt.CanonicalStiefel()
for n, p in [(6, 6), (11, 3)]:
    X = torch.linalg.qr(torch.randn(n, p).double())[0].float().double()
    G, Z = torch.randn(n, p).double(), 0.3 * torch.randn(n, p).double()
    U = euclidean.proju(X, Z)
    out |= {f"stiefel.{n}.X": X.float(), f"stiefel.{n}.G": G.float(), f"stiefel.{n}.U": U.clone(), f"stiefel.{n}.projected": euclidean.proju(X, G.float().double()),
            f"stiefel.{n}.canonical": canonical.egrad2rgrad(X, G.float().double()), f"stiefel.{n}.qr": euclidean.retr(X, U),
            f"stiefel.{n}.polar": euclidean.projx(X + U), f"stiefel.{n}.U_cayley": U + X @ X.T @ U, f"stiefel.{n}.cayley": canonical.retr(X, U)}

# The other parametrisations: torch.matrix_exp, PEFT's HRA (normals are the columns of hra_u) and the product of factors that PEFT's BOFT merges.
for b, scale in [(5, 0.05), (16, 0.5), (24, 3.0)]:
    v = (scale * torch.randn(b * (b - 1) // 2)).double().requires_grad_()
    rows, columns = torch.triu_indices(b, b, 1)
    S = torch.zeros(b, b, dtype=v.dtype).index_put((rows, columns), v)
    G = torch.randn(b, b).double()
    A = torch.matrix_exp(S - S.T)
    (A * G).sum().backward()
    out |= {f"expm.{b}.v": v.detach().float(), f"expm.{b}.G": G.float(), f"expm.{b}.A": A.detach(), f"expm.{b}.grad": v.grad.clone()}

b, k = 12, 6
p = 0.5 * torch.randn(k, b)
i = torch.arange(b).double() + 0.5
base = math.sqrt(2 / b) * torch.cos(math.pi / b * i[None, :] * i[: k // 2, None])
hra = HRALinear(torch.nn.Linear(b, b, bias=False).double(), "default", config=HRAConfig(r=k), r=k)
hra.hra_u["default"].data = (base.repeat_interleave(2, 0) + p).T.contiguous()
out |= {"householder.p": p, "householder.A": hra.get_delta_weight("default").detach()}

b, s, m = 24, 4, 2
v = 0.5 * torch.randn(m, b // s, s * (s - 1) // 2)
A = torch.eye(b).double()
for factor in range(m):
    blocks = torch.block_diag(*(cayley(x.double(), s) for x in v[factor]))
    order = BOFTLayer.block_butterfly_perm(None, b, b // s // 2**factor, s // 2, m - 1)
    P = BOFTLayer.perm2mat(None, order).double()
    A = P @ blocks @ P.T @ A
out |= {"butterfly.v": v, "butterfly.A": A}

# X = QR with diag R > 0 and the gradient through both factors.
for n, p in [(6, 6), (9, 4), (12, 1)]:
    X, GQ, GR = torch.randn(n, p).double().requires_grad_(), torch.randn(n, p), torch.randn(p, p).triu()
    Q, R = torch.linalg.qr(X)
    signs = R.diagonal().sign().detach()
    Q, R = Q * signs, signs[:, None] * R
    ((Q * GQ).sum() + (R * GR).sum()).backward()
    out |= {f"qr_adjoint.{n}.X": X.detach().float(), f"qr_adjoint.{n}.GQ": GQ, f"qr_adjoint.{n}.GR": GR, f"qr_adjoint.{n}.Q": Q.detach(),
            f"qr_adjoint.{n}.R": R.detach(), f"qr_adjoint.{n}.grad": X.grad.clone()}


def half_space_energy(W):
    """oft_utils/mhe.py of Zeju1997/oft: neurons and their negatives, s = 1, without its 1e-4 under the root of the lengths."""
    unit = torch.nn.functional.normalize(torch.cat([W, -W]), dim=1)
    rows, columns = torch.triu_indices(len(unit), len(unit), 1)
    return ((2 - 2 * (unit @ unit.T)[rows, columns]) ** -0.5).mean()


for n, d in [(2, 1), (7, 5), (70, 9)]:
    W = torch.tensor([[3.0], [-2.0]]) if d == 1 else torch.randn(n, d) * torch.logspace(-3, 3, n)[:, None]
    W[-1] = W[0] + 1e-10 * W[-1] if n == 70 else W[-1]  # two neurons 1e-4 apart
    unit = W.double() / W.double().norm(dim=1, keepdim=True)
    distances = (unit[:, None] - unit[None]).norm(dim=2)
    mean = sum(1 / distances[i, j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    out |= {f"energy.{n}.W": W, f"energy.{n}.mean": mean[None]}
    if n == 7:
        out |= {f"energy.{n}.half_space": half_space_energy(W.double())[None]}

save_file({name: value.contiguous() for name, value in out.items()}, "tests/data/ortho.safetensors")
