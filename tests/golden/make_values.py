"""Makes tests/golden/NAME/values.safetensors: what transformers computes on the way to the logits of a golden's prompt.

usage: python3 tests/golden/make_values.py      after ./dev golden, with what that installs

Attention weights of every layer (`output_attentions`), hidden states in front of the layers, after each and after the
last norm, by the paths of modules as tools/python/dump_hf.py names them; of llama_bias also every projection with its bias. Made with eager attention; the hidden states must
agree with those of torch's fused attention (sdpa), which is other code, and each row of weights must add up to 1 and lie
within the window.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import reference

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools/python"))
from dump_hf import dump  # noqa: E402

NAMES = ("phi3_gqa", "phi3_window", "mistral_window", "llama_gqa_tied", "llama_bias", "gemma3")


def is_kept(name, golden=""):
    if golden == "llama_bias" and name.endswith("_proj"):
        return True
    return (name.endswith(".attention_weights") or name in ("tokens", "model.embed_tokens", "model.norm")
            or (name.startswith("model.layers.") and name.count(".") == 2))


def check(name, config, values, fused):
    for path, tensor in fused.items():
        if is_kept(path) and not path.endswith(".attention_weights") and path != "tokens":
            assert torch.allclose(values[path], tensor, atol=2e-5, rtol=1e-5), f"{name}: {path} by sdpa"
    types = getattr(config, "layer_types", None) or ["sliding_attention"] * config.num_hidden_layers
    for layer, kind in enumerate(types):
        weights = values[f"model.layers.{layer}.self_attn.attention_weights"]
        assert torch.allclose(weights.sum(-1), torch.ones(()), atol=1e-6), f"{name}: rows of layer {layer}"
        window = getattr(config, "sliding_window", None) if kind == "sliding_attention" else None
        count = weights.shape[-1]
        query, key = torch.arange(count)[:, None], torch.arange(count)[None]
        hidden = (key > query) | (key <= query - (window or count))
        assert (weights[:, hidden] == 0).all() and (weights[:, ~hidden] > 0).all(), f"{name}: window of layer {layer}"


def main():
    for name in NAMES:
        directory = HERE / name
        tokens = load_file(directory / "golden.safetensors")["tokens"].tolist()
        model = reference.load(directory, "f32")
        values = dump(model, tokens)
        check(name, model.config, values, dump(reference.load(directory, "f32", "sdpa"), tokens, attentions=False))
        save_file({path: tensor for path, tensor in values.items() if is_kept(path, name)}, directory / "values.safetensors")
        print(name, (directory / "values.safetensors").stat().st_size)


if __name__ == "__main__":
    main()
