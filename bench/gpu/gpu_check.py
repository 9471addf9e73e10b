#!/usr/bin/env python3
"""Everything there is to verify and to measure on a GPU, in one go and in less than eight minutes.

usage: gpu_check.py [--device cuda] [--only facts,limits,...] [--out DIR] [--seconds 470] [--vitro PATH] [--quick]

Each part is a process of its own with a limit of its own: whatever fails or hangs, the others run, and the report says
what happened. Writes DIR/<device>-<date>.json and .md. Exits with 0 if every part has passed, else with 1; a part that
cannot run, for want of a GPU or of PyTorch, has not passed.

--quick takes the bundled model's sizes instead of Phi-3-mini's; with --device cuda-emulated it tests this script itself.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Name, limit in seconds, what it is for. In this order; the last ones suffer when time runs short.
PARTS = {
    "facts": (20, "what the device and its driver are"),
    "limits": (40, "bandwidth and matrix products, measured"),
    "ops": (80, "every op's kernels against the references"),
    "parity_2_layers": (70, "logits and 64 greedy tokens as transformers has them"),
    "parity": (110, "the same with all layers"),
    "decode": (100, "decode steps, per batch and context, with the table of kernels"),
    "prefill": (60, "prompts, with the table of kernels"),
    "generate": (40, "100 tokens with and without the KV cache"),
    "fp8": (40, "decode with fp8 weights"),
    "start": (30, "from the start of the process to the first token"),
    "transformers": (170, "the same steps in transformers: eager, and compiled with a static cache"),
    "sanitizer": (90, "compute-sanitizer over some ops"),
}


def find_cublaslt():
    """Lets vitro have the cuBLASLt that PyTorch brings, where no other is installed."""
    if "VITRO_CUBLASLT" in os.environ or Path("/usr/local/cuda/lib64/libcublasLt.so.13").exists():
        return
    for folder in sys.path:
        for path in sorted(Path(folder or ".").glob("nvidia/*/lib/libcublasLt.so.13")):
            os.environ["VITRO_CUBLASLT"] = str(path)
            return


class Failure(Exception):
    """A part that has not passed; the text says why. `out` is what it had printed by then."""

    def __init__(self, why, out=""):
        super().__init__(why)
        self.out = out


class Check:
    def __init__(self, options):
        self.options = options
        self.deadline = time.monotonic() + options.seconds
        self.work = Path(tempfile.mkdtemp(prefix="gpu-check-", dir=options.scratch))
        self.models = {}
        self.emulated = options.device == "cuda-emulated"

    # --- running things ---------------------------------------------------------------------------------------------

    def run(self, limit, command, **more):
        """stdout of a process, which gets `limit` seconds or what is left; its whole group dies with it."""
        left = self.deadline - time.monotonic()
        if left < 2:
            raise Failure("no time was left")
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, start_new_session=True, **more)
        try:
            out, errors = process.communicate(timeout=min(limit, left))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
            why = f"did not end within {min(limit, left):.0f} s: {' '.join(map(str, command))}"
            raise Failure(why, out) from None
        if process.returncode != 0:
            raise Failure(tail(errors) or tail(out) or f"exit code {process.returncode}")
        return out

    def vitro(self, limit, *arguments):
        return self.run(limit, [self.options.vitro, *arguments])

    def bench(self, limit, layers, *arguments):
        model = self.model(layers)
        return json.loads(self.vitro(limit, "bench", "-m", model, "--device", self.options.device, "--json",
                                     *(["--repeats", 1] if self.options.quick else []), *arguments))

    def python(self, limit, script, *arguments):
        try:
            import torch, transformers  # noqa: F401
        except ImportError as error:
            raise Failure(f"{sys.executable} has not what it needs: {error}") from None
        out = self.run(limit, [sys.executable, HERE / script, *arguments])
        return json.loads(out.strip().splitlines()[-1])

    def model(self, layers):
        """A model directory with random weights; made once."""
        if layers not in self.models:
            config = ROOT / "models/bundled/tiny-phi3/config.json" if self.options.quick else HERE / "phi3_mini.json"
            out = self.work / f"model-{layers}"
            self.run(120, [sys.executable, ROOT / "bench/make_random_model.py", out, "--config", config, "--layers",
                           layers])
            (out / "generation_config.json").write_text("{}\n")
            self.models[layers] = out
        return self.models[layers]

    @property
    def layers(self):
        return 4 if self.options.quick else 32

    # --- the parts --------------------------------------------------------------------------------------------------

    def facts(self, limit):
        found = json.loads(self.vitro(limit, "devices", "--json"))
        if shutil.which("nvidia-smi"):
            query = "name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit"
            found["nvidia_smi"] = self.run(limit, ["nvidia-smi", f"--query-gpu={query}", "--format=csv"]).strip()
        if not found["cuda"] and not self.emulated:
            raise Failure(found["why_no_cuda"])
        return found

    def limits(self, limit):
        return json.loads(self.vitro(limit, "devices", "--limits", self.options.device, "--json"))["limits"]

    def ops(self, limit):
        chosen = ["rms_norm"] if self.options.quick else []
        return {"output": tail(self.vitro(limit, "ops", *chosen, "--check", "--device", self.options.device), 60)}

    def parity_2_layers(self, limit):
        return self.parity(limit, 2)

    def parity(self, limit, layers=None):
        started = time.monotonic()
        model = self.model(layers or self.layers)
        limit -= time.monotonic() - started
        found = self.python(limit, "parity.py", model, "--vitro", self.options.vitro, "--device", self.options.device,
                            *(["--prompt", 6, "--tokens", 4] if self.options.quick else []))
        if not found["agrees"]:
            raise Failure(found["why"])
        return found

    def decode(self, limit):
        cases = "1:0,2:16" if self.options.quick else "1:0,1:1000,1:4000,8:1000,32:1000,128:1000"
        found = self.bench(limit, self.layers, "--kernels", "--decode", cases)
        for row in found["decode"]:
            if row["allocated_bytes"] != 0:
                raise Failure(f"{row['allocated_bytes']} bytes were allocated after the first steps")
        return found

    def prefill(self, limit):
        return self.bench(limit, self.layers, "--kernels", "--prefill", "8,16" if self.options.quick else "512,2048,4096")

    def generate(self, limit):
        return self.bench(limit, self.layers, "--generate", 4 if self.options.quick else 100)

    def fp8(self, limit):
        return self.bench(limit, self.layers, "--weights", "fp8", "--kernels", "--decode", "1:0")

    def start(self, limit):
        """Median wall time of whole processes, weights in the page cache."""
        times = []
        for _ in range(1 if self.options.quick else 3):
            begin = time.monotonic()
            self.vitro(limit, "run", "-m", self.model(self.layers), "--device", self.options.device, "--tokens",
                       "1,5,9,13", "-n", 1, "--json")
            times.append(time.monotonic() - begin)
        return {"seconds": sorted(times)[len(times) // 2]}

    def sanitizer(self, limit):
        if self.emulated:
            raise Failure("the emulation checks by itself")
        tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        if not Path(tool).exists():
            raise Failure("there is no compute-sanitizer")
        found = {}
        for check, op in (("memcheck", "linear"), ("memcheck", "attention"), ("racecheck", "attention")):
            out = self.run(limit / 3, [tool, "--tool", check, "--error-exitcode", 9, self.options.vitro, "ops", "--check",
                                       op, "--device", self.options.device])
            found[f"{check} {op}"] = tail(out, 2)
        return found

    def transformers(self, limit):
        model = self.model(self.layers)
        seconds = min(limit, self.deadline - time.monotonic()) - 10
        try:
            return self.python(limit, "transformers_bench.py", model, "--seconds", seconds,
                               *(["--quick"] if self.options.quick else []))
        except Failure as failure:  # a line after each measurement: what there is counts
            lines = failure.out.strip().splitlines()
            if not lines:
                raise
            found = json.loads(lines[-1])
            found["skipped"].append(str(failure))
            return found

    # --- all of them ------------------------------------------------------------------------------------------------

    def all(self):
        parts = {}
        try:
            for name, (limit, about) in PARTS.items():
                if self.options.only and name not in self.options.only:
                    continue
                limit *= 4 if self.options.quick else 1  # nothing is measured, and the emulation is slow
                begin = time.monotonic()
                part = {"about": about, "status": "passed"}
                try:
                    part["found"] = getattr(self, name)(limit)
                except Failure as failure:
                    part |= {"status": "failed", "why": str(failure)}
                except Exception as error:  # a part's own mistake must not end the others
                    part |= {"status": "failed", "why": f"{type(error).__name__}: {error}"}
                part["seconds"] = round(time.monotonic() - begin, 1)
                parts[name] = part
                print(f"{name:<16} {part['status']:<7} {part['seconds']:>6.1f} s  {part.get('why', '')}", flush=True)
        finally:
            shutil.rmtree(self.work, ignore_errors=True)
        return parts


def tail(text, lines=6):
    return "\n".join(text.strip().splitlines()[-lines:])


def device_name(options, parts):
    found = parts.get("facts", {}).get("found", {}).get("cuda") or []
    name = found[0]["name"] if found and options.device != "cuda-emulated" else options.device
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def default_vitro():
    beside = ROOT / "vitro"  # a bundle
    return beside if beside.is_file() else ROOT / "build/release/vitro"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", type=lambda text: text.split(","), help="these parts: " + ", ".join(PARTS))
    parser.add_argument("--out", type=Path, default=HERE, help="where the report goes (default: beside this script)")
    parser.add_argument("--scratch", type=Path, help="where models of up to 8 GB are made (default: the temporary folder)")
    parser.add_argument("--seconds", type=float, default=470, help="for everything together (default 470)")
    parser.add_argument("--vitro", type=Path, default=default_vitro())
    parser.add_argument("--quick", action="store_true", help="a small model: tests this script, measures nothing")
    options = parser.parse_args()
    if not options.vitro.is_file():
        parser.error(f"{options.vitro} is not there: ./dev build makes it, ./dev gpu-bundle the one that is carried")
    for name in options.only or []:
        if name not in PARTS:
            parser.error(f"--only: expected {', '.join(PARTS)}, found {name}")

    import report

    find_cublaslt()
    begin = time.monotonic()
    parts = Check(options).all()
    now = datetime.datetime.now().astimezone()
    whole = {"date": now.isoformat(timespec="seconds"), "device": options.device, "quick": options.quick,
             "command": " ".join(["gpu_check.py", *sys.argv[1:]]), "seconds": round(time.monotonic() - begin, 1),
             "parts": parts}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{device_name(options, parts)}-{now:%Y-%m-%d}"
    path.with_suffix(".json").write_text(json.dumps(whole, indent=1) + "\n")
    path.with_suffix(".md").write_text(report.markdown(whole))
    failed = [name for name, part in parts.items() if part["status"] != "passed"]
    print(f"{path}.json and .md: {len(parts) - len(failed)} of {len(parts)} parts have passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
