"""PyTorch's value and gradients of the complete loss on raw features, in float64: tests/data/loss.safetensors.

usage: python tests/oracle/make_loss.py        (torch, safetensors; from the repository root)

images, cut (5, 8), prompts (4 classes x 2 templates, 8), frozen prompts (4 classes x 3 templates, 8), frozen images and cut; the cases are
{frozen-tuned, tuned-frozen} x {batch mean, mean} x T in {1, 2.5}, named by three digits; and the first of them with the anchor by the frozen model's
confidence and at 0.3 of its weights, "confidence".
"""
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)
CLASSES, TEMPLATES, FROZEN_TEMPLATES, EMBED, N, SCALE = 4, 2, 3, 8, 5, 6.0
WEIGHTS = dict(kl=1.5, ce_cut=0.8, kl_cut=1.25)
labels = torch.tensor([3, 0, 1, 1, 2])
out = {name: torch.randn(N, EMBED) for name in ("images", "cut", "frozen_images", "frozen_cut")}
out["prompts"], out["frozen_prompts"] = torch.randn(CLASSES * TEMPLATES, EMBED), torch.randn(CLASSES * FROZEN_TEMPLATES, EMBED)


def logits(images, prompts):
    classes = F.normalize(F.normalize(prompts, dim=-1).view(CLASSES, -1, EMBED).mean(1), dim=-1)
    return SCALE * F.normalize(images, dim=-1) @ classes.T


def anchor(frozen, tuned, direction, reduction, t, confidence=False):
    frozen, tuned = (frozen / t).log_softmax(-1), (tuned / t).log_softmax(-1)
    target, given = (frozen, tuned) if direction == 0 else (tuned, frozen)
    if confidence:
        trust = frozen.gather(1, labels[:, None]).exp()
        return (trust * F.kl_div(given, target, log_target=True, reduction="none")).sum() / N
    return t * t * F.kl_div(given, target, log_target=True, reduction="batchmean" if reduction == 0 else "mean")


def case(name, direction, reduction, t, confidence=False, factor=1.0):
    leaves = [out[k].clone().requires_grad_() for k in ("images", "cut", "prompts")]
    images, cut, prompts = leaves
    z, z_cut = logits(images, prompts), logits(cut, prompts)
    frozen, frozen_cut = (logits(out[k], out["frozen_prompts"]) for k in ("frozen_images", "frozen_cut"))
    terms = dict(
        ce=F.cross_entropy(z, labels),
        kl=anchor(frozen, z, direction, reduction, t, confidence),
        ce_cut=F.cross_entropy(z_cut, labels),
        kl_cut=anchor(frozen_cut, z_cut, direction, reduction, t, confidence),
    )
    loss = terms["ce"] + sum(w * terms[k] * (factor if k.startswith("kl") else 1) for k, w in WEIGHTS.items())
    loss.backward()
    out[f"{name}.values"] = torch.stack([loss.detach()] + [terms[k].detach() for k in ("ce", "kl", "ce_cut", "kl_cut")])
    for k, leaf in zip(("images", "cut", "prompts"), leaves):
        out[f"{name}.g{k}"] = leaf.grad.clone()


for direction in (0, 1):
    for reduction in (0, 1):
        for i, t in enumerate((1.0, 2.5)):
            case(f"{direction}{reduction}{i}", direction, reduction, t)
case("confidence", 0, 0, 1.0, confidence=True, factor=0.3)
out["labels"] = labels.int()
save_file({k: v.contiguous() for k, v in out.items()}, "tests/data/loss.safetensors")
