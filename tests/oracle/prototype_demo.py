#!/usr/bin/env python3
"""The demo task in PyTorch: Fashion-MNIST under a change of camera, OrthSR on 16 shots of the five base classes.

    python tests/oracle/prototype_demo.py camera            zero-shot accuracy under candidate cameras (training images)
    python tests/oracle/prototype_demo.py select            settings by held-out shots of base classes only
    python tests/oracle/prototype_demo.py final             the table on test images, at the settings of the command line

`select` never looks at a test image or at a new class; `final` is run once, with what `select` chose.
"""
import argparse, itertools, math, time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from pretrain_mini import CLASSES, MAIN, image_features, load, load_split, normalise

BASE, NEW = list(range(0, 5)), list(range(5, 10))


# ---- the camera -------------------------------------------------------------------------------------------------
def camera(x_u8, degrees=25.0, gain=256, offset=0):
    """Turn about the centre (13.5, 13.5), bilinear, 0 outside; then contrast. Integers only, so that C agrees bit for bit.
    C, S = round(32768 cos), round(32768 sin); source position in 1/65536 pixel; 8-bit fractions; one rounding."""
    C, S = round(32768 * math.cos(math.radians(degrees))), round(32768 * math.sin(math.radians(degrees)))
    i = np.arange(28, dtype=np.int64)
    dx, dy = (2 * i - 27)[None, :], (2 * i - 27)[:, None]            # twice the offset from the centre
    sx, sy = 884736 + C * dx + S * dy, 884736 - S * dx + C * dy      # 884736 = 13.5 * 65536
    x0, y0, fx, fy = sx >> 16, sy >> 16, (sx >> 8) & 255, (sy >> 8) & 255
    padded = np.pad(x_u8.numpy().astype(np.int64), ((0, 0), (8, 8), (8, 8)))  # 8 zeros around: corners turn out by less
    p = lambda a, b: padded[:, y0 + a + 8, x0 + b + 8]
    v = (256 - fy) * ((256 - fx) * p(0, 0) + fx * p(0, 1)) + fy * ((256 - fx) * p(1, 0) + fx * p(1, 1))
    v = (v + 32768) >> 16
    v = np.clip(((v * gain + 128) >> 8) + offset, 0, 255)
    return torch.from_numpy(v.astype(np.uint8))


# ---- the maps ---------------------------------------------------------------------------------------------------
class Mapped(nn.Module):
    """y = (x A) W^T + b with W, b frozen and A block-diagonal. Orthogonal: A = (I-S)(I+S)^-1, S skew from v. Free: A = I + X.
    A is applied to the weight, x (W A^T)^T, which is the same product."""
    def __init__(self, linear, block, orthogonal):
        super().__init__()
        self.weight, self.bias = linear.weight.detach(), linear.bias.detach()
        self.b, self.r, self.orthogonal = block, linear.in_features // block, orthogonal
        n = block * (block - 1) // 2
        self.v = nn.Parameter(torch.zeros(self.r, n) if orthogonal else torch.zeros(self.r, block, block))
        self.rows, self.cols = torch.triu_indices(block, block, 1)

    def factor(self):
        eye = torch.eye(self.b)
        if not self.orthogonal:
            return eye + self.v
        S = torch.zeros(self.r, self.b, self.b)
        S[:, self.rows, self.cols] = self.v
        S = S - S.mT
        return torch.linalg.solve(eye + S, eye - S, left=False)

    def forward(self, x):
        W = self.weight.view(-1, self.r, self.b).transpose(0, 1) @ self.factor().mT
        return F.linear(x, W.transpose(0, 1).reshape(self.weight.shape), self.bias)


def inject(model, block_fc, block_proj, orthogonal):
    model.requires_grad_(False)
    maps = []
    for blk in [*model.visual.transformer.resblocks, *model.transformer.resblocks]:
        for name, b in (("c_fc", block_fc), ("c_proj", block_proj)):
            m = Mapped(getattr(blk.mlp, name), b, orthogonal)
            setattr(blk.mlp, name, m)
            maps.append(m)
    return maps


# ---- training and measuring -------------------------------------------------------------------------------------
def draw(x, y, k, held, seed):
    """k shots of each base class and `held` further ones, from a permutation by the seed. New classes are never drawn."""
    rng = np.random.default_rng(seed)
    shots, rest = [], []
    for c in BASE:
        idx = rng.permutation(np.flatnonzero(y.numpy() == c))
        shots += list(idx[:k]); rest += list(idx[k:k + held])
    return (x[shots], y[shots]), (x[rest], y[rest])


def text(model, tok, classes):
    return model.encode_text(tok([MAIN.format(CLASSES[c]) for c in classes]), normalize=True)


def only(x, y, classes):
    """The images of these classes, labels counted from 0 in the order of `classes`."""
    where = torch.full((len(CLASSES),), -1)
    where[classes] = torch.arange(len(classes))
    keep = where[y] >= 0
    return x[keep], where[y[keep]]


def tune(opt, shots, seed, orthogonal, lr, w, wd, steps, blocks, warmup, classes=BASE):
    model, cfg, tok = load(opt.model)
    X, Y = only(*shots, classes)
    X = normalise(X, cfg)
    scale = model.logit_scale.exp().detach()
    with torch.no_grad():  # no augmentation, so the anchor's logits are computed once
        anchor = (scale * model.encode_image(X, normalize=True) @ text(model, tok, classes).T).log_softmax(1)
    maps = inject(model, *blocks, orthogonal)
    groups = [{"params": [m.v], "lr": lr * (32 / m.b if opt.lr_scale else 1)} for m in maps]
    adam = torch.optim.AdamW(groups, weight_decay=wd)
    sched = torch.optim.lr_scheduler.LambdaLR(
        adam, lambda s: min(1, (s + 1) / max(1, warmup)) * 0.5 * (1 + math.cos(math.pi * s / steps)))
    g = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < opt.batch:
            order = torch.randperm(len(X), generator=g)
        i, order = order[:opt.batch], order[opt.batch:]
        logp = (scale * model.encode_image(X[i], normalize=True) @ text(model, tok, classes).T).log_softmax(1)
        kl = (anchor[i].exp() * (anchor[i] - logp)).sum(1).mean()
        loss = F.nll_loss(logp, Y[i]) + w * kl
        adam.zero_grad()
        loss.backward()
        adam.step()
        sched.step()
    defect = max((m.factor().mT @ m.factor() - torch.eye(m.b)).abs().max().item() for m in maps)
    return model, cfg, tok, float(loss.detach()), defect


@torch.no_grad()
def accuracy(model, cfg, tok, x, y, classes):
    x, y = only(x, y, classes)
    pred = (image_features(model, cfg, x) @ text(model, tok, classes).T).argmax(1)
    return 100 * (pred == y).float().mean().item()


def harmonic(b, n):
    return 2 * b * n / (b + n) if b + n else 0.0


def table_row(model, cfg, tok, x, y, base=BASE, new=NEW):
    b, n = accuracy(model, cfg, tok, x, y, base), accuracy(model, cfg, tok, x, y, new)
    return b, n, harmonic(b, n)


def cameras(opt):
    x, y = load_split(opt.data, "train")
    x, y = x[:5000], y[:5000]
    model, cfg, tok = load(opt.model)
    for deg, gain, off in [(0, 256, 0), (20, 256, 0), (25, 256, 0), (30, 256, 0), (35, 256, 0), (-30, 256, 0), (40, 256, 0), (25, 128, 0), (30, 128, 0), (30, 160, 48), (25, 128, 64)]:
        z = camera(x, deg, gain, off)
        b, n, h = table_row(model, cfg, tok, z, y)
        print(f"{deg:4d} degrees gain {gain} offset {off}: all {accuracy(model, cfg, tok, z, y, BASE + NEW):.1f} base {b:.1f} new {n:.1f} H {h:.1f}", flush=True)


def select(opt):
    """Held-out base-class images only. With --leave-out, two of the five base classes in turn (by the seed) are kept out of
    the training as stand-ins for new classes, and the score is H over the other three and these two: an estimate of what
    tuning does to unseen classes that needs no new class. Otherwise the score is the accuracy over the five."""
    x, y = load_split(opt.data, "train")
    shots, held = {}, {}
    for s in opt.seeds:
        (a, la), (b, lb) = draw(x, y, opt.shots, opt.held, s)
        view = lambda z: camera(z, opt.degrees, opt.gain, opt.offset)
        shots[s], held[s] = (view(a), la), (view(b), lb)

    def score(s, model):
        if not opt.leave_out:
            return (accuracy(*model, *held[s], BASE),)
        return table_row(*model, *held[s], *fold(s))

    def fold(s):
        new = [(s - 1) % 5, s % 5] if opt.leave_out else []
        return [c for c in BASE if c not in new], new

    show = lambda rows: " ".join(f"{v:.2f}" for v in np.mean(rows, 0)) + " (" + " ".join(f"{r[-1]:.1f}" for r in rows) + ")"
    print(f"{'held-out base | left-out | H' if opt.leave_out else 'held-out base'}: zero-shot {show([score(s, load(opt.model)) for s in opt.seeds])}", flush=True)
    for lr, w, wd, steps, blocks, warm in itertools.product(opt.lr, opt.w, opt.wd, opt.steps, opt.blocks, opt.warmup):
        t0, out = time.time(), []
        for mult in opt.mult:
            rows = [score(s, tune(opt, shots[s], s, not opt.free, lr * mult, 0 if opt.free else w, wd, steps, blocks, warm, fold(s)[0])[:3])
                    for s in opt.seeds]
            out.append(f"x{mult:g}: {show(rows)}")
        print(f"lr {lr:g} w {w} wd {wd} steps {steps} blocks {blocks} warmup {warm}{' lr-scale' if opt.lr_scale else ''}{' free' if opt.free else ''} | "
              + " | ".join(out) + f" | {time.time() - t0:.0f}s", flush=True)


def final(opt):
    x, y = load_split(opt.data, "train")
    tx, ty = load_split(opt.data, "t10k")
    x, tx = camera(x, opt.degrees, opt.gain, opt.offset), camera(tx, opt.degrees, opt.gain, opt.offset)
    frozen = load(opt.model)
    b, n, h = table_row(*frozen, tx, ty)
    print(f"zero-shot: base {b:.2f} new {n:.2f} H {h:.2f} all {accuracy(*frozen, tx, ty, BASE + NEW):.2f}", flush=True)
    lr, w, wd, steps, blocks, warm = opt.lr[0], opt.w[0], opt.wd[0], opt.steps[0], opt.blocks[0], opt.warmup[0]
    for mult in opt.mult:
        for orthogonal in (True, False):
            rows = []
            for s in opt.seeds:
                shots, _ = draw(x, y, opt.shots, opt.held, s)
                model, cfg, tok, loss, defect = tune(opt, shots, s, orthogonal, lr * mult, w if orthogonal else 0.0, wd, steps, blocks, warm)
                rows.append(table_row(model, cfg, tok, tx, ty))
                print(f"  seed {s}: base {rows[-1][0]:.2f} new {rows[-1][1]:.2f} H {rows[-1][2]:.2f} last loss {loss:.4f} defect {defect:.1e}", flush=True)
            m = np.mean(rows, 0)
            print(f"{'OrthSR' if orthogonal else 'free'} lr {lr * mult:g}: base {m[0]:.2f} new {m[1]:.2f} H {m[2]:.2f}", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["camera", "select", "final"])
    ap.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    ap.add_argument("--model", default="examples/data/mini")
    ap.add_argument("--degrees", type=float, default=25)
    ap.add_argument("--gain", type=int, default=256, help="contrast in 1/256")
    ap.add_argument("--offset", type=int, default=0)
    ap.add_argument("--shots", type=int, default=16)
    ap.add_argument("--held", type=int, default=50)
    ap.add_argument("--batch", type=int, default=40)
    ap.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    ap.add_argument("--lr", type=float, nargs="+", default=[1e-3])
    ap.add_argument("--mult", type=float, nargs="+", default=[1, 30])
    ap.add_argument("--w", type=float, nargs="+", default=[1.0], help="weight of the KL anchor")
    ap.add_argument("--wd", type=float, nargs="+", default=[0.01])
    ap.add_argument("--steps", type=int, nargs="+", default=[100])
    ap.add_argument("--warmup", type=int, nargs="+", default=[0])
    ap.add_argument("--blocks", type=lambda s: tuple(map(int, s.split(","))), nargs="+", default=[(32, 32)], help="block size of c_fc,c_proj")
    ap.add_argument("--lr-scale", action="store_true", help="rate of a block times 32/b")
    ap.add_argument("--leave-out", action="store_true", help="select: two base classes as stand-ins for new ones")
    ap.add_argument("--free", action="store_true", help="select: the unconstrained maps")
    opt = ap.parse_args()
    {"camera": cameras, "select": select, "final": final}[opt.what](opt)


if __name__ == "__main__":
    main()
