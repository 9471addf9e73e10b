"""What transformers says: random models, their logits, their greedy continuation. For make.py and random_check.py."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import AutoConfig

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}

# Standard deviation of a projection's output for inputs near one; 0.8 where none is named. Larger ones make the
# attention so sharp that two honest bfloat16 runs no longer agree.
GAINS = {"qkv_proj": 0.9, "q_proj": 0.9, "k_proj": 0.9, "v_proj": 0.9, "o_proj": 1.2, "lm_head": 2.5,
         "query": 0.9, "key": 0.9, "value": 0.9, "classifier": 2.0, "score": 2.0,
         "router": 2.0, "mlp.gate.weight": 2.0}


def randomize(model, seed):
    """Draws every weight anew, by numpy and by name: the values depend neither on torch nor on the order of modules.

    The scales keep activations near one and logits several units apart; norm weights and biases are far from their
    neutral values, so that leaving one out shows.
    """
    tied = getattr(model.config, "tie_word_embeddings", False)
    is_gpt2 = model.config.model_type == "gpt2"  # its matrices are [in, out]
    is_gpt_oss = model.config.model_type == "gpt_oss"  # those of its experts are, too
    from_one = model.config.model_type.startswith("gemma")  # norms by 1 + weight
    with torch.no_grad():
        for name, weight in model.named_parameters():
            values = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(tuple(weight.shape))
            if name.endswith("bias"):
                values *= 0.3
            elif weight.dim() == 1:
                # Random signs in the last norm keep a tied head from always predicting the token it has just read.
                center = 0 if name in ("model.norm.weight", "transformer.ln_f.weight") else 1
                values = values * (0.3 if center else 1) + center - (1 if from_one else 0)
            elif any(part in name for part in ("position_embeddings", "token_type_embeddings", "wpe")):
                values *= 0.5
            elif any(part in name for part in ("embed_tokens", "word_embeddings", "wte", "tok_embeddings")):
                values *= 0.6 if tied else 1.0
            else:
                gain = next((gain for part, gain in GAINS.items() if part in name), 0.8)
                turned = (is_gpt2 and "c_" in name) or (is_gpt_oss and weight.dim() == 3)
                values *= gain / math.sqrt(weight.shape[-2 if turned else -1])
            weight.copy_(torch.from_numpy(values))


def rewrite_with_old_keys(directory, omit=()):
    """Rewrites config.json with the keys that transformers 4 wrote, without those in `omit`."""
    path = Path(directory) / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    scaling = {key: value for key, value in rope.items()
               if key not in ("rope_type", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings")}
    if rope["rope_type"] in ("yarn", "llama3"):
        scaling["original_max_position_embeddings"] = rope["original_max_position_embeddings"]
    config["rope_scaling"] = {**scaling, "type": rope["rope_type"]} if scaling else None
    config["rope_theta"] = rope["rope_theta"]
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        config["partial_rotary_factor"] = rope["partial_rotary_factor"]
    config["torch_dtype"] = config.pop("dtype")
    for key in ("transformers_version", *omit):
        config.pop(key, None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(directory, dtype, attention="eager"):
    """The model in `directory` with its weights converted to `dtype` ("f32", "bf16", ...), ready for inference."""
    written_by = AutoConfig.from_pretrained(directory).architectures[0]
    model = getattr(transformers, written_by).from_pretrained(
        directory, dtype=DTYPES[dtype], attn_implementation=attention, experts_implementation="eager"
    )
    # model.to(bfloat16) would round the rotary frequencies; loading in bfloat16 must not.
    assert all(buffer.dtype == torch.float32 for name, buffer in model.named_buffers() if "inv_freq" in name)
    return model.eval()


def experts_to_mxfp4(directory):
    """Rewrites the experts' matrices of a GPT-OSS as codes and scales of MXFP4, rounded by the gguf package.

    The dequantized numbers are checked twice: by gguf, and by the model that transformers makes of the new file.
    """
    import gguf
    from safetensors.torch import load_file, save_file

    path = Path(directory) / "model.safetensors"
    tensors, plain = load_file(path), {}
    for name in [name for name in tensors if name.endswith(("experts.gate_up_proj", "experts.down_proj"))]:
        rows = tensors.pop(name).float().transpose(1, 2).contiguous().numpy()  # [experts, out, in]
        blocks = gguf.quants.quantize(rows, gguf.GGMLQuantizationType.MXFP4).reshape(*rows.shape[:2], -1, 17)
        numbers = gguf.quants.dequantize(blocks.reshape(*rows.shape[:2], -1), gguf.GGMLQuantizationType.MXFP4)
        plain[name] = torch.from_numpy(numbers.reshape(rows.shape)).transpose(1, 2)
        codes = np.concatenate([blocks[..., 1:] & 15, blocks[..., 1:] >> 4], axis=-1)  # number by number
        tensors[f"{name}_blocks"] = torch.from_numpy(codes[..., 0::2] | codes[..., 1::2] << 4)
        tensors[f"{name}_scales"] = torch.from_numpy(np.ascontiguousarray(blocks[..., 0]))
    save_file(tensors, path, metadata={"format": "pt"})
    path = Path(directory) / "config.json"
    config = json.loads(path.read_text()) | {"quantization_config": {"quant_method": "mxfp4"}}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    weights = load(directory, "f32").state_dict()
    for name, numbers in plain.items():
        assert torch.equal(weights[name], numbers), f"{name}: transformers and gguf read other numbers"


def has_patterns(config):
    """Whether layers have patterns of the Sparse Transformer, which transformers runs by masks that it is given."""
    return hasattr(config, "attention_stride")


def patterns(config, queries, keys):
    """What a model is called with beside tokens: masks of its layers for the last `queries` of `keys` tokens.

    Child et al. 2019, section 4.3, of token i the union of both steps: strided, j with i - l <= j <= i or (i - j) mod l
    = 0; fixed, j with floor(j / l) = floor(i / l) or j mod l in [l - c, l).
    """
    if not has_patterns(config):
        return {}
    stride, summary = config.attention_stride, config.attention_summary
    i, j = torch.arange(keys - queries, keys)[:, None], torch.arange(keys)[None, :]
    strided = (i - j <= stride) | ((i - j) % stride == 0)
    fixed = (j // stride == i // stride) | (j % stride >= stride - summary)
    mask = lambda seen: torch.where(seen & (j <= i), 0.0, -torch.inf)[None, None]  # noqa: E731
    return {"attention_mask": {"full_attention": mask(strided), "sliding_attention": mask(fixed)}}


def name_patterns(directory):
    """Gives layers the types that vitro knows them by."""
    path = Path(directory) / "config.json"
    config = json.loads(path.read_text())
    names = {"full_attention": "strided_attention", "sliding_attention": "fixed_attention"}
    config["layer_types"] = [names[kind] for kind in config["layer_types"]]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


@torch.inference_mode()
def logits(model, tokens):
    """The logits of all positions as f32 [tokens, vocab]; no cache."""
    options = {} if "ForMaskedLM" in type(model).__name__ else {"use_cache": False}
    options |= patterns(model.config, len(tokens), len(tokens))
    return model(torch.tensor([list(tokens)]), **options).logits[0].float().numpy()


@torch.inference_mode()
def encoded(model, tokens):
    """What a model that does not write gives for a text, as f32: its logits, else its last hidden states."""
    output = model(torch.tensor([list(tokens)]))
    result = output.logits if "logits" in output else output.last_hidden_state
    return result.float().reshape(-1, result.shape[-1]).numpy()


def rope_switch_length(config):
    """The length from which on a longrope model uses its long factors; None for any other model."""
    if (getattr(config, "rope_parameters", None) or {}).get("rope_type") != "longrope":
        return None
    return config.rope_parameters["original_max_position_embeddings"] + 1


@torch.inference_mode()
def greedy(model, prompt, count, use_cache=True):
    """`count` tokens by argmax after `prompt`, and the smallest distance between first and second logit on the way.

    Stops at no token. With a cache, a longrope model computes the whole sequence anew when it reaches the length at
    which the factors switch, as Phi3ForCausalLM.prepare_inputs_for_generation does.
    """
    tokens, cache, margin = list(prompt), None, math.inf
    for _ in range(count):
        if len(tokens) == rope_switch_length(model.config):
            cache = None
        fresh = tokens[cache.get_seq_length() :] if cache is not None else tokens
        masks = patterns(model.config, len(fresh), len(tokens))
        output = model(torch.tensor([fresh]), past_key_values=cache, use_cache=use_cache, **masks)
        cache = output.past_key_values
        best = torch.topk(output.logits[0, -1].float(), 2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        tokens.append(best.indices[0].item())
    return tokens[len(prompt) :], margin


@torch.inference_mode()
def generate(model, prompt, count):
    """The same by model.generate()."""
    model.generation_config.eos_token_id = None
    prompt = torch.tensor([list(prompt)])
    output = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=count)
    return output[0, prompt.shape[1] :].tolist()


def nmse(found, expected):
    """Normalized mean square error: sum (found - expected)^2 / sum expected^2."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(((found - expected) ** 2).sum() / (expected**2).sum())


def bytes_below(directory):
    return sum(file.stat().st_size for file in Path(directory).rglob("*") if file.is_file())
