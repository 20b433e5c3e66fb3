#!/usr/bin/env python3
"""Pretrain orthsr-mini: a small CLIP on Fashion-MNIST, in open_clip layout.

Development-time only (torch, open_clip, safetensors, transformers; the library itself needs none of them).
Writes open_clip_config.json, open_clip_model.safetensors (fp16), vocab.json and merges.txt to --out and
prints the zero-shot accuracy of the saved file.

    python tests/oracle/pretrain_mini.py --out examples/data/mini
"""
import argparse, collections, functools, gzip, json, math, os, re, tempfile, time

import numpy as np
import torch
import torch.nn.functional as F
import open_clip
from safetensors.torch import load_file, save_file

CLASSES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
MAIN = "a photo of a {}."
# Other words for the same thing: text should mean something beyond ten strings.
SYNONYMS = [["tee", "tee shirt", "short-sleeved top"], ["pair of trousers", "pair of pants", "pair of slacks"],
            ["sweater", "jumper", "sweatshirt"], ["gown", "frock", "summer dress"], ["jacket", "overcoat", "winter coat"],
            ["open shoe", "flip-flop", "summer shoe"], ["blouse", "button-up shirt", "collared shirt"],
            ["trainer", "running shoe", "tennis shoe"], ["handbag", "purse", "satchel"], ["boot", "bootie", "winter boot"]]
# Broader words: one list per family, and the family of each class.
FAMILIES = [["top", "garment for the upper body", "piece of upper-body clothing"],
            ["garment for the legs", "pair of bottoms", "piece of lower-body clothing"],
            ["one-piece garment", "full-length garment", "piece of full-body clothing"],
            ["shoe", "piece of footwear", "thing worn on the foot"],
            ["carrying accessory", "thing to carry by hand", "fashion accessory"]]
FAMILY_OF = [0, 1, 0, 2, 0, 3, 0, 3, 4, 3]
# Two properties that can be measured from the pixels; the words for "less than the class median" and "more".
ATTRIBUTES = {"tone": ["dim", "bright"], "area": ["slim", "large"]}
TEMPLATES = [MAIN, "a photo of the {}.", "a picture of a {}.", "an image of a {}.", "a {}.", "the {}.", "{}", "a gray photo of a {}.",
             "a black and white photo of a {}.", "a small photo of a {}.", "a low resolution photo of a {}.", "a catalogue photo of a {}.",
             "a product photo of a {}.", "a studio photo of a {}.", "a cropped photo of a {}.", "a photo of one {}.", "a photo of my {}.",
             "a thumbnail of a {}.", "a {} for sale.", "a {} in an online shop.", "this is a {}.", "a photo of a {}, a type of clothing.",
             "a photo of a {}, a fashion article.", "there is a {} in the picture.", "a {} on a black background.", "a new {}.",
             "a photo of a nice {}.", "a close-up photo of a {}.", "an article: {}.", "an online listing of a {}."]


# ---- tokenizer: CLIP's byte-level BPE, learnt from the captions -------------------------------------------------
def bytes_to_unicode():
    """CLIP's printable stand-in for each byte: 188 printable bytes first, then the other 68 as U+0100+n."""
    bs = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in bs]
    return dict(zip(bs + rest, [chr(b) for b in bs] + [chr(256 + n) for n in range(len(rest))]))


def words_of(text):
    """CLIP's split, reduced to the lower-case ASCII that the captions use: letters | one digit | other signs."""
    return re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", text.lower())


def merge_word(word, pair):
    out, i = [], 0
    while i < len(word):
        if tuple(word[i:i + 2]) == pair:
            out.append(word[i] + word[i + 1]); i += 2
        else:
            out.append(word[i]); i += 1
    return tuple(out)


def learn_merges(captions, limit):
    counts = collections.Counter(w for c in captions for w in words_of(c))
    words = {tuple(w[:-1]) + (w[-1] + "</w>",): n for w, n in counts.items()}
    merges = []
    while len(merges) < limit:
        pairs = collections.Counter()
        for w, n in words.items():
            for p in zip(w, w[1:]):
                pairs[p] += n
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))  # ties by spelling: the result depends on the captions only
        merges.append(best)
        words = {merge_word(w, best): n for w, n in words.items()}
    return merges


class Tokenizer:
    def __init__(self, merges, context):
        base = list(bytes_to_unicode().values())
        tokens = base + [c + "</w>" for c in base] + [a + b for a, b in merges] + ["<|startoftext|>", "<|endoftext|>"]
        self.ids = {t: i for i, t in enumerate(tokens)}
        assert len(self.ids) == len(tokens)
        self.merges, self.context = merges, context

    @functools.lru_cache(maxsize=None)
    def word(self, w):
        w = tuple(w[:-1]) + (w[-1] + "</w>",)
        for p in self.merges:  # in rank order, so each pass applies the lowest rank that is left
            w = merge_word(w, p)
        return [self.ids[t] for t in w]

    def encode(self, text):
        ids = [i for w in words_of(text) for i in self.word(w)]
        return [len(self.ids) - 2] + ids + [len(self.ids) - 1]

    def __call__(self, texts):
        out = torch.zeros(len(texts), self.context, dtype=torch.long)  # padding 0; the causal mask makes it irrelevant
        for row, t in zip(out, texts):
            ids = self.encode(t)
            assert len(ids) <= self.context, t
            row[:len(ids)] = torch.tensor(ids)
        return out


def all_captions():
    caps = []
    for t in TEMPLATES:
        for name, other in zip(CLASSES, SYNONYMS):
            for n in [name] + other:
                caps += [t.format(n)] + [t.format(a + " " + n) for pair in ATTRIBUTES.values() for a in pair]
        caps += [t.format(n) for names in FAMILIES for n in names]
    return caps


# ---- data -------------------------------------------------------------------------------------------------------
def read_idx(path):
    with gzip.open(path, "rb") as f:
        raw = f.read()
    dims = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims)


def load_split(data, name):
    x = read_idx(os.path.join(data, f"{name}-images-idx3-ubyte.gz"))
    y = read_idx(os.path.join(data, f"{name}-labels-idx1-ubyte.gz"))
    return torch.from_numpy(x.copy()), torch.from_numpy(y.astype(np.int64))


def normalise(x_u8, cfg):
    """uint8 (n,28,28) -> float (n,3,28,28), as the config's preprocess_cfg says (gray replicated)."""
    pre = cfg["preprocess_cfg"]
    x = x_u8.float()[:, None] / 255
    return (x.expand(-1, 3, -1, -1) - torch.tensor(pre["mean"])[:, None, None]) / torch.tensor(pre["std"])[:, None, None]


def augment(x_u8, rng):
    """Mild on purpose: shifts up to 2 pixels, mirror, brightness +-10 %. No rotation: the demo's camera must stay new."""
    n = len(x_u8)
    big = F.pad(x_u8, (2, 2, 2, 2))
    dy, dx = torch.randint(0, 5, (2, n, 1), generator=rng)
    rows = dy + torch.arange(28)
    cols = dx + torch.arange(28)
    flip = torch.rand(n, 1, generator=rng) < 0.5
    cols = torch.where(flip, cols.flip(1), cols)
    x = big[torch.arange(n)[:, None, None], rows[:, :, None], cols[:, None, :]].float()
    gain = 0.9 + 0.2 * torch.rand(n, 1, 1, generator=rng)
    return (x * gain).clamp(0, 255)


def attribute_labels(x_u8, y):
    """0/1 per image and attribute: is it brighter (covers more) than the median training image of its class?"""
    x = x_u8.float().flatten(1)
    area = (x > 0).float().mean(1)
    tone = x.sum(1) / (x > 0).sum(1).clamp(min=1)
    out = {}
    for key, v in (("tone", tone), ("area", area)):
        med = torch.stack([v[y == c].median() for c in range(len(CLASSES))])
        out[key] = (v > med[y]).long()
    return out


# ---- training ---------------------------------------------------------------------------------------------------
def caption_groups(pick):
    """The captions of one step: groups of alternatives, of which exactly one is true of any image.
    Returns [(captions, kind, weight)]; kind says which labels index the group."""
    name = lambda c: CLASSES[c] if pick.random() < 0.6 else SYNONYMS[c][pick.integers(3)]
    template = lambda: TEMPLATES[pick.integers(len(TEMPLATES))]
    groups = []
    for t in (MAIN, template(), template(), template()):
        groups.append(([t.format(name(c)) for c in range(10)], "class", 0.25))
    key = ("tone", "area")[pick.integers(2)]
    t = template()
    groups.append(([t.format(a + " " + name(c)) for c in range(10) for a in ATTRIBUTES[key]], key, 0.5))
    t = template()
    groups.append(([t.format(names[pick.integers(3)]) for names in FAMILIES], "family", 0.25))
    return groups


def group_loss(logits, target):
    """Symmetric contrastive loss with several images per caption: each image has one true caption; each caption's
    target over the images of the batch is uniform on those it is true of (captions true of none are left out)."""
    truth = F.one_hot(target, logits.shape[1]).float()
    n = truth.sum(0)
    have = n > 0
    t2i = -(truth * logits.log_softmax(0)).sum(0)[have] / n[have] - n[have].log()  # minus the target's entropy: best value 0
    return 0.5 * F.cross_entropy(logits, target) + 0.5 * t2i.mean()


def train(model, tok, cfg, x, y, opt):
    rng = torch.Generator().manual_seed(opt.seed)
    pick = np.random.default_rng(opt.seed)
    attrs = attribute_labels(x, y)
    family = torch.tensor(FAMILY_OF)
    decay = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    adam = torch.optim.AdamW([{"params": decay, "weight_decay": opt.weight_decay}, {"params": plain, "weight_decay": 0.0}],
                             lr=opt.lr, betas=(0.9, 0.98))
    per_epoch = len(x) // opt.batch
    total, step, t0 = opt.epochs * per_epoch, 0, time.time()
    for epoch in range(opt.epochs):
        order = torch.randperm(len(x), generator=rng)
        for b in range(per_epoch):
            lr = opt.lr * min(1, (step + 1) / opt.warmup) * 0.5 * (1 + math.cos(math.pi * step / total))
            for g in adam.param_groups:
                g["lr"] = lr
            idx = order[b * opt.batch:(b + 1) * opt.batch]
            labels = {"class": y[idx], "family": family[y[idx]], **{k: 2 * y[idx] + v[idx] for k, v in attrs.items()}}
            groups = caption_groups(pick)
            img = model.encode_image(normalise(augment(x[idx], rng), cfg), normalize=True)
            txt = model.encode_text(tok([c for caps, _, _ in groups for c in caps]), normalize=True)
            logits = model.logit_scale.exp() * img @ txt.T
            loss = sum(w * group_loss(l, labels[kind])
                       for l, (_, kind, w) in zip(logits.split([len(c) for c, _, _ in groups], 1), groups))
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            with torch.no_grad():  # a moderate scale keeps the frozen model's errors correctable (it is the demo's anchor)
                model.logit_scale.clamp_(max=math.log(opt.max_scale))
            step += 1
            if step % 50 == 0:
                acc = (logits[:, :10].argmax(1) == y[idx]).float().mean()
                print(f"epoch {epoch + 1} step {step}/{total} loss {loss:.4f} batch acc {acc:.3f} "
                      f"scale {model.logit_scale.exp():.1f} {time.time() - t0:.0f}s", flush=True)
        save(model, tok, cfg, opt.out)
    return time.time() - t0


# ---- files ------------------------------------------------------------------------------------------------------
def save(model, tok, cfg, out):
    def store(name, p):
        keep = p.ndim == 0 or ".ln_" in name or name.startswith("ln_") or "positional" in name or "class_embedding" in name
        return p.detach().clone().contiguous() if keep else p.detach().half().contiguous()
    os.makedirs(out, exist_ok=True)
    save_file({k: store(k, v) for k, v in model.state_dict().items()},
              os.path.join(out, "open_clip_model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(out, "open_clip_config.json"), "w") as f:
        json.dump(cfg, f, indent=2)
        f.write("\n")
    with open(os.path.join(out, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump(tok.ids, f, ensure_ascii=False)
    with open(os.path.join(out, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in tok.merges))


def load(folder):
    """The saved model in fp32 through open_clip, its config and its tokenizer."""
    with open(os.path.join(folder, "open_clip_config.json")) as f:
        cfg = json.load(f)
    with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as f:
        merges = [tuple(line.split()) for line in f.read().splitlines()[1:]]
    model = open_clip.CLIP(**cfg["model_cfg"])
    weights = load_file(os.path.join(folder, "open_clip_model.safetensors"))
    model.load_state_dict({k: v.float() for k, v in weights.items()}, strict=True)
    return model.eval(), cfg, Tokenizer(merges, cfg["model_cfg"]["text_cfg"]["context_length"])


@torch.no_grad()
def image_features(model, cfg, x_u8, batch=200):
    return torch.cat([model.encode_image(normalise(b, cfg), normalize=True) for b in x_u8.split(batch)])


def check_tokenizers(folder, tok):
    """The same ids from transformers and open_clip, given the shipped files, for every caption."""
    caps = sorted(set(all_captions())) + ["A Photo of a  T-Shirt!", "xylophone 42, really?"]
    ours = [tok.encode(c) for c in caps]
    from transformers import CLIPTokenizer
    hf = CLIPTokenizer(os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt"))
    print("transformers CLIPTokenizer agrees:", [hf(c)["input_ids"] for c in caps] == ours)
    with open(os.path.join(folder, "merges.txt"), "rb") as f, tempfile.TemporaryDirectory() as tmp:
        bpe = os.path.join(tmp, "bpe.txt.gz")
        with gzip.open(bpe, "wb") as g:  # open_clip takes every line after the first as a merge, so no newline at the end
            g.write(f.read().rstrip(b"\n"))
        oc = open_clip.SimpleTokenizer(bpe_path=bpe, context_length=tok.context)
        print("open_clip SimpleTokenizer agrees: ", bool((oc(caps) == tok(caps)).all()))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="folder of the four IDX .gz files (Debian: dataset-fashion-mnist)")
    ap.add_argument("--out", default="examples/data/mini")
    ap.add_argument("--epochs", type=int, default=5)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--weight-decay", type=float, default=0.05)
    ap.add_argument("--warmup", type=int, default=200)
    ap.add_argument("--max-scale", type=float, default=20.0, help="upper bound of exp(logit_scale)")
    ap.add_argument("--merges", type=int, default=300)
    ap.add_argument("--context", type=int, default=24)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--check-only", action="store_true", help="only measure what lies in --out")
    opt = ap.parse_args()

    if not opt.check_only:
        torch.manual_seed(opt.seed)
        tok = Tokenizer(learn_merges(all_captions(), opt.merges), opt.context)
        cfg = {"model_cfg": {"embed_dim": 128, "quick_gelu": True,
                             "vision_cfg": {"image_size": 28, "layers": 4, "width": 128, "head_width": 32, "patch_size": 4},
                             "text_cfg": {"context_length": opt.context, "vocab_size": len(tok.ids), "width": 128, "heads": 4, "layers": 3}},
               "preprocess_cfg": {"mean": [0.286] * 3, "std": [0.353] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}}
        print(f"{len(tok.merges)} merges, {len(tok.ids)} tokens, longest caption {max(len(tok.encode(c)) for c in all_captions())} ids", flush=True)
        x, y = load_split(opt.data, "train")
        model = open_clip.CLIP(**cfg["model_cfg"])
        print(f"trained for {train(model, tok, cfg, x, y, opt):.0f} s")

    model, cfg, tok = load(opt.out)
    check_tokenizers(opt.out, tok)
    x, y = load_split(opt.data, "t10k")
    feats = image_features(model, cfg, x)
    for t in (MAIN, "a {}.", "a product photo of a {}."):
        with torch.no_grad():
            txt = model.encode_text(tok([t.format(c) for c in CLASSES]), normalize=True)
        pred = (feats @ txt.T).argmax(1)
        print(f"zero-shot, clean test images, \"{t}\": {100 * (pred == y).float().mean():.2f} %")
        if t == MAIN:
            print("  per class:", " ".join(f"{CLASSES[c]} {100 * (pred[y == c] == c).float().mean():.1f}" for c in range(10)))
    print(f"exp(logit_scale) {model.logit_scale.exp():.2f}, {sum(p.numel() for p in model.parameters())} parameters, "
          f"{os.path.getsize(os.path.join(opt.out, 'open_clip_model.safetensors'))} bytes")


if __name__ == "__main__":
    main()
