"""Makes models/bundled/tiny-phi3: trains the tokenizer and the model, and saves them as a Hugging Face directory.

    ./dev train        or        .venv/bin/python models/bundled/train.py [--steps N] [--out DIRECTORY]

Nothing is downloaded: the corpus is made by corpus.py. The same seed, library versions, thread count and machine kind
should give the same weights; another machine gives others that know the same things. check.py tells whether they do.
"""

import argparse
import io
import json
import math
import random
import re
import time
from pathlib import Path

import sentencepiece
import torch
import transformers
from transformers import AutoTokenizer, GenerationConfig, LlamaTokenizerFast, Phi3Config, Phi3ForCausalLM

from check import check
from corpus import REPEATS, Document, make_corpus, one_pass

HERE = Path(__file__).parent
SEED = 1
THREADS = 1  # more would be faster, but would add up in another order
ROW_TOKENS = 256  # documents are packed into rows of so many tokens; none sees another
BATCH_ROWS = 4
PEAK_RATE = 2e-3
WARMUP_STEPS = 60
WEIGHT_DECAY = 0.05

PIECES = 2048  # of the sentencepiece model; the role tokens follow, in Phi-3's order
ROLE_TOKENS = [
    "<|endoftext|>", "<|assistant|>", "<|placeholder1|>", "<|placeholder2|>", "<|placeholder3|>", "<|placeholder4|>",
    "<|system|>", "<|end|>", "<|placeholder5|>", "<|placeholder6|>", "<|user|>",
]  # fmt: skip
ROLE_IDS = {token: PIECES + index for index, token in enumerate(ROLE_TOKENS)}
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') %}{{'<|user|>' + '\\n' + "
    "message['content'] + '<|end|>' + '\\n' + '<|assistant|>' + '\\n'}}{% elif (message['role'] == 'assistant') %}"
    "{{message['content'] + '<|end|>' + '\\n'}}{% endif %}{% endfor %}"
)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def train_tokenizer(documents: list[Document], directory: Path) -> None:
    """A sentencepiece model with Llama's conventions, and the files that add Phi-3's role tokens to it."""
    # Each line once, however many documents have it; what is to be known by heart counts for more.
    lines = {line: d.kind for d in documents for line in re.split(r"<\|[a-z]+\|>|\n", d.text) if line}
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line for line, kind in lines.items() for _ in range(max(1, int(REPEATS[kind])))),
        model_writer=model,
        model_type="bpe",
        vocab_size=PIECES,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        allow_whitespace_only_pieces=True,
        character_coverage=1.0,
        required_chars="".join(map(chr, range(33, 127))),
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        num_threads=1,
        minloglevel=1,
    )
    (directory / "tokenizer.model").write_bytes(model.getvalue())

    def token(content: str, rstrip: bool, special: bool = True) -> dict:
        return {
            "content": content,
            "lstrip": False,
            "normalized": False,
            "rstrip": rstrip,
            "single_word": False,
            "special": special,
        }

    decoder = {"0": token("<unk>", False), "1": token("<s>", False), "2": token("</s>", True, special=False)}
    decoder |= {str(i): token(t, t != "<|endoftext|>") for t, i in ROLE_IDS.items()}
    special = {"bos_token": "<s>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<unk>"}
    write_json(directory / "added_tokens.json", ROLE_IDS)
    write_json(directory / "special_tokens_map.json", special)
    write_json(
        directory / "tokenizer_config.json",
        {
            "add_bos_token": True,
            "add_eos_token": False,
            "added_tokens_decoder": decoder,
            "chat_template": CHAT_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "legacy": False,
            "model_max_length": 512,
            "padding_side": "left",
            "sp_model_kwargs": {},
            "tokenizer_class": "LlamaTokenizer",
            "use_default_system_prompt": False,
            **special,
        },
    )
    # For a phi3 model, transformers 5 does not go by tokenizer_class and leaves out the "▁" at the start of a text.
    # tokenizer.json, which it does read, says the same as the other files.
    (directory / "tokenizer.json").unlink(missing_ok=True)  # an old one would be read instead of tokenizer.model
    LlamaTokenizerFast.from_pretrained(directory).backend_tokenizer.save(str(directory / "tokenizer.json"))


def make_model() -> Phi3ForCausalLM:
    stop = ROLE_IDS["<|endoftext|>"]
    config = Phi3Config(
        vocab_size=math.ceil((PIECES + len(ROLE_TOKENS)) / 64) * 64,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        original_max_position_embeddings=512,
        sliding_window=128,
        rms_norm_eps=1e-5,
        bos_token_id=1,
        eos_token_id=stop,
        pad_token_id=stop,
    )
    return Phi3ForCausalLM(config)


def pack(documents: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and positions, each [rows, ROW_TOKENS + 1]. Positions restart at 0 in every document; filling is all 0."""
    tokens, positions = [], []
    for ids in documents:
        open_rows = range(max(0, len(tokens) - 16), len(tokens))
        row = next((r for r in open_rows if len(tokens[r]) + len(ids) <= ROW_TOKENS + 1), len(tokens))
        if row == len(tokens):
            tokens.append([])
            positions.append([])
        tokens[row] += ids
        positions[row] += range(len(ids))
    for filled in (*tokens, *positions):
        filled += [0] * (ROW_TOKENS + 1 - len(filled))
    return torch.tensor(tokens), torch.tensor(positions)


def loss_of(model: Phi3ForCausalLM, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Mean negative log-likelihood (nats per token) over all tokens but the <s> that begin documents."""
    # Restarting positions tell transformers where the documents are; no token attends to another document.
    logits = model(input_ids=tokens[:, :-1], position_ids=positions[:, :-1], use_cache=False).logits
    targets = tokens[:, 1:].masked_fill(positions[:, 1:] == 0, -100)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


@torch.no_grad()
def mean_loss(model: Phi3ForCausalLM, documents: list[list[int]]) -> float:
    """Nats per token, every document alone and whole."""
    total = count = 0.0
    for ids in documents:
        tokens = torch.tensor([ids], device=model.device)
        total += loss_of(model, tokens, torch.arange(len(ids), device=model.device)[None]).item() * (len(ids) - 1)
        count += len(ids) - 1
    return total / count


def train(
    model: Phi3ForCausalLM, documents: list[Document], encoded: dict[str, list[int]], steps: int, device: str
) -> None:
    model.to(device).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY, fused=True
    )

    def rate(step: int) -> float:
        progress = max(0, step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)
        return min((step + 1) / WARMUP_STEPS, 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * progress)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    rng = random.Random(SEED)
    step, started, recent = 0, time.time(), []
    while step < steps:
        tokens, positions = pack([encoded[d.text] for d in one_pass(documents, rng)])
        for begin in range(0, len(tokens) - BATCH_ROWS + 1, BATCH_ROWS):
            batch = slice(begin, begin + BATCH_ROWS)
            loss = loss_of(model, tokens[batch].to(device), positions[batch].to(device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            recent.append(loss.item())
            step += 1
            if step % 50 == 0 or step == steps:
                seconds = time.time() - started
                print(f"step {step}/{steps}  loss {sum(recent) / len(recent):.4f}  {seconds:.0f} s", flush=True)
                recent = []
            if step == steps:
                break


def save_config(model: Phi3ForCausalLM, directory: Path) -> None:
    """With the keys under which Phi-3 was published, which every version of transformers reads."""
    config = model.config.to_diff_dict()
    rope, _ = config.pop("rope_parameters"), config.pop("dtype", None)
    config |= {"rope_theta": rope["rope_theta"], "rope_scaling": None, "attention_bias": False}
    config |= {"architectures": [type(model).__name__], "torch_dtype": "bfloat16"}
    write_json(directory / "config.json", dict(sorted(config.items())))


def save(model: Phi3ForCausalLM, directory: Path) -> None:
    """By transformers, the weights in bf16."""
    model.to("cpu", torch.bfloat16).eval()
    model.generation_config = GenerationConfig(
        bos_token_id=1,
        eos_token_id=[ROLE_IDS[t] for t in ("<|endoftext|>", "<|assistant|>", "<|end|>")],
        pad_token_id=ROLE_IDS["<|endoftext|>"],
    )
    model.save_pretrained(directory)
    (directory / "model.safetensors").chmod(0o644)
    save_config(model, directory)


def machine(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else []
    return f"{names[0] if names else 'a CPU'}, {THREADS} thread"


def write_readme(model: Phi3ForCausalLM, directory: Path, measured: dict) -> None:
    config = model.config
    text = (
        (HERE / "README.template.md")
        .read_text()
        .format(
            parameters=f"{model.num_parameters():,}",
            megabytes=sum(f.stat().st_size for f in directory.iterdir()) / 1e6,
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            intermediate=config.intermediate_size,
            heads=config.num_attention_heads,
            head_dim=config.hidden_size // config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            window=config.sliding_window,
            context=config.max_position_embeddings,
            pieces=PIECES,
            roles=len(ROLE_TOKENS),
            vocabulary=config.vocab_size,
            batch_tokens=BATCH_ROWS * ROW_TOKENS,
            transformers=transformers.__version__,
            torch=torch.__version__,
            seed=SEED,
            threads=THREADS,
            **measured,
        )
    )
    (directory / "README.md").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--out", type=Path, default=HERE / "tiny-phi3")
    arguments = parser.parse_args()

    torch.set_num_threads(THREADS)
    torch.manual_seed(SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    arguments.out.mkdir(parents=True, exist_ok=True)

    documents = make_corpus(SEED)
    training = [d for d in documents if not d.held_out]
    held_out = [d for d in documents if d.held_out]
    train_tokenizer(training, arguments.out)
    model = make_model()
    save_config(model, arguments.out)  # the tokenizer's loader wants one beside it
    tokenizer = AutoTokenizer.from_pretrained(arguments.out)
    encoded = {d.text: tokenizer(d.text)["input_ids"] for d in documents}
    tokens = sum(len(encoded[d.text]) for d in training)
    print(
        f"{model.num_parameters()} parameters, {len(training)} documents, {tokens} tokens, on {machine(device)}",
        flush=True,
    )

    started = time.process_time()
    train(model, documents, encoded, arguments.steps, device)
    minutes = (time.process_time() - started) / 60
    save(model, arguments.out)

    model = Phi3ForCausalLM.from_pretrained(arguments.out, dtype=torch.float32).eval()

    def loss(of: list[Document]) -> float:
        return mean_loss(model, [encoded[d.text] for d in of])

    measured = {
        "documents": len(training),
        "tokens": tokens,
        "held_out_documents": len(held_out),
        "steps": arguments.steps,
        "minutes": minutes,
        "machine": machine(device),
        "train_loss": loss(random.Random(SEED).sample(training, 1000)),
        "held_out_loss": loss(held_out),
        "by_kind": ", ".join(
            f"{kind} {loss([d for d in held_out if d.kind == kind]):.3f}" for kind in sorted({d.kind for d in held_out})
        ),
    }
    print(json.dumps(measured, indent=2), flush=True)
    measured |= check(arguments.out)
    write_readme(model, arguments.out, measured)


if __name__ == "__main__":
    main()
