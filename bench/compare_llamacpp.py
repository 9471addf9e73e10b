#!/usr/bin/env python3
"""vitro against llama.cpp on the same GGUF files, run by turns.

    pip install numpy gguf==0.19.0 llama-cpp-python==0.3.36
    python bench/compare_llamacpp.py build/release/vitro -o bench/cpu/NAME.md

Files with Phi-3-mini's shapes and random weights are written by bench/make_random_gguf.py into --files, unless they are
there; --model adds others, such as SmolLM2's. Both prefill a prompt and decode behind a short one, each its own median of
a few; the engines take turns, A B A B. The first token is that behind a prompt of 8, counted from the opening of a file that
is in the page cache, packing included. Printed are medians over the pairs and the median of the pairs' ratios, more than 1
where vitro is faster, with the smallest and the largest one. The machine must be idle: llama.cpp's threads wait for each other by spinning.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import make_random_gguf

FIRST = "first token"
TYPES = ["f16", "bf16", "q8_0", "q6_k", "q4_k_m", "q4_0"]


def cpu_name() -> str:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    field = lambda key: next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "unknown")
    return f"{field('model name')} (family {field('cpu family')}, model {field('model')}), {lines.count('')} cores"


def vitro_rates(binary: pathlib.Path, model: pathlib.Path, arguments) -> dict[str, float]:
    """Tokens a second of prefill and of decode, and seconds until the first token."""
    command = [binary, "bench", "-m", model, "-t", arguments.threads, "--prefill", arguments.prompt, "--decode",
               f"1:{arguments.context}", "--repeats", arguments.repeats, "--json"]
    found = json.loads(subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout)
    return {"prefill": found["prefill"][0]["tokens_per_second"], "decode": found["decode"][0]["tokens_per_second"],
            FIRST: found["first_token_seconds"]}


class LlamaCpp:
    def __init__(self, model: pathlib.Path, arguments):
        self.path = model
        self.arguments = arguments
        self.model = self.open()

    def open(self):
        import llama_cpp

        arguments = self.arguments
        most = arguments.prompt + arguments.context + 64
        return llama_cpp.Llama(str(self.path), n_ctx=most, n_batch=max(512, arguments.prompt), n_ubatch=max(512, arguments.prompt),
                               n_threads=arguments.threads, n_threads_batch=arguments.threads, verbose=False)

    def first_token_seconds(self) -> float:
        start = time.perf_counter()
        model = self.open()
        model.eval(list(range(1, 9)))
        seconds = time.perf_counter() - start
        model.close()
        return seconds

    def seconds(self, tokens: list[int]) -> float:
        start = time.perf_counter()
        self.model.eval(tokens)
        return time.perf_counter() - start

    def rates(self) -> dict[str, float]:
        prompt = [(7919 * i) % self.model.n_vocab() for i in range(1, self.arguments.prompt + 1)]
        prefill, decode = [], []
        for _ in range(1 + self.arguments.repeats):
            self.model.reset()
            prefill.append(self.seconds(prompt))
        self.model.reset()
        self.model.eval(prompt[: self.arguments.context])
        for i in range(3 + self.arguments.repeats):
            decode.append(self.seconds([prompt[i]]))
        return {"prefill": len(prompt) / statistics.median(prefill[1:]), "decode": 1 / statistics.median(decode[3:]),
                FIRST: self.first_token_seconds()}


def compare(binary: pathlib.Path, model: pathlib.Path, arguments) -> list[str]:
    """Rows of the table."""
    llama = LlamaCpp(model, arguments)
    vitro, other = [], []
    for _ in range(arguments.pairs):
        vitro.append(vitro_rates(binary, model, arguments))
        other.append(llama.rates())
    rows = []
    for what, unit, digits in (("prefill", "tokens/s", 1), ("decode", "tokens/s", 1), (FIRST, "s", 2)):
        ratios = [b[what] / a[what] if what == FIRST else a[what] / b[what] for a, b in zip(vitro, other)]
        rows.append(f"| {model.stem} | {what}, {unit} | {statistics.median(a[what] for a in vitro):.{digits}f} "
                    f"| {statistics.median(b[what] for b in other):.{digits}f} "
                    f"| {statistics.median(ratios):.2f} | {min(ratios):.2f} – {max(ratios):.2f} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vitro", type=pathlib.Path)
    parser.add_argument("--types", default=",".join(TYPES), help="of the random files")
    parser.add_argument("--model", type=pathlib.Path, action="append", default=[], help="another GGUF file")
    parser.add_argument("--files", type=pathlib.Path, default=pathlib.Path("build/models"))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--prompt", type=int, default=128, help="tokens of the prefill")
    parser.add_argument("--context", type=int, default=16, help="tokens before those that are decoded")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only-write", action="store_true", help="write the files that are missing, and end")
    parser.add_argument("-o", "--out", type=pathlib.Path, help="the table, as markdown")
    arguments = parser.parse_args()
    arguments.files.mkdir(parents=True, exist_ok=True)
    models = []
    for kind in filter(None, arguments.types.split(",")):
        models.append(arguments.files / f"phi3-shapes-8-layers-{kind}.gguf")
        if not models[-1].exists():
            make_random_gguf.write(kind, models[-1])
    if arguments.only_write:
        return
    import llama_cpp

    version = subprocess.run([str(arguments.vitro), "--version"], check=True, capture_output=True, text=True).stdout.strip()
    lines = [f"{cpu_name()}; {arguments.threads} threads; prompt {arguments.prompt}, decode behind {arguments.context} tokens; "
             f"{arguments.pairs} pairs; llama-cpp-python {llama_cpp.__version__}", "", "```", version, "```", "",
             "| file | | vitro | llama.cpp | ratio | of the pairs |", "| --- | --- | --- | --- | --- | --- |"]
    print("\n".join(lines))
    for model in models + arguments.model:
        lines += compare(arguments.vitro, model, arguments)
    if arguments.out is not None:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
