"""Writes what transformers and llama.cpp make of SmolLM2-135M-Instruct (Q4_1, Q8_0), for
tests/runtime/smollm2_slow_test.cpp, which needs the model: `./dev fetch smollm2`.

    python tests/golden/make_smollm2.py transformers|llama_cpp OUT.json

writes one of the two parts and keeps the other. transformers dequantizes the weights and computes in f32: of ten prompts
the ids, every 97th logit behind the prompt, and 64 greedy tokens. llama.cpp, which rounds activations to 8 bits: 64 greedy
tokens of the same ids. Written with transformers 5.24.0, torch 2.15.0, gguf 0.19.0 and llama-cpp-python 0.3.36."""

import json
import sys
from pathlib import Path

MODEL = Path(__file__).resolve().parents[2] / "build" / "models" / "smollm2" / "model.gguf"
PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea,",
    "def fibonacci(n):\n",
    "The three states of matter are",
    "Water boils at",
    "In 1969, the first human",
    "My favourite season is autumn because",
    "The quick brown fox",
    "To make a cup of tea, first",
    "Photosynthesis is the process by which",
]
TOKENS, STEP = 64, 97


def by_transformers(part):
    import torch
    import transformers

    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL.parent, gguf_file=MODEL.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL.parent, gguf_file=MODEL.name, dtype=torch.float32)
    model.eval()
    part["version"] = transformers.__version__
    part["prompts"] = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        greedy, cache, following = [], None, torch.tensor([ids])
        with torch.no_grad():
            while len(greedy) < TOKENS:  # not generate(), which stops at the end of the text, or forbids it
                out = model(following, past_key_values=cache, use_cache=True)
                cache, logits_now = out.past_key_values, out.logits[0, -1].double()
                if not greedy:
                    logits = logits_now
                greedy.append(int(logits_now.argmax()))
                following = torch.tensor([greedy[-1:]])
        part["prompts"].append({"text": prompt, "ids": ids, "greedy": greedy,
                                "logits": [round(x, 6) for x in logits[::STEP].tolist()]})


def by_llama_cpp(part, prompts):
    import llama_cpp

    llama = llama_cpp.Llama(str(MODEL), n_ctx=256, n_threads=1, n_threads_batch=1, logits_all=False, verbose=False)
    part["version"] = llama_cpp.__version__
    part["greedy"] = []
    for prompt in prompts:
        llama.reset()
        llama.eval(prompt["ids"])
        tokens = []
        for _ in range(TOKENS):
            tokens.append(llama.sample(temp=0.0))
            llama.eval(tokens[-1:])
        part["greedy"].append(tokens)


def main():
    which, out = sys.argv[1], Path(sys.argv[2])
    golden = json.loads(out.read_text()) if out.exists() else {"step": STEP}
    part = golden.setdefault(which, {})
    by_transformers(part) if which == "transformers" else by_llama_cpp(part, golden["transformers"]["prompts"])
    out.write_text(json.dumps(golden, separators=(",", ":")).replace('{"text"', '\n{"text"') + "\n")


main()
