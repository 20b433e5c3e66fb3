#!/usr/bin/env python3
"""tests/data/optimizer.safetensors: ten steps of torch.optim's SGD and AdamW in float32, with a learning rate that changes from step to step.

    python tests/oracle/make_optimizer.py    needs torch, safetensors
"""
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
save_file(out, "tests/data/optimizer.safetensors")
