#!/usr/bin/env python3
"""Compares vitro with transformers on one model directory: logits of all positions, and greedy tokens.

usage: parity.py MODEL --vitro PATH --device DEVICE [--prompt 48] [--tokens 64]

The yardstick is transformers in f32 on the same weights. vitro's logits may be off by 1.5 times what transformers' own
bf16 run is off by (normalized mean square), and each greedy token must have been the best one but for rounding: at most
four times that run's error (root mean square) below it. vitro's own prefill and decode meet too: the greedy tokens come
from the recorded decode step with the choice on the device. The last line printed is JSON.
"""

import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

from torch_device import description, torch_device

FLOOR = 1e-5  # of the mean square error: f32 checkpoints


def logits_of(model, dtype, device, tokens):
    network = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, attn_implementation="eager").to(device).eval()
    with torch.inference_mode():
        out = network(torch.tensor([tokens], device=device), use_cache=False).logits[0].float().cpu().numpy()
    del network
    if device != "cpu":
        torch.cuda.empty_cache()
    return out


def vitro(options, *arguments):
    command = [options.vitro, arguments[0], "-m", options.model, "--device", options.device, *arguments[1:]]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"vitro {arguments[0]}: {done.stderr.strip()[-500:] or done.returncode}")
    return done.stdout


def compare(options):
    device = torch_device(options.device, torch)
    config = json.loads((options.model / "config.json").read_text())
    rng = random.Random(1)
    prompt = [rng.randrange(3, config["vocab_size"]) for _ in range(options.prompt)]
    greedy = json.loads(vitro(options, "run", "--tokens", ",".join(map(str, prompt)), "-n", options.tokens, "-c",
                              len(prompt) + options.tokens + 1, "--json"))["tokens"]
    tokens = prompt + greedy
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "logits.safetensors"
        vitro(options, "logits", "--tokens", ",".join(map(str, tokens)), "-c", len(tokens) + 1, "-o", out)
        found = load_file(out)["logits"]

    torch.backends.cuda.matmul.allow_tf32 = False
    exact = logits_of(options.model, torch.float32, device, tokens)
    rounded = logits_of(options.model, torch.bfloat16, device, tokens)
    square = float(np.mean(exact.astype(np.float64) ** 2))
    own = float(np.mean((rounded.astype(np.float64) - exact) ** 2))
    error = float(np.mean((found.astype(np.float64) - exact) ** 2))
    rows = exact[len(prompt) - 1 : len(tokens) - 1]
    below = rows.max(axis=1) - rows[np.arange(len(greedy)), greedy]
    allowed = 4 * max(own, FLOOR * square) ** 0.5
    result = {
        "device": description(device, torch),
        "layers": config["num_hidden_layers"],
        "positions": len(tokens),
        "nmse": error / square,
        "transformers_bf16_nmse": own / square,
        "largest_difference": float(np.abs(found - exact).max()),
        "greedy_tokens": len(greedy),
        "greedy_equal": int((below == 0).sum()),
        "greedy_furthest_below": float(below.max()),
        "greedy_allowed_below": allowed,
    }
    why = []
    if not np.isfinite(found).all():
        why.append("logits are not finite")
    elif result["nmse"] > max(FLOOR, 1.5 * result["transformers_bf16_nmse"]):
        why.append(f"nmse {result['nmse']:.2e}, transformers' own bf16 run has {result['transformers_bf16_nmse']:.2e}")
    if len(greedy) != options.tokens:
        why.append(f"{len(greedy)} greedy tokens, expected {options.tokens}")
    if below.max() > allowed:
        why.append(f"a greedy token is {below.max():.3f} below the best one, expected at most {allowed:.3f}")
    return result | {"agrees": not why, "why": "; ".join(why)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--vitro", type=lambda name: Path(name).absolute(), required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--prompt", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=64)
    print(json.dumps(compare(parser.parse_args())))


if __name__ == "__main__":
    main()
