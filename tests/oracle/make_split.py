#!/usr/bin/env python3
"""Writes tests/data/split: a split file like CoOp's, and the draws that CoOp makes from it, by Python's own random module.

split_zhou_Synthetic.json has seven classes whose labels are not in order and whose sizes lie above and below the shots and the sizes where
random.sample changes its method. draws.txt has a line "SEED SHOTS N i0 i1 ... M j0 j1 ..." per draw: items of train, then of val. Each draw repeats
CoOp's datasets: random.seed(seed), generate_fewshot_dataset(train, K), generate_fewshot_dataset(val, min(K, 4)), on one stream of random numbers.
The fixture is read by tests/test_split.c; the images are named only.

    python3 tests/oracle/make_split.py
"""
import json
import os
import random
from collections import defaultdict

OUT = os.path.join(os.path.dirname(__file__), "..", "data", "split")
NAMES = ["sea_lion", "Boeing 707-320", "caf\u00e9", "dog", "t-shirt", "annual_crop_land", "zebra"]
SIZES = {"train": [100, 9, 3, 30, 86, 21, 1], "val": [30, 4, 3, 22, 7, 5, 1], "test": [2, 1, 1, 2, 1, 1, 3]}

shuffler = random.Random(2024)
split = {}
for part, sizes in SIZES.items():
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    shuffler.shuffle(labels)
    split[part] = [[f"{part}/{i}.jpg", label, NAMES[label]] for i, label in enumerate(labels)]


def generate_fewshot_dataset(items, shots):
    groups = defaultdict(list)
    for item in items:
        groups[item[1]].append(item)
    drawn = []
    for group in groups.values():
        drawn.extend(random.sample(group, shots) if len(group) >= shots else group)
    return drawn


def numbers(items):
    return [len(items)] + [int(path.split("/")[1][:-4]) for path, _, _ in items]


os.makedirs(OUT, exist_ok=True)
with open(os.path.join(OUT, "split_zhou_Synthetic.json"), "w") as file:
    json.dump(split, file, separators=(",", ":"))
with open(os.path.join(OUT, "draws.txt"), "w") as file:
    for seed in (1, 2, 3):
        for shots in (1, 2, 4, 8, 16):
            random.seed(seed)
            train = generate_fewshot_dataset(split["train"], shots)
            val = generate_fewshot_dataset(split["val"], min(shots, 4))
            print(seed, shots, *numbers(train), *numbers(val), file=file)
