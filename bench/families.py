"""Writes docs/families.md: of each family the steps of a layer and the bytes that one token moves, as the model is
written and as it runs, on the CPU and on CUDA, and what keeps a fusion from firing.

usage: python3 bench/families.py [--vitro PATH] [-o FILE]

The models are configurations of published sizes; no weights are needed. Numbers are those of `vitro graph --format json`:
a decode step of one sequence, the KV cache full (4096 tokens), an encoder's step for 128 tokens. CUDA stands for the
kernels, which `--device cuda-emulated` has, too.
"""

import argparse
import collections
import json
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def sizes(hidden, ffn, layers, heads, kv_heads, vocab, **more):
    return dict(hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers, num_attention_heads=heads,
                num_key_value_heads=kv_heads, vocab_size=vocab, max_position_embeddings=4096, torch_dtype="bfloat16",
                **more)


def encoder(hidden, ffn, layers, heads, vocab, **more):
    return dict(hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers, num_attention_heads=heads,
                vocab_size=vocab, torch_dtype="float32", **more)


LONG = [1.0 + i / 8 for i in range(48)]
YARN = {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
        "original_max_position_embeddings": 4096}
# The model that the sizes are those of, its architecture, its configuration.
FAMILIES = [
    ("Llama 3.2 1B", "LlamaForCausalLM", sizes(2048, 8192, 16, 32, 8, 128256, tie_word_embeddings=True)),
    ("SmolLM3 3B", "SmolLM3ForCausalLM", sizes(2048, 11008, 36, 16, 4, 128256, tie_word_embeddings=True)),
    ("Mistral 7B", "MistralForCausalLM", sizes(4096, 14336, 32, 32, 8, 32768, sliding_window=None)),
    ("Ministral 8B", "MinistralForCausalLM", sizes(4096, 12288, 36, 32, 8, 131072, head_dim=128, sliding_window=2048)),
    ("Granite 3 2B", "GraniteForCausalLM",
     sizes(2048, 8192, 40, 32, 8, 49155, tie_word_embeddings=True, embedding_multiplier=12.0, logits_scaling=8.0,
           residual_multiplier=0.22, attention_multiplier=0.015625)),
    ("Qwen2.5 0.5B", "Qwen2ForCausalLM", sizes(896, 4864, 24, 14, 2, 151936, tie_word_embeddings=True)),
    ("Qwen3 0.6B", "Qwen3ForCausalLM", sizes(1024, 3072, 28, 16, 8, 151936, head_dim=128, tie_word_embeddings=True)),
    ("Qwen3 30B-A3B", "Qwen3MoeForCausalLM",
     sizes(2048, 6144, 48, 32, 4, 151936, head_dim=128, moe_intermediate_size=768, num_experts=128,
           num_experts_per_tok=8, norm_topk_prob=True)),
    ("Gemma 2 2B", "Gemma2ForCausalLM", sizes(2304, 9216, 26, 8, 4, 256000, head_dim=256, sliding_window=4096)),
    ("Gemma 3 270M", "Gemma3ForCausalLM", sizes(640, 2048, 18, 4, 1, 262144, head_dim=256, sliding_window=512)),
    ("Phi-3 mini", "Phi3ForCausalLM", sizes(3072, 8192, 32, 32, 32, 32064, sliding_window=2047)),
    ("Phi-4 mini", "Phi3ForCausalLM",
     sizes(3072, 8192, 32, 24, 8, 200064, tie_word_embeddings=True, partial_rotary_factor=0.75,
           original_max_position_embeddings=4096,
           rope_scaling={"type": "longrope", "short_factor": [1.0] * 48, "long_factor": LONG})),
    ("OLMo 2 1B", "Olmo2ForCausalLM", sizes(2048, 8192, 16, 16, 16, 100352)),
    ("OLMo 3 7B", "Olmo3ForCausalLM", sizes(4096, 11008, 32, 32, 32, 100278, sliding_window=4096)),
    ("StableLM 3B", "StableLmForCausalLM", sizes(2560, 6912, 32, 32, 32, 50304)),
    ("Mixtral 8x7B", "MixtralForCausalLM", sizes(4096, 14336, 32, 32, 8, 32000)),
    ("GPT-OSS 20B", "GptOssForCausalLM",
     sizes(2880, 2880, 24, 64, 8, 201088, head_dim=64, sliding_window=128, num_local_experts=32,
           num_experts_per_tok=4, rope_scaling=YARN, rope_theta=150000.0)),
    ("GPT-2", "GPT2LMHeadModel",
     dict(vocab_size=50257, n_embd=768, n_layer=12, n_head=12, n_positions=1024, torch_dtype="float32")),
    ("BERT base", "BertModel", encoder(768, 3072, 12, 12, 30522)),
    ("RoBERTa base", "RobertaModel", encoder(768, 3072, 12, 12, 50265, max_position_embeddings=514)),
    ("ModernBERT base", "ModernBertModel", encoder(768, 1152, 22, 12, 50368)),
]
DEVICES = {"CPU": "cpu", "CUDA": "cuda-emulated"}
# Each stands for one step less where it fires; the others tidy up, or prepare weights.
FUSIONS = ("fuse_",)


def run(vitro, *words):
    done = subprocess.run([vitro, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def measure(vitro, model, is_encoder, device, stage):
    """Nodes that run in one layer, on the average of all, and bytes of the whole step."""
    phase = "prefill" if is_encoder else "decode"
    graph = json.loads(run(vitro, "graph", "-m", model, "--phase", phase, "--device", device, "--after", stage,
                           "--format", "json", "--chunk", "128"))
    per_layer, bytes_moved = collections.Counter(), 0
    for node in graph["nodes"]:
        if node["work"] in ("view", "load"):
            continue
        bytes_moved += node["bytes"]
        if found := re.search(r"(?:^|\.)(?:layers?|h)\.(\d+)(?:\.|$)", node["outputs"][0]):
            per_layer[int(found[1])] += 1
    return sum(per_layer.values()) / max(1, len(per_layer)), bytes_moved


def refusals(vitro, model, is_encoder, device):
    """Why fusions did not fire, a reason for each pass, layers left out."""
    lines = run(vitro, "graph", "-m", model, "--phase", "prefill" if is_encoder else "decode", "--device", device,
                "--explain").splitlines()
    reasons = {}
    for line in lines:
        found = re.match(r"(\w+) +refused +([^:]+): (.*)", line)
        if found and found[1].startswith(FUSIONS):
            where = re.sub(r".*layers?\.[\d-]+\.", "", found[2])
            reasons.setdefault(found[1], []).append((where, re.sub(r"\b(?:\w+\.)+N\.", "", found[3])))
    return reasons


def number(x):
    return f"{x:.0f}" if abs(x - round(x)) < 0.05 else f"{x:.1f}"


def size(x):
    return f"{x / 2**30:.2f} GiB" if x >= 2**30 else f"{x / 2**20:.0f} MiB"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vitro", type=Path, default=ROOT / "build/release/vitro")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs/families.md")
    options = parser.parse_args()
    rows, reasons = [], []
    for name, architecture, config in FAMILIES:
        with tempfile.TemporaryDirectory() as model:
            (Path(model) / "config.json").write_text(json.dumps({"architectures": [architecture], **config}))
            is_encoder = architecture.endswith("Model") and not architecture.endswith("LMHeadModel")
            cells = [name, f"`{architecture}`"]
            for device in DEVICES.values():
                naive, fused = (measure(options.vitro, model, is_encoder, device, stage) for stage in ("build", "program"))
                cells.append(f"{number(naive[0])} → {number(fused[0])}")
                cells.append(f"{size(naive[1])} → {size(fused[1])}")
            rows.append(cells)
            for label, device in DEVICES.items():
                for fusion, found in sorted(refusals(options.vitro, model, is_encoder, device).items()):
                    for reason, where in sorted({(reason, where) for where, reason in found}):
                        reasons.append((name, label, fusion, where, reason))
        print(" | ".join(rows[-1]), flush=True)
    text = ["# Families: what fusion makes of each", "",
            "Made by `bench/families.py`; its head says how. Bytes are those that must move: each input read once, each",
            "output written once. One token with a cache of 4096; encoders 128 tokens.", "",
            "| model | architecture | CPU: steps per layer | CPU: bytes | CUDA: steps per layer | CUDA: bytes |",
            "| --- | --- | --- | --- | --- | --- |"]
    text += [f"| {' | '.join(cells)} |" for cells in rows]
    text += ["", "## Fusions that did not fire, and why", "",
             "As `vitro graph --explain` says it; the same reason on both devices stands once.", "",
             "| model | device | fusion | at | why not |", "| --- | --- | --- | --- | --- |"]
    merged = collections.OrderedDict()
    for name, label, *rest in reasons:
        merged.setdefault((name, *rest), []).append(label)
    text += [f"| {name} | {', '.join(labels)} | `{fusion}` | `{where}` | {reason} |"
             for (name, fusion, where, reason), labels in merged.items()]
    options.output.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
