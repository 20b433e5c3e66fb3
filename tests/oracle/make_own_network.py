#!/usr/bin/env python3
"""tests/data/own_network.txt: the losses of examples/own_network.c, from the same network in PyTorch with autograd and torch.optim, in float64.

    python tests/oracle/make_own_network.py    needs torch
"""
import struct

import torch

torch.set_default_dtype(torch.float64)
IN, HIDDEN, OUT, ROWS, STEPS, SHOW, RATE = 16, 32, 4, 256, 300, 50, 0.01
state = 1


def fill(*shape, scale):
    """The example's numbers: float32 values of a 64-bit linear congruential generator."""
    global state
    values = []
    for _ in range(torch.Size(shape).numel()):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        values.append(struct.unpack("f", struct.pack("f", scale * ((state >> 11) / 2**52 - 1)))[0])
    return torch.tensor(values).reshape(shape)


def cayley(skew, b):
    s = torch.zeros(b, b)
    i, j = torch.triu_indices(b, b, 1)
    s = s.index_put((i, j), skew).index_put((j, i), -skew)
    return (torch.eye(b) - s) @ torch.linalg.inv(torch.eye(b) + s)


w1, b1, w2, b2 = fill(HIDDEN, IN, scale=0.4), fill(HIDDEN, scale=0.1), fill(OUT, HIDDEN, scale=0.4), fill(OUT, scale=0.1)
x, q = fill(ROWS, IN, scale=1), cayley(fill(IN * (IN - 1) // 2, scale=0.2), IN)
first, second = (torch.zeros(n * (n - 1) // 2, requires_grad=True) for n in (IN, HIDDEN))


def network(inputs, a1, a2):
    return torch.tanh(inputs @ a1 @ w1.T + b1) @ a2 @ w2.T + b2


target, seen = network(x, torch.eye(IN), torch.eye(HIDDEN)), x @ q
optimizer = torch.optim.AdamW([first, second], lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
with open("tests/data/own_network.txt", "w") as out:
    for step in range(STEPS + 1):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(network(seen, cayley(first, IN), cayley(second, HIDDEN)), target)
        if step % SHOW == 0:
            out.write(f"{step} {loss.item():.6e}\n")
        loss.backward()
        if step < STEPS:
            optimizer.step()
    out.write(f"merged {loss.item():.6e}\n")
