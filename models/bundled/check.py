"""Checks with transformers that the bundled model knows what it was trained for, at temperature 0.

    .venv/bin/python models/bundled/check.py [DIRECTORY]

Prints what went wrong and exits with 1, or writes DIRECTORY/expected.json: greedy completions in fp32, to be compared
token for token. Of each: the prompt, whether it is a user's message (chat) or raw text, its ids, how the completion has
to begin, its ids (with the stop token, if that came before max_new_tokens), its text, and the smallest margin by which
the logit of a chosen token was above the next one: how far another implementation may be off and choose the same.
"""

import json
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaTokenizerFast, Phi3ForCausalLM

from corpus import make_corpus
from facts import CHASES, COUNTRIES, FILMS

LETTER = "Write an email apologizing to Sarah for the tragic gardening mishap. Explain how it happened."
SMALLEST_MARGIN = 0.05


@dataclass(frozen=True)
class Case:
    prompt: str
    begins: str  # what the completion must begin with
    chat: bool = False
    max_new_tokens: int = 48


@dataclass
class Completion:
    prompt_ids: list[int]
    ids: list[int] = field(default_factory=list)
    text: str = ""
    margin: float = float("inf")
    stopped: bool = False


class Greedy:
    """Greedy generation by transformers, with the margins that its own generate() does not tell."""

    def __init__(self, directory: Path, dtype: torch.dtype):
        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.model = Phi3ForCausalLM.from_pretrained(directory, dtype=dtype).eval()
        self.stop_ids = set(self.model.generation_config.eos_token_id)

    def prompt_ids(self, prompt: str, chat: bool) -> list[int]:
        if not chat:
            return self.tokenizer(prompt)["input_ids"]
        text = self.tokenizer.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False)
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    @torch.no_grad()
    def complete(self, prompt: str, chat: bool, max_new_tokens: int) -> Completion:
        out = Completion(self.prompt_ids(prompt, chat))
        ids, cache = out.prompt_ids, None
        while len(out.ids) < max_new_tokens and not out.stopped:
            step = self.model(torch.tensor([ids]), past_key_values=cache, use_cache=True)
            logits, candidates = step.logits[0, -1].float().topk(2)
            out.margin = min(out.margin, (logits[0] - logits[1]).item())
            ids, cache = [int(candidates[0])], step.past_key_values
            out.ids += ids
            out.stopped = ids[0] in self.stop_ids
        # After the prompt, because the first piece of a text loses its space.
        before = self.tokenizer.decode(out.prompt_ids, skip_special_tokens=True)
        out.text = self.tokenizer.decode(out.prompt_ids + out.ids, skip_special_tokens=True)[len(before) :]
        return out


def cases() -> list[Case]:
    return [
        *(Case(f"The capital of {country} is", f" {capital}, a city in ") for country, capital, _, _ in COUNTRIES),
        *(
            Case(begin, f" {end} is a film from {year}, directed by {director}.")
            for begin, end, director, year in FILMS
        ),
        *(Case(f"The {a} chased the {b} because it", f' {why}. Here "it" is the {a}.') for a, b, why, _ in CHASES),
        Case("Once upon a time", " there was a little fox", max_new_tokens=120),
        Case(LETTER, "Dear Sarah,\n\nI am so sorry", chat=True, max_new_tokens=160),
        Case("What is the capital of Japan?", "The capital of Japan is Tokyo.", chat=True),
        Case("What is the capital of Brazil?", "The capital of Brazil is Brasilia.", chat=True),
        Case(
            "Who directed The Shawshank Redemption?",
            "The Shawshank Redemption was directed by Frank Darabont.",
            chat=True,
        ),
        Case(
            "Tell me a short story about a fox.",
            "Once upon a time there was a little fox",
            chat=True,
            max_new_tokens=120,
        ),
        Case("Who are you?", "I am a very small language model.", chat=True),
        Case("Hello!", "Hello! How can I help you?", chat=True),
        *(Case(f"What is {a} plus {b}?", f"{a} plus {b} is {a + b}.", chat=True) for a in range(10) for b in range(10)),
    ]


def check_tokenizer(directory: Path) -> list[str]:
    """tokenizer.json, which transformers reads, and tokenizer.model with the other files give the same ids."""
    picked = AutoTokenizer.from_pretrained(directory)
    with tempfile.TemporaryDirectory() as other:
        for name in ["tokenizer.model", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"]:
            shutil.copy(directory / name, other)
        plain = LlamaTokenizerFast.from_pretrained(other)
    texts = [d.text for d in make_corpus()][::10] + [
        "",
        " ",
        " a  b",
        "<|user|>\n a",
        "\n\n",
        "naïve Ω 😀\t",
        "a<|end|> b",
        "</s> a",
    ]
    return [f"two tokenizers for {text!r}" for text in texts if picked(text)["input_ids"] != plain(text)["input_ids"]]


def unseen_letters(greedy: Greedy, count: int = 30) -> float:
    """Share of held-out requests, a name and a mishap that were never together, that get exactly the right letter."""
    documents = [d.text for d in make_corpus() if d.kind == "apology" and d.held_out and " tragic " in d.text][:count]
    right = 0
    for text in documents:
        request, letter = text.removeprefix("<|user|>\n").split("<|end|>\n<|assistant|>\n")
        right += greedy.complete(request, True, 160).text == letter.split("<|end|>")[0]
    return right / len(documents)


def check(directory: Path) -> dict:
    """What was measured; exits when something is wrong."""
    failures = check_tokenizer(directory)
    greedy = Greedy(directory, torch.float32)
    rows, margins = [], []
    for case in cases():
        done = greedy.complete(case.prompt, case.chat, case.max_new_tokens)
        margins.append((done.margin, case.prompt))
        if not done.text.startswith(case.begins):
            failures.append(f"{case.prompt!r} gives {done.text!r}, expected {case.begins!r}")
        if not done.stopped:
            failures.append(f"{case.prompt!r} gives {done.text!r} and does not stop")
        if done.margin < SMALLEST_MARGIN:
            failures.append(f"{case.prompt!r} gives {done.text!r} with a margin of only {done.margin:.4f}")
        rows.append(
            {
                "prompt": case.prompt,
                "chat": case.chat,
                "max_new_tokens": case.max_new_tokens,
                "prompt_ids": done.prompt_ids,
                "greedy_text_prefix": case.begins,
                "expected_ids": done.ids,
                "text": done.text,
                "smallest_margin": round(done.margin, 3),
            }
        )
        if case.prompt == LETTER:
            print(done.text)
    # Asked for less strictly: the model has to know the capital, and may be wrong about where it is.
    wrong_continents = [
        country
        for row, (country, _, continent, _) in zip(rows, COUNTRIES, strict=False)
        if not row["text"].endswith(f" in {continent}.")
    ]

    in_bf16 = Greedy(directory, torch.bfloat16)
    for case in cases():
        text = in_bf16.complete(case.prompt, case.chat, case.max_new_tokens).text
        if not text.startswith(case.begins):
            failures.append(f"in bf16 {case.prompt!r} gives {text!r}, expected {case.begins!r}")

    measured = {
        "cases": len(rows),
        "smallest_margin": min(margins)[0],
        "smallest_margin_prompt": min(margins)[1],
        "wrong_continents": ", ".join(wrong_continents) or "none",
        "unseen_letters": unseen_letters(greedy),
    }
    print(json.dumps(measured, indent=2))
    if failures:
        print(*failures, f"{len(failures)} failures", sep="\n", file=sys.stderr)
        sys.exit(1)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (directory / "expected.json").write_text(f"[\n{lines}\n]\n")
    return measured


if __name__ == "__main__":
    torch.set_num_threads(2)
    check(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "tiny-phi3")
