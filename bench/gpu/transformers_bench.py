#!/usr/bin/env python3
"""Times transformers on the steps that `vitro bench` times: eager, and compiled with a static cache.

usage: transformers_bench.py MODEL [--device cuda] [--seconds 150] [--quick]

Random tokens, bf16, medians of 5 after warming up, by CUDA events (on a CPU: the clock). After each measurement a line
of JSON tells all so far; what did not fit into the time is absent, and `skipped` says so.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
import transformers
from torch._dynamo.utils import counters
from transformers import AutoModelForCausalLM, DynamicCache, StaticCache

from torch_device import description, torch_device

REPEATS = 5


class Bench:
    def __init__(self, options):
        self.begin = time.monotonic()
        self.seconds = options.seconds
        self.device = torch_device(options.device, torch)
        self.on_gpu = self.device != "cpu"
        started = time.monotonic()
        self.model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.bfloat16).to(self.device).eval()
        self.sync()
        self.result = {"device": description(self.device, torch), "torch": torch.__version__,
                       "transformers": transformers.__version__, "load_seconds": time.monotonic() - started,
                       "eager": {}, "compiled": {}, "without_cuda_graphs": [], "skipped": []}

    def sync(self):
        if self.on_gpu:
            torch.cuda.synchronize()

    def left(self):
        return self.seconds - (time.monotonic() - self.begin)

    def seconds_of(self, call):
        """Median time of a call, with what it needs prepared outside of the time."""
        times = []
        for i in range(REPEATS + 2):
            self.sync()
            if self.on_gpu:
                start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                start.record()
                call()
                end.record()
                self.sync()
                elapsed = start.elapsed_time(end) / 1e3
            else:
                start = time.perf_counter()
                call()
                elapsed = time.perf_counter() - start
            if i >= 2:
                times.append(elapsed)
        return statistics.median(times)

    def tokens(self, batch, length):
        return torch.randint(3, self.model.config.vocab_size, (batch, length), device=self.device)

    def step(self, tokens, cache, forward=None):
        """The next token of each row, chosen on the device."""
        out = (forward or self.model)(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1].argmax(-1, keepdim=True)

    def fill(self, cache, batch, context):
        """Puts `context` tokens of each row into the cache, in pieces that fit the memory."""
        for at in range(0, context, 512):
            self.step(self.tokens(batch, min(512, context - at)), cache)

    # A decode step grows the cache by a token: over the repeats the context is a little longer than its name.
    def eager_decode(self, batch, context):
        cache = DynamicCache(config=self.model.config)
        self.fill(cache, batch, context)
        token = self.tokens(batch, 1)
        return self.seconds_of(lambda: self.step(token, cache))

    def compile(self):
        """Anew for each case: what is left of another cache's length would make this one's dynamic."""
        torch._dynamo.reset()
        return torch.compile(self.model.forward, mode="reduce-overhead")

    def static_cache(self, batch, length):
        """An empty one with its tensors in place. Those that are made in the compiled forward have no static address,
        and without it there are no CUDA graphs: a step that is not compiled makes them."""
        cache = StaticCache(config=self.model.config, max_cache_len=length)
        self.step(self.tokens(batch, 1), cache)
        cache.reset()
        return cache

    def compiled_decode(self, batch, context, compile):
        counters.clear()
        forward = compile()
        cache = self.static_cache(batch, context + 64)
        self.fill(cache, batch, context)
        token = self.tokens(batch, 1)
        for _ in range(2):
            self.step(token, cache, forward)
        seconds = self.seconds_of(lambda: self.step(token, cache, forward))
        if self.on_gpu and counters["inductor"]["cudagraph_skips"]:
            self.result["without_cuda_graphs"].append(f"decode {batch}:{context}")
        return seconds

    def prefill(self, length):
        tokens = self.tokens(1, length)
        return self.seconds_of(lambda: self.step(tokens, DynamicCache(config=self.model.config)))

    def generate(self, count, use_cache):
        tokens = self.tokens(1, 5)
        self.sync()
        start = time.perf_counter()
        cache = DynamicCache(config=self.model.config) if use_cache else None
        for _ in range(count):
            fresh = tokens[:, cache.get_seq_length():] if use_cache else tokens
            out = self.model(input_ids=fresh, past_key_values=cache, use_cache=use_cache, logits_to_keep=1)
            tokens = torch.cat([tokens, out.logits[:, -1].argmax(-1, keepdim=True)], dim=1)
        self.sync()
        return time.perf_counter() - start

    def attempt(self, into, name, call, seconds=5):
        if self.left() < seconds:
            self.result["skipped"].append(f"{name}: no time was left")
            return
        try:
            with torch.no_grad():
                into[name] = call()
        except Exception as error:
            self.result["skipped"].append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
        print(json.dumps(self.result), flush=True)

    def run(self, quick):
        contexts = [(1, 0), (2, 16)] if quick else [(1, 0), (1, 1000), (1, 4000), (8, 1000), (32, 1000), (128, 1000)]
        lengths = [8, 16] if quick else [512, 2048, 4096]
        count = 4 if quick else 100
        eager, compiled = self.result["eager"], self.result["compiled"]
        for batch, context in contexts:
            self.attempt(eager, f"decode {batch}:{context}", lambda: self.eager_decode(batch, context))
        for length in lengths:
            self.attempt(eager, f"prefill {length}", lambda: self.prefill(length))
        for use_cache in (True, False):
            self.attempt(eager, f"generate {count}{'' if use_cache else ' without cache'}",
                         lambda: self.generate(count, use_cache))
        compile, took = (lambda: self.model.forward) if quick else self.compile, 5
        for batch, context in contexts[:3]:
            begin = time.monotonic()
            self.attempt(compiled, f"decode {batch}:{context}", lambda: self.compiled_decode(batch, context, compile),
                         took)
            took = max(took, time.monotonic() - begin)  # the next one compiles as long


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--device", default="cuda", help="as vitro calls it: cuda, cuda:N, cpu or cuda-emulated")
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    Bench(options).run(options.quick)


if __name__ == "__main__":
    main()
