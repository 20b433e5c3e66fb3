"""Image features by ONNX Runtime in a process of its own, without PyTorch, whose memory would be counted too.

usage: python tests/bench/onnx_case.py VISION.onnx PIXELS_BATCH THREADS REPETITIONS        prints {"ms": [...]}
"""
import json
import sys
import time

import numpy as np
import onnxruntime

path, batch, threads, repetitions = sys.argv[1], *map(int, sys.argv[2:])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
x = {session.get_inputs()[0].name: np.random.default_rng(1).standard_normal((batch, 3, 224, 224), np.float32)}
ms = []
for i in range(2 + repetitions):  # 2 to warm up
    begin = time.perf_counter()
    session.run(None, x)
    ms.append(1e3 * (time.perf_counter() - begin))
print(json.dumps({"ms": ms[2:]}))
