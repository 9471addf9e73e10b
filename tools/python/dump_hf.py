"""Writes what transformers computes for a text: the output of every module by its path, attention weights and hidden
states, into a safetensors file that `vitro compare --b FILE` and tests read.

usage: python3 tools/python/dump_hf.py MODEL -p TEXT -o FILE [--tokens 1,2,3] [--dtype f32|bf16]

Wants torch, transformers and safetensors. Everything is computed on the CPU, with eager attention.
"""

import argparse

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def first_tensor(output):
    """A module's output, or the first part of it: attention gives its weights besides."""
    if isinstance(output, (tuple, list)):
        output = output[0] if output else None
    return output if isinstance(output, torch.Tensor) else None


def dump(model, tokens, attentions=True):
    """Tensors by module path, without the batch: [T, ...]; `<attention module>.attention_weights` is [heads, T, T]."""
    tensors = {"tokens": torch.tensor(tokens, dtype=torch.int32)}
    handles = []

    def keep(name):
        def hook(_module, _inputs, output):
            tensor = first_tensor(output)
            if tensor is not None and tensor.is_floating_point() and tensor.dim() >= 2 and tensor.shape[0] == 1:
                tensors[name] = tensor[0].detach().clone().contiguous()
        return hook

    for name, module in model.named_modules():
        if name and not name.endswith("rotary_emb"):
            handles.append(module.register_forward_hook(keep(name)))
    with torch.no_grad():
        out = model(torch.tensor([tokens]), use_cache=False, output_attentions=attentions)
    for handle in handles:
        handle.remove()
    if attentions:
        layers = [name for name, _ in model.named_modules() if name.endswith((".self_attn", ".attn"))]
        for name, weights in zip(layers, out.attentions, strict=True):
            tensors[f"{name}.attention_weights"] = weights[0].detach().clone().contiguous()
    tensors["logits"] = out.logits[0].detach().float().clone().contiguous()
    # A container's output is its last module's, and a dropout gives what it is given.
    for name, module in model.named_modules():
        if type(module).__name__ in ("Dropout", "ModuleList"):
            tensors.pop(name, None)
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("-p", "--prompt")
    parser.add_argument("--tokens", help="token ids in place of a text: 1,2,3")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    args = parser.parse_args()
    if (args.prompt is None) == (args.tokens is None):
        parser.error("expected either -p TEXT or --tokens")
    tokens = ([int(token) for token in args.tokens.split(",")] if args.tokens
              else AutoTokenizer.from_pretrained(args.model)(args.prompt)["input_ids"])
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=DTYPES[args.dtype], attn_implementation="eager")
    save_file(dump(model.eval(), tokens), args.output)


if __name__ == "__main__":
    main()
