"""Alternates PyTorch and `orthsr bench` on one random ViT-B/16 CLIP and prints how their times compare.

usage: python tests/bench/compare_torch.py [options]         (torch, transformers, peft, open_clip_torch, onnx, onnxruntime, onnxscript, numpy)

Every measurement is a process of its own, so that its peak memory (the kernel's ru_maxrss) is its own; in every round each case is run by

    stock   PyTorch as installed
    best    the same with MKL told that the processor is Intel's, without which it leaves AVX-512 unused elsewhere
    ort     ONNX Runtime, image features only
    ours    orthsr bench

in this order, and a time is the least over all rounds; medians are over the rounds' medians. Numbers of one round compare, those of different days do not.
What PyTorch does in each case is in torch_cases.py. Where `orthsr bench` is missing or fails, PyTorch's columns stand alone and the
reason is printed.
"""
import argparse
import csv
import datetime
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
WHO = ["stock", "best", "ort", "ours"]
# name: (case of torch_cases.py, its options, options of orthsr bench, which of its times)
CASES = {
    "step-out": ("step-out", {}, ["--part", "step", "--config", "out"], "step_ms"),
    "step-all": ("step-all", {}, ["--part", "step", "--config", "all"], "step_ms"),
    "step-ffn": ("step-ffn", {}, ["--part", "step", "--config", "ffn"], "step_ms"),
    "step-coop": ("step-coop", {}, ["--part", "step", "--config", "coop"], "step_ms"),
    "features-1": ("features", {"batch": 1}, ["--part", "features"], "features_ms"),
    "features-8": ("features", {"batch": 8}, ["--part", "features"], "features_ms"),
    "texts-100": ("texts", {"classes": 100}, ["--part", "texts"], "texts_ms"),
    "start": ("start", {}, None, None),  # ours is orthsr embed
}
SHIM = "int mkl_serv_intel_cpu_true(void) { return 1; }\nint mkl_serv_intel_cpu(void) { return 1; }\n"


class Failed(Exception):
    """What a process said when it failed."""


def run(command, env):
    """(standard output, ms until its first line was there or it ended, peak MiB) of a process."""
    with tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = subprocess.Popen([str(c) for c in command], env=env, stdout=subprocess.PIPE, stderr=errors)
        first = process.stdout.readline()
        ms = 1e3 * (time.perf_counter() - begin)
        output = first + process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if process.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().split("\n")[-1]
            raise Failed(said or f"{command[0]}: exit status {process.returncode}")
    return output.decode(), ms, usage.ru_maxrss / 1024


def last_object(output):
    """The JSON object that a process printed, after whatever libraries had to say."""
    lines = [line for line in output.strip().split("\n") if line.startswith("{")]
    return json.loads(output if output.lstrip().startswith("{") else lines[-1])


class Sample:
    """What one who measured in one case over all rounds. Milliseconds and MiB."""

    def __init__(self):
        self.minima, self.medians, self.peaks, self.last = [], [], [], {}

    def add(self, least, median, peak, last=None):
        self.minima += [least] if least is not None else []
        self.medians += [median] if median is not None else []
        self.peaks.append(peak)
        self.last = last or {}

    def least(self):
        return min(self.minima, default=None)

    def median(self):
        return statistics.median(self.medians) if self.medians else None

    def peak(self):
        return max(self.peaks, default=None)


# ---- who is compared -----------------------------------------------------------------------------------------------------------


class Torch:
    def __init__(self, o, scratch, env, shim=None):
        threads = {"OMP_NUM_THREADS": str(o.threads), "MKL_NUM_THREADS": str(o.threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        self.o, self.scratch, self.env = o, scratch, env | threads | ({"LD_PRELOAD": shim} if shim else {})

    def command(self, case, **options):
        known = {"batch": self.o.batch, "classes": self.o.classes, "threads": self.o.threads, "repetitions": self.o.repetitions} | options
        flags = [f for name, value in known.items() for f in (f"--{name}", value)]
        return [sys.executable, f"{HERE}/torch_cases.py", case, "--checkpoint", self.o.checkpoint, "--scratch", self.scratch, *flags]

    def do(self, case, **options):
        return run(self.command(case, **options), self.env)[0]

    def measure(self, name, sample):
        case, options, _, _ = CASES[name]
        if case == "start":
            return measure_start(self.command(case), self.env, self.o.repetitions, sample)
        output, _, peak = run(self.command(case, **options), self.env)
        ms = last_object(output)["ms"]
        sample.add(min(ms), statistics.median(ms), peak)


class OnnxRuntime:
    def __init__(self, o, scratch, env):
        self.o, self.scratch, self.env = o, scratch, env

    def measure(self, name, sample):
        case, options, _, _ = CASES[name]
        if case != "features":
            return
        batch = options["batch"]
        command = [sys.executable, f"{HERE}/onnx_case.py", f"{self.scratch}/vision-{batch}.onnx", batch, self.o.threads, self.o.repetitions]
        output, _, peak = run(command, self.env)
        ms = last_object(output)["ms"]
        sample.add(min(ms), statistics.median(ms), peak)


class Ours:
    def __init__(self, o, scratch, env):
        self.o, self.scratch, self.env = o, scratch, env

    def embed(self, kind, file):
        model = ["--model", self.o.checkpoint, "--threads", self.o.threads]
        return [self.o.orthsr, "embed", "--raw", *model, f"--{kind}", f"{self.scratch}/{file}", "--out", f"{self.scratch}/ours.npy"]

    def measure(self, name, sample):
        case, options, part, key = CASES[name]
        if case == "start":
            return measure_start(self.embed("pixels", "pixels.npy"), self.env, self.o.repetitions, sample)
        sizes = {"batch": self.o.batch, "classes": self.o.classes} | options
        flags = ["--batch", sizes["batch"], "--classes", sizes["classes"], "--threads", self.o.threads, "--repetitions", self.o.repetitions]
        output, _, peak = run([self.o.orthsr, "bench", "--model", self.o.checkpoint, *part, *flags, "--json"], self.env)
        answer = last_object(output)
        sample.add(answer.get(f"{key}_min"), answer.get(f"{key}_median"), peak, answer)

    def deviations(self):
        """Largest difference of raw features from PyTorch's, relative to the largest feature: (image, text)."""
        result = []
        for kind, file, expected in (("pixels", "pixels.npy", "image.npy"), ("text", "texts.txt", "text.npy")):
            run(self.embed(kind, file), self.env)
            ours, theirs = np.load(f"{self.scratch}/ours.npy"), np.load(f"{self.scratch}/{expected}")
            result.append(float(np.abs(ours - theirs).max() / np.abs(theirs).max()))
        return result


def measure_start(command, env, repetitions, sample):
    """From starting the process to its answer."""
    runs = [run(command, env) for _ in range(repetitions)]
    sample.add(min(ms for _, ms, _ in runs), statistics.median(ms for _, ms, _ in runs), max(peak for _, _, peak in runs))


# ---- the session ---------------------------------------------------------------------------------------------------------------


def compare(peers, cases, rounds):
    """({(case, who): Sample}, {(case, who): why there is no number}). A peer that fails in a case is not asked again there."""
    samples, failed = {(case, who): Sample() for case in cases for who in peers}, {}
    for i in range(rounds):
        for case in cases:
            for who, peer in peers.items():
                if (case, who) in failed:
                    continue
                try:
                    peer.measure(case, samples[case, who])
                except (Failed, OSError) as e:
                    samples[case, who], failed[case, who] = Sample(), str(e)
            print(f"round {i + 1} of {rounds}: {case}", file=sys.stderr, flush=True)
    return samples, failed


COLUMNS = [f"{w}_ms" for w in WHO] + ["ours/stock", "ours/best", "ours/ort"] + [f"{w}_mib" for w in WHO]
MORE = [f"{w}_median_ms" for w in WHO] + ["ours_gflops", "ours_sgemm_gflops", "ours_share"]  # in the CSV, and in a second table


def row_of(case, samples):
    get = lambda who: samples.get((case, who), Sample())
    row = {"case": case}
    for who in WHO:
        row |= {f"{who}_ms": get(who).least(), f"{who}_mib": get(who).peak(), f"{who}_median_ms": get(who).median()}
    for who in WHO[:3]:
        row[f"ours/{who}"] = row["ours_ms"] / row[f"{who}_ms"] if row["ours_ms"] and row[f"{who}_ms"] else None
    return row | {f"ours_{key}": get("ours").last.get(key) for key in ("gflops", "sgemm_gflops", "share")}


def shown(column, value):
    if value is None:
        return "n/a"
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.0f}" if column.endswith("mib") or "gflops" in column else f"{value:.1f}" if column.endswith("ms") else f"{value:.2f}"


def table(rows, columns):
    cells = [["case", *(c.replace("_", " ").replace("mib", "MiB") for c in columns)]]
    cells += [[row["case"], *(shown(c, row[c]) for c in columns)] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    for line in cells:
        print("  ".join([line[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(line[1:], widths[1:])]))


def machine(o):
    """Facts without which the numbers mean nothing."""
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
    packages = ("torch", "transformers", "peft", "onnxruntime")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": model,
        "cores": os.cpu_count(),
        "load when begun": "%.1f" % os.getloadavg()[0],
        "versions": ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages),
        "settings": f"threads {o.threads}, batch {o.batch}, classes {o.classes}, rounds {o.rounds}, repetitions {o.repetitions}",
    }


def compile_shim(scratch):
    with open(f"{scratch}/shim.c", "w") as f:
        f.write(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", f"{scratch}/shim.so", f"{scratch}/shim.c"], check=True)
    return f"{scratch}/shim.so"


def options():
    p = argparse.ArgumentParser(description="PyTorch and orthsr bench in turn on one random ViT-B/16 CLIP")
    p.add_argument("--orthsr", default="build/bin/orthsr", help="the tool (default: build/bin/orthsr)")
    p.add_argument("--checkpoint", help="directory of the model, written if it is not there (default: a temporary one)")
    p.add_argument("--cases", default=",".join(CASES), help="of " + ",".join(CASES))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", type=int, default=8, help="images of a training step")
    p.add_argument("--classes", type=int, default=16, help="classes of a training step")
    p.add_argument("--rounds", type=int, default=3, help="how often all take turns")
    p.add_argument("--repetitions", type=int, default=3, help="within each turn, after two to warm up")
    p.add_argument("--no-stock", action="store_true", help="leave out PyTorch as installed, the slowest")
    p.add_argument("--out", help="CSV file")
    o = p.parse_args()
    o.cases = o.cases.split(",")
    unknown = [c for c in o.cases if c not in CASES]
    if unknown:
        p.error(f"--cases: {', '.join(unknown)} is not one of {', '.join(CASES)}")
    if min(o.threads, o.batch, o.classes, o.rounds, o.repetitions) < 1:
        p.error("numbers are at least 1")
    return o


def prepare(o, scratch, env):
    """The model and what is made from it; the peers by name, and facts that were found on the way."""
    o.checkpoint = os.path.abspath(o.checkpoint or f"{scratch}/vit-b-16")
    stock, best, ours = Torch(o, scratch, env), Torch(o, scratch, env, compile_shim(scratch)), Ours(o, scratch, env)
    if not os.path.exists(f"{o.checkpoint}/model.safetensors"):
        os.makedirs(o.checkpoint, exist_ok=True)
        stock.do("checkpoint")
    stock.do("reference")
    for case, sizes, _, _ in (CASES[c] for c in o.cases):
        if case == "features":
            stock.do("export", **sizes)
    rates = [last_object(t.do("sgemm"))["gflops"] for t in (stock, best)]
    facts = {"torch sgemm": f"stock {rates[0]:.0f}, best {rates[1]:.0f} GFLOP/s" + ("" if rates[1] > 1.1 * rates[0] else "; the shim has no effect")}
    try:
        facts["largest deviation of our features"] = "image %.1e, text %.1e" % tuple(ours.deviations())
    except (Failed, OSError) as e:
        facts["largest deviation of our features"] = f"n/a ({e})"
    peers = {"stock": stock, "best": best, "ort": OnnxRuntime(o, scratch, env), "ours": ours}
    if o.no_stock:
        del peers["stock"]
    return peers, facts


def main():
    o = options()
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "LD_PRELOAD")}
    with tempfile.TemporaryDirectory() as scratch:
        facts = machine(o)
        peers, found = prepare(o, scratch, env)
        facts |= found
        for name, value in facts.items():
            print(f"# {name}: {value}", flush=True)
        samples, failed = compare(peers, o.cases, o.rounds)
    rows = [row_of(case, samples) for case in o.cases]
    table(rows, COLUMNS)
    print()
    table(rows, MORE)
    for (case, who), why in failed.items():
        facts[f"no number for {who} in {case}"] = why
        print(f"# no number for {who} in {case}: {why}")
    if o.out:
        with open(o.out, "w", newline="") as f:
            f.write("".join(f"# {name}: {value}\n" for name, value in facts.items()))
            out = csv.DictWriter(f, ["case", *COLUMNS, *MORE], lineterminator="\n")
            out.writeheader()
            out.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)


if __name__ == "__main__":
    main()
