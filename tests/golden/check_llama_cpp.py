"""Compares the goldens with a second source: llama.cpp, on GGUF files that this script makes of the same weights.

    pip install llama-cpp-python==0.3.36 gguf==0.19.0 numpy safetensors
    python tests/golden/check_llama_cpp.py [--vitro build/release/vitro] [NAME...]

make.py's logits come from transformers. Here the gguf package writes each golden's weights as f32 under llama.cpp's
names, llama.cpp computes with an f32 cache, and both must agree within a normalized mean square error of 1e-6; with
--vitro, vitro reads the same file where it reads GGUF files of the architecture, and must agree as well. Experts that
are MXFP4 in the checkpoint are also written as blocks of MXFP4, where rounded activations may cost 1e-3. What llama.cpp
has no key for is altered in a copy first (ALTERED), of which transformers computes the logits anew.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import torch
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
MOST = 1e-6  # NMSE
MOST_ROUNDED = 1e-3  # where activations are rounded to 8 bits, as llama.cpp does before products with blocks
MXFP4 = gguf.GGMLQuantizationType.MXFP4
# Of each architecture llama.cpp's name, whether rows of q and k stand in pairs, whether norms are stored from 1 on.
KINDS = {
    "LlamaForCausalLM": ("llama", True, False), "MistralForCausalLM": ("llama", True, False),
    "MixtralForCausalLM": ("llama", True, False), "GraniteForCausalLM": ("granite", True, False),
    "SmolLM3ForCausalLM": ("smollm3", True, False), "Qwen2ForCausalLM": ("qwen2", False, False),
    "Qwen3ForCausalLM": ("qwen3", False, False), "Qwen3MoeForCausalLM": ("qwen3moe", False, False),
    "Gemma2ForCausalLM": ("gemma2", False, True), "Gemma3ForCausalLM": ("gemma3", False, True),
    "Phi3ForCausalLM": ("phi3", False, False), "Olmo2ForCausalLM": ("olmo2", False, False),
    "StableLmForCausalLM": ("stablelm", False, False), "Starcoder2ForCausalLM": ("starcoder2", False, False),
    "GPT2LMHeadModel": ("gpt2", False, False), "GptOssForCausalLM": ("gpt-oss", False, False),
    "Olmo3ForCausalLM": ("olmo2", False, False), "Ministral3ForCausalLM": ("mistral3", True, False),
    "BertModel": ("bert", False, False), "RobertaModel": ("bert", False, False),
    "ModernBertModel": ("modern-bert", False, False),
}
READ_BY_VITRO = set(name for name, *_ in KINDS.values()) - {"gpt2", "modern-bert"}
GOLDENS = ["llama_gqa_tied", "llama_bias", "llama_head_dim", "mistral_full", "mixtral", "granite", "smollm3_no_rope",
           "qwen2_yarn", "qwen3_norms", "qwen3_moe_shares", "gemma2", "gemma3", "phi3_gqa", "phi3_partial_rotary", "olmo2",
           "stablelm", "starcoder2", "gpt2", "gpt_oss", "gpt_oss_mxfp4", "olmo3",
           "ministral3", "bert", "roberta", "modernbert"]
# What llama.cpp knows without a key: SmolLM3's layers without rope, Gemma's scale and layers, shares of experts that sum
# to 1 and that every layer has some, a window in no layer of StarCoder 2, rope scaled in whole pairs, the SwiGLU's limit, that
# GELU is the one by tanh.
ALTERED = {
    "smollm3_no_rope": {"no_rope_layer_interval": 4, "no_rope_layers": [1, 1, 1, 0]},
    "gemma2": {"query_pre_attn_scalar": 16}, "starcoder2": {"sliding_window": None},
    "gemma3": {"layer_types": ["sliding_attention"] * 3},
    "olmo3": {"layer_types": ["sliding_attention"] * 2,
              "rope_parameters": {kind + "_attention": {"rope_theta": 500.0, "rope_type": "default"}
                                  for kind in ("full", "sliding")}},
    "bert": {"hidden_act": "gelu_new"},
    "gpt_oss": {"swiglu_limit": 7.0}, "qwen3_moe_shares": {"norm_topk_prob": True},
}


def norms_from_one(name, kind):
    return kind and name.endswith("norm.weight")


def in_pairs(rows, heads):
    """transformers turns the halves of a head together, llama.cpp neighbours."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def not_positions(config):
    """Rows of RoBERTa's table of positions before that of the first token."""
    return config["pad_token_id"] + 1 if config["model_type"] == "roberta" else 0


def add_keys(writer, name, config):
    heads = config.get("num_attention_heads", config.get("n_head"))
    hidden = config.get("hidden_size", config.get("n_embd"))
    head_dim = config.get("head_dim") or hidden // heads
    rope = config.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    writer.add_vocab_size(config["vocab_size"])
    positions = config.get("max_position_embeddings", config.get("n_positions"))
    writer.add_context_length(positions - not_positions(config))
    writer.add_embedding_length(hidden)
    writer.add_block_count(config.get("num_hidden_layers", config.get("n_layer")))
    writer.add_feed_forward_length(config.get("intermediate_size") or 4 * hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads", heads))
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))
    writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    writer.add_layer_norm_rms_eps(config.get("rms_norm_eps", 1e-6))
    writer.add_layer_norm_eps(next((config[key] for key in ("layer_norm_eps", "norm_eps", "norm_epsilon", "layer_norm_epsilon")
                                    if key in config), 1e-5))
    if rope.get("rope_type") == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    experts = config.get("num_local_experts", config.get("num_experts"))
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(config.get("moe_intermediate_size", config["intermediate_size"]))
    if "llama_4_scaling_beta" in rope:
        writer.add_attn_temperature_scale(rope["llama_4_scaling_beta"])
        writer.add_rope_scaling_yarn_log_mul(rope["mscale_all_dim"])
    if name in ("gemma2", "gemma3", "gpt-oss") or config["architectures"][0] == "Olmo3ForCausalLM":
        writer.add_sliding_window(config["sliding_window"])
    if config["architectures"][0] == "Olmo3ForCausalLM":
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config["layer_types"]])
    if name == "phi3":
        writer.add_sliding_window(0)
    if name == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if name == "granite":
        writer.add_embedding_scale(config["embedding_multiplier"])
        writer.add_residual_scale(config["residual_multiplier"])
        writer.add_attention_scale(config["attention_multiplier"])
        writer.add_logit_scale(config["logits_scaling"])
    if name.endswith("bert"):
        writer.add_causal_attention(False)
        writer.add_token_type_count(config.get("type_vocab_size", 1))
        writer.add_pooling_type(gguf.PoolingType.NONE)
        writer.add_bos_token_id(0)
    if name == "modern-bert":
        writer.add_sliding_window(config["local_attention"])
        writer.add_rope_freq_base_swa(config["rope_parameters"]["sliding_attention"]["rope_theta"])
    if name == "stablelm":
        writer.add_parallel_residual(True)  # as llama.cpp's converter says where config.json is silent; ffn_norm decides
    writer.add_tokenizer_model("none")


def renamed(tensors, config):
    """The checkpoint's tensors with one tensor for all experts and matrices as [out, in]."""
    out = {}
    for key, value in tensors.items():
        value = value.float().numpy()
        if config["architectures"][0] == "GPT2LMHeadModel" and value.ndim == 2 and ".c_" in key:
            value = value.T
        if "experts.gate_up_proj" in key:  # GPT-OSS: both halves take turns
            turned = value.swapaxes(1, 2) if value.ndim == 3 else value
            for half, part in (("gate", 0), ("up", 1)):
                name = key.replace("gate_up_proj_bias", f"{half}_proj.bias").replace("gate_up_proj", f"{half}_proj.weight")
                out[name.replace("_proj.weight.bias", "_proj.bias")] = turned[:, part::2]
        elif key.endswith("experts.down_proj"):
            out[key + ".weight"] = value.swapaxes(1, 2)
        elif key.endswith("experts.down_proj_bias"):
            out[key.replace("_bias", ".bias")] = value
        elif ".experts." in key:  # one by one
            before, after = key.split(".experts.")
            number, rest = after.split(".", 1)
            out.setdefault(f"{before}.experts.{rest}", {})[int(number)] = value
        else:
            out[key] = value
    return {key: np.stack([value[i] for i in range(len(value))]) if isinstance(value, dict) else value
            for key, value in out.items()}


def plain_experts(tensors):
    """Codes and scales of MXFP4 as numbers, turned as GPT-OSS has matrices."""
    out = dict(tensors)
    for key in [key for key in tensors if key.endswith("_blocks")]:
        codes, scales = out.pop(key).numpy(), out.pop(key.replace("_blocks", "_scales")).numpy()
        numbers = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*scales.shape, 32)
        blocks = np.concatenate([scales[..., None], numbers[..., :16] | numbers[..., 16:] << 4], axis=-1)
        rows = gguf.quants.dequantize(blocks.reshape(*scales.shape[:-1], -1), gguf.GGMLQuantizationType.MXFP4)
        out[key.replace("_blocks", "")] = torch.from_numpy(rows.swapaxes(1, 2).copy())
    return out


def write(path, directory, config, in_blocks=False):
    """With `in_blocks` experts stay in blocks of MXFP4, which must hold their very values."""
    name, paired, from_one = KINDS[config["architectures"][0]]
    arch = next(arch for arch, text in gguf.MODEL_ARCH_NAMES.items() if text == name)
    writer = gguf.GGUFWriter(path, name)
    add_keys(writer, name, config)
    layers = config.get("num_hidden_layers", config.get("n_layer"))
    names = gguf.get_tensor_name_map(arch, layers)
    tensors = {}
    for file in sorted(directory.glob("model*.safetensors")):
        tensors |= load_file(file)
    for key, value in renamed(plain_experts(tensors), config).items():
        if key == "lm_head.weight" and config.get("tie_word_embeddings") or key.startswith("pooler.") or key.endswith("position_ids"):
            continue
        if "position_embeddings" in key:
            value = value[not_positions(config):]
        own = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if own is None:
            sys.exit(f"{directory.name}: llama.cpp has no name for {key}")
        if paired and ("q_proj" in key or "k_proj" in key):
            value = in_pairs(value, config["num_attention_heads" if "q_proj" in key else "num_key_value_heads"])
        if norms_from_one(key, from_one):
            value = value + 1
        own += ".weight" if key.endswith("sinks") else ""
        value = np.ascontiguousarray(value, np.float32)
        if in_blocks and "_exps.weight" in own:
            blocks = gguf.quants.quantize(value, MXFP4)
            if not np.array_equal(gguf.quants.dequantize(blocks, MXFP4), value):
                sys.exit(f"{directory.name}: {key} is not what blocks of MXFP4 can say")
            writer.add_tensor(own, blocks, raw_dtype=MXFP4)
        else:
            writer.add_tensor(own, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def by_llama_cpp(path, tokens, is_encoder):
    model = llama_cpp.Llama(str(path), n_ctx=64, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False,
                            type_k=0, type_v=0, embedding=is_encoder)
    if is_encoder:
        model._batch.set_batch(tokens, n_past=0, logits_all=True)
        model._ctx.decode(model._batch)
        return np.array([np.ctypeslib.as_array(llama_cpp.llama_get_embeddings_ith(model.ctx, i), (model.n_embd(),))
                         for i in range(len(tokens))], np.float64)
    model.eval(tokens)
    return np.array(model.scores[: len(tokens)], np.float64)


def by_transformers(directory, changes, tokens):
    import reference
    import transformers

    config = transformers.AutoConfig.from_pretrained(directory, **changes)
    model = getattr(transformers, config.architectures[0]).from_pretrained(
        directory, config=config, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager").eval()
    return (reference.logits if hasattr(model, "lm_head") else reference.encoded)(model, tokens)


def mean(vectors):
    """Of length 1, as `vitro embed` gives it; vectors of each token it does not print."""
    whole = np.float64(vectors).mean(axis=0, keepdims=True)
    return whole / np.linalg.norm(whole)


def by_vitro(vitro, path, tokens, *flags, tool="logits", result="logits"):
    out = path.with_suffix(".logits.safetensors")
    subprocess.run([vitro, tool, "-m", path, "--tokens", ",".join(map(str, tokens)), "--kv-type", "f32", "-o", out,
                    *flags], check=True, capture_output=True, text=True)
    return load_numpy(out)[result]


def nmse(found, expected):
    return float(np.sum((np.float64(found) - expected) ** 2) / np.sum(np.float64(expected) ** 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vitro", type=Path)
    parser.add_argument("names", nargs="*", default=GOLDENS)
    options = parser.parse_args()
    print(f"llama-cpp-python {llama_cpp.__version__}: NMSE against transformers")
    failed = []
    for name in options.names:
        directory = HERE / name
        golden = load_numpy(directory / "golden.safetensors")
        is_encoder = "result_f32" in golden
        tokens, expected = golden["tokens"].tolist(), golden["result_f32" if is_encoder else "logits_f32"]
        config = json.loads((directory / "config.json").read_text())
        if name in ALTERED:
            config |= ALTERED[name]
            expected = by_transformers(directory, ALTERED[name], tokens)
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / f"{name}.gguf"
            write(path, directory, config)
            errors = {"llama.cpp": nmse(by_llama_cpp(path, tokens, is_encoder), expected)}
            if options.vitro and KINDS[config["architectures"][0]][0] in READ_BY_VITRO:
                errors["vitro"] = (nmse(by_vitro(options.vitro, path, tokens, tool="embed", result="embeddings"), mean(expected))
                                   if is_encoder else nmse(by_vitro(options.vitro, path, tokens), expected))
            rounded = {}
            if name.endswith("mxfp4"):
                write(path, directory, config, in_blocks=True)
                rounded["llama.cpp on blocks"] = nmse(by_llama_cpp(path, tokens, is_encoder), expected)
                if options.vitro:
                    rounded["vitro on blocks"] = nmse(by_vitro(options.vitro, path, tokens), expected)
                    errors["vitro on blocks, exact"] = nmse(by_vitro(options.vitro, path, tokens, "--exact"), expected)
        if max(errors.values()) > MOST or max(rounded.values(), default=0) > MOST_ROUNDED:
            failed.append(name)
        print(f"{name:20}", ", ".join(f"{source} {error:.1e}" for source, error in (errors | rounded).items()),
              "FAILED" if name in failed else "", flush=True)
    print(f"{len(options.names) - len(failed)} of {len(options.names)} agree")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
