"""Compares `vitro logits` with transformers on random models: sizes, heads, windows, rope, biases, dtypes, config keys.

usage: .venv/bin/python tests/golden/random_check.py [-n 20] [--seed S] [--only TYPE | --each] [--vitro PATH] [--device D]
       [--greedy] [--keep DIR]

An f32 checkpoint must agree within rtol = atol = 1e-4. A bf16 or f16 one is held against the f32 run of the same
weights: a normalized mean square error of at most 1e-4, or of 1.5 times that of transformers' own run in that dtype.
Prints a row for each model; exits with 1 if any does not agree.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import reference
import torch
import transformers
from safetensors.numpy import load_file
from transformers import (AutoModelForCausalLM, BertConfig, BertForMaskedLM, Gemma2Config, Gemma3TextConfig,
                          GPT2Config, GptOssConfig, GraniteConfig, LlamaConfig, Ministral3Config, MinistralConfig,
                          MistralConfig, MixtralConfig, ModernBertConfig, ModernBertForMaskedLM, Olmo2Config,
                          Olmo3Config, Phi3Config, Qwen2Config, Qwen3Config, Qwen3MoeConfig, RobertaConfig,
                          RobertaForMaskedLM, SmolLM3Config, StableLmConfig, Starcoder2Config)

TOLERANCE = 1e-4
GREEDY_TOKENS = 32
ROOT = Path(__file__).resolve().parent.parent.parent


def random_scaling(rng, head_dim, lengths):
    """A scaling of rope that any architecture but Phi-3 takes."""
    kind = rng.choice(["linear", "dynamic", "yarn", "yarn", "llama3"])
    if kind in ("linear", "dynamic"):
        return {"rope_type": kind, "factor": rng.choice([2.0, 3.5])}
    lengths["max_position_embeddings"] = 4096
    original = rng.choice([32, 64, 512])
    if kind == "llama3":
        return {"rope_type": kind, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": original}
    yarn = {"rope_type": kind, "factor": rng.choice([4.0, 16.0]), "original_max_position_embeddings": original}
    if rng.random() < 0.3:
        yarn |= {"beta_fast": 16.0, "beta_slow": 2.0}
    if rng.random() < 0.3:
        yarn["truncate"] = False
    if rng.random() < 0.5:
        yarn |= rng.choice([{"attention_factor": 1.1}, {"mscale": 1.0, "mscale_all_dim": 0.7}])
    return yarn


def random_rope(rng, architecture, head_dim):
    """Rope parameters, and the lengths that go with them."""
    rope = {"rope_type": "default", "rope_theta": rng.choice([100.0, 10000.0, 500000.0])}
    lengths = {"max_position_embeddings": rng.choice([128, 384, 4096])}
    if architecture in (Gemma3TextConfig, Olmo3Config):
        full = {**rope, **(random_scaling(rng, head_dim, lengths) if rng.random() < 0.3 and head_dim > 2 else {})}
        full.pop("truncate", None)
        sliding = {"rope_type": "default", "rope_theta": rng.choice([50.0, 10000.0])}
        return {"full_attention": full, "sliding_attention": sliding}, lengths
    if architecture is GptOssConfig:
        return rope | random_scaling(rng, head_dim, lengths), lengths
    if architecture is Ministral3Config:
        lengths["max_position_embeddings"] = 4096
        return rope | {"rope_type": "yarn", "factor": rng.choice([4.0, 16.0]), "mscale": 1.0, "mscale_all_dim": 1.0,
                       "original_max_position_embeddings": rng.choice([5, 12, 64]),
                       "llama_4_scaling_beta": rng.choice([0.1, 0.7])}, lengths
    if architecture is StableLmConfig:
        rope["partial_rotary_factor"] = rng.choice([part for part in (0.25, 0.5, 1.0) if head_dim * part % 2 == 0])
        return rope, lengths
    if architecture is not Phi3Config:
        if rng.random() < 0.4 and head_dim > 2:
            rope |= random_scaling(rng, head_dim, lengths)
        return rope, lengths
    even = [part for part in (0.25, 0.5, 0.75) if (head_dim * part) % 2 == 0 and head_dim * part > 0]
    if even and rng.random() < 0.4:
        rope["partial_rotary_factor"] = rng.choice(even)
    if rng.random() < 0.5:
        half = int(head_dim * rope.get("partial_rotary_factor", 1.0)) // 2
        rope["rope_type"] = "longrope"
        rope["short_factor"] = [round(rng.uniform(1, 2), 2) for _ in range(half)]
        rope["long_factor"] = [round(rng.uniform(1, 20), 2) for _ in range(half)]
        if rng.random() < 0.3:
            rope["attention_factor"] = round(rng.uniform(0.8, 1.4), 3)
        lengths["original_max_position_embeddings"] = rng.choice([5, 12, 30, 100, 128])
    return rope, lengths


DECODERS = {
    "gpt2": GPT2Config,
    "phi3": Phi3Config, "llama": LlamaConfig, "mistral": MistralConfig, "ministral": MinistralConfig,
    "ministral3": Ministral3Config, "starcoder2": Starcoder2Config,
    "smollm3": SmolLM3Config, "qwen2": Qwen2Config, "qwen3": Qwen3Config, "granite": GraniteConfig,
    "olmo2": Olmo2Config, "olmo3": Olmo3Config, "gemma2": Gemma2Config, "gemma3": Gemma3TextConfig,
    "stablelm": StableLmConfig, "qwen3_moe": Qwen3MoeConfig, "mixtral": MixtralConfig, "gpt_oss": GptOssConfig,
}
WITH_LAYER_TYPES = (MinistralConfig, SmolLM3Config, Qwen2Config, Qwen3Config, Olmo3Config, Gemma2Config,
                    Gemma3TextConfig, GptOssConfig)
WITH_BIAS = (LlamaConfig, SmolLM3Config, Qwen3Config, GraniteConfig, Olmo2Config, Olmo3Config, Gemma2Config,
             Gemma3TextConfig, Qwen3MoeConfig, GptOssConfig)
WITH_EXPERTS = (Qwen3MoeConfig, MixtralConfig, GptOssConfig)


def random_extras(rng, architecture, layers):
    """What only some architectures have."""
    extras = {}
    if architecture in WITH_BIAS:
        extras["attention_bias"] = rng.random() < 0.3
    if architecture in (LlamaConfig, SmolLM3Config, GraniteConfig):
        extras["mlp_bias"] = rng.random() < 0.3
    if architecture is StableLmConfig:
        extras |= {"use_qkv_bias": rng.random() < 0.5, "layer_norm_eps": rng.choice([1e-5, 1e-3])}
    if architecture in WITH_EXPERTS:
        extras["num_local_experts"] = rng.randint(2, 9)
        extras["num_experts_per_tok"] = rng.randint(1, extras["num_local_experts"])
    if architecture is Qwen3MoeConfig:
        extras |= {"moe_intermediate_size": rng.randint(3, 60), "norm_topk_prob": rng.random() < 0.5,
                   "decoder_sparse_step": rng.choice([1, 1, 2]), "mlp_only_layers": rng.choice([[], [0]])}
    if architecture is GptOssConfig:
        extras |= {"swiglu_limit": rng.choice([0.5, 7.0]), "swiglu_alpha": rng.choice([1.702, 1.0])}
    if architecture is Starcoder2Config:
        extras |= {"use_bias": rng.random() < 0.7, "norm_epsilon": rng.choice([1e-5, 1e-3]),
                   "hidden_act": rng.choice(["gelu_pytorch_tanh", "gelu", "relu"])}
    if architecture in (Phi3Config, MistralConfig, MixtralConfig, Ministral3Config, Starcoder2Config):
        extras["sliding_window"] = rng.choice([None, rng.randint(1, 30), 100])
    if architecture in WITH_LAYER_TYPES:
        extras["sliding_window"] = rng.randint(1, 30)
        if architecture in (Qwen2Config, Qwen3Config, SmolLM3Config):
            extras["use_sliding_window"] = rng.random() < 0.5
        if architecture in (Qwen2Config, Qwen3Config):
            extras["max_window_layers"] = rng.randint(0, layers)
        if rng.random() < 0.5 and extras.get("use_sliding_window", True):
            extras["layer_types"] = [rng.choice(["sliding_attention", "full_attention"]) for _ in range(layers)]
    if architecture is MinistralConfig and rng.random() < 0.4:  # patterns of the Sparse Transformer (reference.patterns)
        extras["attention_stride"] = rng.randint(1, 9)
        extras["attention_summary"] = rng.randint(1, extras["attention_stride"])
        extras["layer_types"] = [rng.choice(["sliding_attention", "full_attention"]) for _ in range(layers)]
    if architecture is SmolLM3Config:
        extras["no_rope_layer_interval"] = rng.randint(1, 4)
    if architecture is GraniteConfig:
        extras |= {"embedding_multiplier": rng.uniform(1, 4), "residual_multiplier": rng.uniform(0.2, 1),
                   "attention_multiplier": rng.uniform(0.05, 0.5), "logits_scaling": rng.uniform(0.5, 4)}
    if architecture in (Gemma2Config, Gemma3TextConfig):
        extras["query_pre_attn_scalar"] = rng.choice([8, 24, 256])
        extras["hidden_activation"] = "gelu_pytorch_tanh"
    if architecture is Gemma2Config:
        extras |= {"attn_logit_softcapping": rng.choice([None, 2.0, 50.0]),
                   "final_logit_softcapping": rng.choice([None, 5.0, 30.0])}
    return extras


ENCODERS = {"bert": BertConfig, "roberta": RobertaConfig, "modernbert": ModernBertConfig}


def random_gpt2(rng, heads, width):
    return GPT2Config(vocab_size=rng.randint(10, 300), n_embd=width, n_layer=rng.randint(1, 4), n_head=heads,
                      n_inner=rng.choice([None, rng.randint(3, 120)]), n_positions=rng.choice([80, 384]),
                      activation_function=rng.choice(["gelu_new", "relu", "gelu"]), bos_token_id=1, eos_token_id=2,
                      layer_norm_epsilon=rng.choice([1e-5, 1e-3]), tie_word_embeddings=rng.random() < 0.7)


def random_modernbert(rng, heads, width):
    return ModernBertConfig(vocab_size=rng.randint(10, 300), hidden_size=width, num_hidden_layers=rng.randint(1, 5),
                            num_attention_heads=heads, intermediate_size=rng.randint(3, 120),
                            max_position_embeddings=200, local_attention=2 * rng.randint(1, 20),
                            hidden_activation=rng.choice(["gelu", "silu"]), norm_eps=rng.choice([1e-5, 1e-3]),
                            norm_bias=rng.random() < 0.3, attention_bias=rng.random() < 0.3,
                            mlp_bias=rng.random() < 0.3, classifier_bias=rng.random() < 0.3,
                            decoder_bias=rng.random() < 0.7, tie_word_embeddings=rng.random() < 0.7, pad_token_id=0,
                            bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)


def random_encoder(rng, architecture, heads, width):
    if architecture is ModernBertConfig:
        return random_modernbert(rng, heads, width)
    return architecture(vocab_size=rng.randint(10, 300), hidden_size=width, num_hidden_layers=rng.randint(1, 4),
                        num_attention_heads=heads, intermediate_size=rng.randint(3, 120),
                        max_position_embeddings=rng.choice([60, 200]), type_vocab_size=rng.choice([1, 2]),
                        hidden_act=rng.choice(["gelu", "gelu_new", "relu"]), layer_norm_eps=rng.choice([1e-12, 1e-3]),
                        pad_token_id=rng.randint(0, 3), tie_word_embeddings=rng.random() < 0.7)


def random_config(rng, only=None):
    known = DECODERS | ENCODERS
    architecture = known[only] if only else rng.choice([Phi3Config, *known.values()])
    heads = rng.randint(1, 8)
    head_dim = 2 * rng.randint(1, 12)
    if architecture is GPT2Config:
        return random_gpt2(rng, heads, heads * head_dim)
    if architecture in ENCODERS.values():
        return random_encoder(rng, architecture, heads, heads * head_dim)
    sizes = {
        "vocab_size": rng.randint(10, 300),
        "hidden_size": heads * head_dim,
        "intermediate_size": rng.randint(3, 120),
        "num_hidden_layers": rng.randint(1, 4),
        "num_attention_heads": heads,
        "num_key_value_heads": rng.choice([divisor for divisor in range(1, heads + 1) if heads % divisor == 0]),
        "rms_norm_eps": rng.choice([1e-6, 1e-5, 1e-3]),
        "tie_word_embeddings": rng.random() < 0.3,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    }
    if architecture in (Qwen3Config, MinistralConfig, Ministral3Config, Gemma2Config, Gemma3TextConfig, GptOssConfig,
                        MixtralConfig):  # whose scaled rope transformers cannot compute without it
        sizes["head_dim"] = head_dim
    if architecture is GptOssConfig and rng.random() < 0.5:  # whole blocks of MXFP4
        sizes |= {"hidden_size": 32 * rng.randint(1, 3), "intermediate_size": 32 * rng.randint(1, 3)}
    if architecture in (LlamaConfig, MistralConfig, Qwen3Config, Gemma2Config, Gemma3TextConfig) and rng.random() < 0.4:
        sizes["hidden_size"] = heads * rng.randint(1, 20)
        sizes["head_dim"] = head_dim
    sizes |= random_extras(rng, architecture, sizes["num_hidden_layers"])
    rope, lengths = random_rope(rng, architecture, head_dim)
    return architecture(**sizes, **lengths, rope_parameters=rope)


def describe(config, dtype, tokens):
    rope = getattr(config, "rope_parameters", None) or {"rope_type": "default"}
    kv_heads = getattr(config, "num_key_value_heads", config.num_attention_heads)
    ffn = getattr(config, "intermediate_size", getattr(config, "n_inner", None))
    parts = [
        config.model_type,
        f"{dtype} layers={config.num_hidden_layers} hidden={config.hidden_size}",
        f"heads={config.num_attention_heads}/{kv_heads}",
        f"head_dim={getattr(config, 'head_dim', config.hidden_size // config.num_attention_heads)}",
        f"ffn={ffn} vocab={config.vocab_size} tokens={len(tokens)}",
    ]
    if getattr(config, "sliding_window", None) is not None:
        parts.append(f"window={config.sliding_window}")
    rope = rope.get("full_attention", rope)
    if rope["rope_type"] == "longrope":
        parts.append(f"longrope>{rope['original_max_position_embeddings']}")
    elif rope["rope_type"] != "default":
        parts.append(rope["rope_type"])
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        parts.append(f"rotary={rope['partial_rotary_factor']}")
    if reference.has_patterns(config):
        parts.append(f"patterns={config.attention_stride}/{config.attention_summary}")
    parts += [key for key in ("tie_word_embeddings", "attention_bias", "mlp_bias") if getattr(config, key, False)]
    return " ".join(parts)


def vitro_logits(vitro, directory, tokens, *flags):
    output = directory / "vitro.safetensors"
    output.unlink(missing_ok=True)
    command = [vitro, "logits", "-m", directory, "--tokens", ",".join(map(str, tokens)), "-o", output, *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(lines[-1])
    return load_file(output)["logits"]


def compare_logits(vitro, own, directory, dtype, tokens, flags):
    """(agrees, what to print) for all positions of `tokens`. vitro reads the model in `own`, transformers `directory`."""
    expected = reference.logits(reference.load(directory, "f32"), tokens)
    found = vitro_logits(vitro, own, tokens, *flags)
    if found.shape != expected.shape:
        return False, f"shape {found.shape}, expected {expected.shape}"
    if dtype == "f32":
        difference = np.abs(found - expected).max()
        return np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE), f"max diff {difference:.1e}"
    own = reference.nmse(reference.logits(reference.load(directory, dtype), tokens), expected)
    error = reference.nmse(found, expected)
    return error <= max(TOLERANCE, 1.5 * own), f"nmse {error:.1e} (transformers {own:.1e})"


def compare_greedy(vitro, own, directory, prompt, flags):
    """(agrees, what to print) for the greedy continuation, up to where rounding could decide."""
    model, tokens = reference.load(directory, "f32"), list(prompt)
    for count in range(GREEDY_TOKENS):
        expected, margin = reference.greedy(model, tokens, 1, use_cache=False)
        if margin < 1e-3:
            return True, f"greedy equal for {count}, then a tie"
        found = int(vitro_logits(vitro, own, tokens, *flags)[-1].argmax())
        if found != expected[0]:
            return False, f"greedy token {count} is {found}, expected {expected[0]}"
        tokens += expected
    return True, f"greedy equal for {GREEDY_TOKENS}"


def check(seed, directory, options):
    rng = random.Random(seed)
    config, dtype = random_config(rng, options.only), rng.choice(["f32", "f32", "bf16", "f16"])
    is_encoder = config.model_type in ENCODERS
    if is_encoder:
        model = {"bert": BertForMaskedLM, "roberta": RobertaForMaskedLM,
                 "modernbert": ModernBertForMaskedLM}[config.model_type](config)
    else:
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    reference.randomize(model, seed)
    in_codes = config.model_type == "gpt_oss" and config.hidden_size % 32 == 0 and config.intermediate_size % 32 == 0
    shard = rng.choice(["1GB", "20KB"])
    model.to(reference.DTYPES[dtype]).save_pretrained(directory, max_shard_size="1GB" if in_codes else shard)
    if in_codes:
        reference.experts_to_mxfp4(directory)
    rope = getattr(config, "rope_parameters", None)
    if rng.random() < 0.3 and rope and "full_attention" not in rope:
        reference.rewrite_with_old_keys(directory)
    own = directory
    if reference.has_patterns(config):
        own = directory / "named"
        shutil.copytree(directory, own)
        reference.name_patterns(own)
    first = 4 if is_encoder else 0  # RoBERTa gives a padding token no position
    tokens = [rng.randrange(first, config.vocab_size) for _ in range(rng.randint(1, 40))]
    print(f"{seed:6}  {describe(config, dtype, tokens)}", end="", flush=True)
    try:
        # A GPU would compute in the checkpoint's dtype, and the CPU would keep its cache in f16.
        flags = ["--kv-type", "f32"] + (["--device", options.device, "--activations", "f32"] if options.device else [])
        agrees, text = compare_logits(options.vitro, own, directory, dtype, tokens, flags)
        if agrees and options.greedy and dtype == "f32" and not is_encoder:
            agrees, more = compare_greedy(options.vitro, own, directory, tokens, flags)
            text += f"; {more}"
    except RuntimeError as error:
        agrees, text = False, str(error)
    print(f"\n        {'ok  ' if agrees else 'FAIL'}  {text}", flush=True)
    return agrees


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=20, help="how many models (default 20)")
    parser.add_argument("--seed", type=int, help="seed of the first model, the next has the next (default: random)")
    parser.add_argument("--only", choices=DECODERS | ENCODERS, help="models of this type only")
    parser.add_argument("--each", action="store_true", help="-n models of every type in turn")
    parser.add_argument("--vitro", type=Path, default=ROOT / "build/release/vitro", help="the binary")
    parser.add_argument("--device", help="where vitro runs, as its --device says; cuda-emulated takes seconds for each")
    parser.add_argument("--greedy", action="store_true", help="compare greedy tokens of f32 models too")
    parser.add_argument("--keep", type=Path, help="keep the directories of models that do not agree in this directory")
    options = parser.parse_args()
    if not options.vitro.is_file():
        parser.error(f"{options.vitro} is not there; ./dev build makes it")
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

    first = options.seed if options.seed is not None else random.randrange(1_000_000)
    failed = []
    types = [*DECODERS, *ENCODERS] if options.each else [options.only]
    for seed in range(first, first + options.n * len(types)):
        options.only = types[(seed - first) % len(types)]
        with tempfile.TemporaryDirectory() as temporary:
            directory = Path(temporary) / f"model-{seed}"
            if check(seed, directory, options):
                continue
            failed.append(seed)
            if options.keep:
                shutil.copytree(directory, options.keep / directory.name, dirs_exist_ok=True)
    count = options.n * len(types)
    print(f"{count - len(failed)} of {count} agree" + (f"; seeds that do not: {failed}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
