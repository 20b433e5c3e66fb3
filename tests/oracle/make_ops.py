"""PyTorch's values and gradients of every op, in float64: tests/data/ops.safetensors.

usage: python tests/oracle/make_ops.py        (torch, safetensors; from the repository root)
"""
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(5)
out = {}


def record(name, inputs, result):
    """The result, a random cotangent, and the gradient of every input that wants one."""
    cotangent = torch.randn_like(result)
    result.backward(cotangent)
    out[f"{name}.y"], out[f"{name}.gy"] = result.detach(), cotangent
    for key, x in inputs.items():
        out[f"{name}.{key}"] = x.detach()
        if x.grad is not None:
            out[f"{name}.g{key}"] = x.grad


def leaf(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def plain(*shape):
    return torch.randn(*shape, dtype=torch.float64)


x, w, b, r = leaf(5, 7), plain(9, 7), plain(9), leaf(5, 9)
record("linear", dict(x=x, w=w, b=b, r=r), F.linear(x, w, b) + r)

x, w, b = leaf(4, 33), plain(33), plain(33)
record("layernorm", dict(x=x, w=w, b=b), F.layer_norm(x, (33,), w, b, 1e-5))

for name, f in dict(quick_gelu=lambda x: x * torch.sigmoid(1.702 * x), gelu=F.gelu, gelu_tanh=lambda x: F.gelu(x, approximate="tanh")).items():
    x = (4 * plain(300)).requires_grad_()
    record(name, dict(x=x), f(x))

for name, causal in dict(attention=False, attention_causal=True).items():  # (batch 2, tokens 6, width 12), 3 heads
    q, k, v = leaf(2, 6, 12), leaf(2, 6, 12), leaf(2, 6, 12)
    heads = [t.view(2, 6, 3, 4).transpose(1, 2) for t in (q, k, v)]
    record(name, dict(q=q, k=k, v=v), F.scaled_dot_product_attention(*heads, is_causal=causal).transpose(1, 2).reshape(2, 6, 12))

x = leaf(6, 11)
record("normalize", dict(x=x), F.normalize(x, dim=-1))

x = (3 * plain(6, 5)).requires_grad_()
labels, q = torch.tensor([0, 4, 2, 2, 1, 3]), (2 * plain(6, 5)).log_softmax(-1)
for name, f in dict(
    cross_entropy=lambda lp: F.nll_loss(lp, labels, reduction="sum"),
    kl_forward=lambda lp: F.kl_div(lp, q, log_target=True, reduction="sum"),
    kl_reverse=lambda lp: F.kl_div(q, lp, log_target=True, reduction="sum"),
).items():
    x.grad = None
    loss = f(x.log_softmax(-1))
    loss.backward()
    out[f"{name}.y"], out[f"{name}.gx"] = loss.detach().view(1), x.grad.clone()
out["loss.x"], out["loss.q"], out["loss.labels"] = x.detach(), q, labels.int()
out["log_softmax.y"] = x.detach().log_softmax(-1)

save_file({k: v.contiguous() for k, v in out.items()}, "tests/data/ops.safetensors")
