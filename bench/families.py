"""Writes docs/families.md: of each family the steps of a layer and the bytes that one token moves, as the model is
written and as it runs, on the CPU and on CUDA, which fusions fire, and what keeps the others from firing.

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
    ("Ministral 3 8B", "Ministral3ForCausalLM",
     sizes(4096, 14336, 34, 32, 8, 131072, head_dim=128, rope_parameters=YARN | {"llama_4_scaling_beta": 0.1})),
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
    ("StarCoder 2 3B", "Starcoder2ForCausalLM",
     sizes(3072, 12288, 30, 24, 2, 49152, tie_word_embeddings=True, sliding_window=4096)),
    ("Mixtral 8x7B", "MixtralForCausalLM", sizes(4096, 14336, 32, 32, 8, 32000)),
    ("GPT-OSS 20B", "GptOssForCausalLM",
     sizes(2880, 2880, 24, 64, 8, 201088, head_dim=64, sliding_window=128, num_local_experts=32,
           num_experts_per_tok=4, rope_scaling=YARN, rope_theta=150000.0,
           quantization_config={"quant_method": "mxfp4"})),
    ("GPT-2", "GPT2LMHeadModel",
     dict(vocab_size=50257, n_embd=768, n_layer=12, n_head=12, n_positions=1024, torch_dtype="float32")),
    ("BERT base", "BertModel", encoder(768, 3072, 12, 12, 30522)),
    ("RoBERTa base", "RobertaModel", encoder(768, 3072, 12, 12, 50265, max_position_embeddings=514)),
    ("ModernBERT base", "ModernBertModel", encoder(768, 1152, 22, 12, 50368)),
]
DEVICES = {"CPU": "cpu", "CUDA": "cuda-emulated"}
# Each stands for one step less where it fires; the other passes tidy up, or prepare weights.
FUSIONS = ["fuse_norm_matmul", "fuse_bias", "fuse_activation", "fuse_gated_ffn", "fuse_residual", "fuse_residual_norm",
           "fuse_attention", "fuse_qkv_rope", "fuse_qkv_projection"]
# What stands behind a refusal, by the fusion and a part of the reason that `vitro graph --explain` gives. A refusal
# without a row here is an error of this script.
EXPLAINED = [
    ("fuse_qkv_projection", "cpu has no kernel", "Only a GPU has this kernel: it saves a launch and a way through memory. "
     "On the CPU the product and rope are two steps, which cost little next to the weights' bytes."),
    ("fuse_qkv_rope", "does not go into rope", "Between the projection and the cache stands more than rope (norms of q "
     "and k), or no rope at all (learned positions, layers without rope)."),
    ("fuse_qkv_rope", "does not go into reshape", "The norm over all of q and k stands between projection and heads."),
    ("fuse_norm_matmul", "is not a matmul with a weight", "The norm is not in front of a product: it is of q or k, or "
     "stands behind a block."),
    ("fuse_norm_matmul", "uses", "The router and the experts read the normed values; a product with experts takes no "
     "norm inside."),
    ("fuse_residual_norm", "is not a sum", "The norm reads a product or a sum that is part of one already, not a sum of "
     "its own."),
    ("fuse_residual", "neither side is a matmul", "What is added is no product: a norm, a multiplier or the sum over "
     "experts stands between, or embeddings are added."),
    ("fuse_activation", "is no matmul with a weight", "The activation is of products with experts, which take none "
     "inside."),
    ("fuse_gated_ffn", "not halves of one matmul", "Gate and up are products with experts, which are not joined."),
    ("fuse_attention", "is not computed by add_mask", "It is the softmax of the router's choice, not of attention."),
    ("fuse_attention", "has no sinks", "GPT-OSS has one more score in each softmax; no kernel of attention has it."),
]


def run(vitro, *words):
    done = subprocess.run([vitro, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def phase_of(architecture):
    """An encoder takes a text whole; of the others one token stands for all that they write."""
    return "prefill" if architecture.endswith("Model") and not architecture.endswith("LMHeadModel") else "decode"


def measure(vitro, model, phase, device, stage):
    """Nodes that run in one layer, on the average of all, and bytes of the whole step."""
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


def findings(vitro, model, phase, device):
    """[(fusion, fired or refused, path, reason)]; layers that are alike stand once."""
    lines = run(vitro, "graph", "-m", model, "--phase", phase, "--device", device, "--explain").splitlines()
    found = [re.match(r"(\w+) +(fired|refused) +([^:]+): (.*)", line) for line in lines]
    return [tuple(one.groups()) for one in found if one and one[1].startswith("fuse_")]


def explanation(fusion, reason):
    for name, part, text in EXPLAINED:
        if name == fusion and part in reason:
            return part, text
    raise SystemExit(f"{fusion}: {reason}: expected a row of EXPLAINED, found none")


def number(x):
    return f"{x:.0f}" if abs(x - round(x)) < 0.05 else f"{x:.1f}"


def size(x):
    return f"{x / 2**30:.2f} GiB" if x >= 2**30 else f"{x / 2**20:.0f} MiB"


def mark(both):
    """✓ where it fires on both devices, · where it has nothing to do, else the refusal's letter."""
    cells = []
    for letters, fired in both:
        cells.append(("✓" if fired else "") + "".join(sorted(letters)) or "·")
    return cells[0] if cells[0] == cells[1] else " / ".join(cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vitro", type=Path, default=ROOT / "build/release/vitro")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs/families.md")
    options = parser.parse_args()
    letters = {(fusion, part): chr(ord("a") + i) for i, (fusion, part, _) in enumerate(EXPLAINED)}
    rows, fusions, seen = [], [], collections.defaultdict(set)
    for name, architecture, config in FAMILIES:
        phase = phase_of(architecture)
        with tempfile.TemporaryDirectory() as model:
            (Path(model) / "config.json").write_text(json.dumps({"architectures": [architecture], **config}))
            cells, marks = [name, f"`{architecture}`"], {fusion: [] for fusion in FUSIONS}
            for label, device in DEVICES.items():
                naive, fused = (measure(options.vitro, model, phase, device, stage) for stage in ("build", "program"))
                cells += [f"{number(naive[0])} → {number(fused[0])}", f"{size(naive[1])} → {size(fused[1])}"]
                found = findings(options.vitro, model, phase, device)
                for fusion in FUSIONS:
                    refused = {letters[fusion, explanation(fusion, reason)[0]]
                               for one, what, _, reason in found if one == fusion and what == "refused"}
                    marks[fusion].append((refused, any(one[:2] == (fusion, "fired") for one in found)))
                    for letter in refused:
                        seen[letter].add(name)
            rows.append(cells)
            fusions.append([name, *(mark(marks[fusion]) for fusion in FUSIONS)])
        print(" | ".join(cells), flush=True)
    table = lambda cells: f"| {' | '.join(cells)} |"  # noqa: E731
    text = ["# Families: what fusion makes of each", "",
            "Made by `bench/families.py` from configurations of published sizes. A step is one kernel; steps of a layer are",
            "the average of all layers, as the model's equations say it and as it runs. Bytes are those that a whole step",
            "must move, each input read once and each output written once, with bf16 weights (GPT-OSS: MXFP4, BERT and",
            "GPT-2: f32) and activations and cache as each device has them by default: f32 on the CPU, with a cache of f16",
            "where text is written, the checkpoint's type on CUDA. The step is one token with a full cache (4096 tokens;",
            "GPT-2 1024), of encoders a text of 128.", "",
            table(["model", "architecture", "CPU: steps", "CPU: bytes", "CUDA: steps", "CUDA: bytes"]),
            table(["---"] * 6), *(table(cells) for cells in rows), "",
            "## Which fusions fire", "",
            "✓ fires; · finds nothing that it could be about; a letter is a place where it is refused, for the reason",
            "below; \"x / y\" is x on the CPU, y on CUDA. `./dev vitro graph -m MODEL --explain` tells each place and reason.", "",
            table(["model", *(f"`{fusion.removeprefix('fuse_')}`" for fusion in FUSIONS)]),
            table(["---"] * (1 + len(FUSIONS))), *(table(cells) for cells in fusions), "",
            "## Why not", "", table(["", "fusion", "reason", "what stands behind it"]), table(["---"] * 4)]
    text += [table([letters[fusion, part], f"`{fusion}`", f"… {part} …", why]) for fusion, part, why in EXPLAINED
             if letters[fusion, part] in seen]
    options.output.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
