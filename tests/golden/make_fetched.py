"""Writes what transformers and llama.cpp make of models that `./dev fetch` gets, for tests/runtime/fetched_slow_test.cpp.

    python tests/golden/make_fetched.py smollm2|gemma3-270m transformers|llama_cpp OUT.json
    python tests/golden/make_fetched.py minilm transformers OUT.json

writes one of the two parts and keeps the other. transformers dequantizes the weights and computes in f32: of each prompt
the ids, some logits behind the prompt, and greedy tokens; of minilm the vectors of some texts. llama.cpp, which rounds
activations to 8 bits: greedy tokens of the same ids. Written with transformers 5.24.0, torch 2.15.0, gguf 0.19.0 and
llama-cpp-python 0.3.36."""

import json
import sys
from pathlib import Path

MODELS = Path(__file__).resolve().parents[2] / "build" / "models"
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
# How many prompts, greedy tokens, and of how many logits one is kept.
SIZES = {"smollm2": (10, 64, 97), "gemma3-270m": (3, 32, 997)}
TEXTS = ["A cat sat on the mat.", "A kitten was sitting on a rug.", "Stock prices fell sharply on Tuesday.", "",
         "The quick brown fox jumps over the lazy dog. " * 12]


def by_transformers(name, part):
    count, tokens, step = SIZES[name]
    model_file = MODELS / name / "model.gguf"
    import torch
    import transformers

    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_file.parent, gguf_file=model_file.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        model_file.parent, gguf_file=model_file.name, dtype=torch.float32)
    model.eval()
    part["version"] = transformers.__version__
    part["prompts"] = []
    for prompt in PROMPTS[:count]:
        ids = tokenizer(prompt)["input_ids"]
        greedy, cache, following = [], None, torch.tensor([ids])
        with torch.no_grad():
            while len(greedy) < tokens:  # not generate(), which stops at the end of the text, or forbids it
                out = model(following, past_key_values=cache, use_cache=True)
                cache, logits_now = out.past_key_values, out.logits[0, -1].double()
                if not greedy:
                    logits = logits_now
                greedy.append(int(logits_now.argmax()))
                following = torch.tensor([greedy[-1:]])
        part["prompts"].append({"text": prompt, "ids": ids, "greedy": greedy,
                                "logits": [round(x, 6) for x in logits[::step].tolist()]})


def vectors_by_transformers(part):
    """As sentence-transformers does it: the mean of the tokens' last hidden states, of length 1."""
    import torch
    import transformers

    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODELS / "minilm")
    model = transformers.AutoModel.from_pretrained(MODELS / "minilm", dtype=torch.float32).eval()
    part["version"] = transformers.__version__
    part["texts"] = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        with torch.no_grad():
            mean = model(torch.tensor([ids])).last_hidden_state[0].mean(0).double()
        part["texts"].append({"text": text, "ids": ids,
                              "vector": [round(x, 7) for x in (mean / mean.norm()).tolist()]})


def by_llama_cpp(name, part, prompts):
    import llama_cpp

    llama = llama_cpp.Llama(str(MODELS / name / "model.gguf"), n_ctx=256, n_threads=1, n_threads_batch=1, logits_all=False, verbose=False)
    part["version"] = llama_cpp.__version__
    part["greedy"] = []
    for prompt in prompts:
        llama.reset()
        llama.eval(prompt["ids"])
        tokens = []
        for _ in range(SIZES[name][1]):
            tokens.append(llama.sample(temp=0.0))
            llama.eval(tokens[-1:])
        part["greedy"].append(tokens)


def main():
    name, which, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    golden = json.loads(out.read_text()) if out.exists() else {}
    if name in SIZES:
        golden["step"] = SIZES[name][2]
    part = golden.setdefault(which, {})
    if name == "minilm":
        vectors_by_transformers(part)
    elif which == "transformers":
        by_transformers(name, part)
    else:
        by_llama_cpp(name, part, golden["transformers"]["prompts"])
    out.write_text(json.dumps(golden, separators=(",", ":")).replace('{"text"', '\n{"text"') + "\n")


main()
