#!/usr/bin/env python3
"""tests/data/ortho.safetensors: the Cayley transform, its gradient and the QR retraction by PyTorch in float64, and PEFT's own OFT rotation.

    python tests/oracle/make_ortho.py        needs torch, peft, safetensors
"""
import torch
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

save_file(out, "tests/data/ortho.safetensors")
