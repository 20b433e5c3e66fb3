#!/usr/bin/env python3
"""Writes tests/data/sampling.txt: few-shot draws as CoOp and Dassl make them, from Python's own random module.

A line "labels N l0 l1 ..." gives the classes of N items; each line "draw SEED SHOTS N i0 i1 ..." the items drawn.
The draw repeats Dassl's DatasetBase.generate_fewshot_dataset: items are grouped by label in order of first
appearance, and each group gives random.sample(items, shots), or all it has when it has fewer.

    python3 tests/oracle/make_sampling.py > tests/data/sampling.txt
"""
import random
from collections import defaultdict

# Above and below the sizes where random.sample changes its method, and classes smaller than the shots.
SIZES = {3: 300, 0: 120, 4: 22, 1: 9, 2: 3}

labels = [label for label, size in SIZES.items() for _ in range(size)]
random.Random(12345).shuffle(labels)
print("labels", len(labels), *labels)
for seed in (1, 2, 3):
    for shots in (1, 2, 4, 8, 16):
        random.seed(seed)
        groups = defaultdict(list)
        for item, label in enumerate(labels):
            groups[label].append(item)
        drawn = []
        for items in groups.values():
            drawn.extend(random.sample(items, shots) if len(items) >= shots else items)
        print("draw", seed, shots, len(drawn), *drawn)
