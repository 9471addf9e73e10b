"""Makes the goldens: tiny models with random weights, and what transformers computes with them. See README.md.

usage: ./dev golden [NAME...]      all, or only the named ones
"""

import json
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file
from transformers import (AutoConfig, AutoModelForCausalLM, AutoTokenizer, BertConfig, BertForMaskedLM,
                          BertForSequenceClassification, BertModel, Gemma2Config, Gemma3TextConfig, GPT2Config,
                          GptOssConfig, GraniteConfig, LlamaConfig, Ministral3Config, MinistralConfig, MistralConfig,
                          MixtralConfig, ModernBertConfig, ModernBertForMaskedLM, ModernBertForSequenceClassification,
                          ModernBertModel, Olmo2Config, Olmo3Config, Phi3Config, Qwen2Config, Qwen3Config,
                          Qwen3ForSequenceClassification, Qwen3MoeConfig, RobertaConfig,
                          RobertaForTokenClassification, RobertaModel, SmolLM3Config, StableLmConfig, Starcoder2Config)

import reference

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUNDLED = ROOT / "models/bundled/tiny-phi3"

BUNDLED_PROMPTS = (
    "The capital of France is",
    "The dog chased the squirrel because it",
    "The Shawshank",
    "<|user|>\nWhat is the capital of Japan?<|end|>\n<|assistant|>\n",
    "Dear Sarah",
)

GREEDY_TOKENS = 64
MIN_MARGIN = 1e-2  # between the two largest logits at every greedy step; rounding moves logits by about 1e-5
MIN_BUNDLED_MARGIN = 1e-3  # the bundled model's weights are what they are; only the prompt can be chosen
MAX_BF16_NMSE = 6e-5  # of transformers' own bf16 run against its f32 run; tests allow 1e-4
MIN_DISTINCT = 12  # different tokens in the greedy continuation: a model that repeats itself tests nothing
MIN_EFFECT = 0.05  # the largest change of a logit that each near miss of a configuration must make
MAX_BYTES = 200_000


@dataclass
class Case:
    """One golden: a configuration, how it is saved, and mistakes in reading it that must change the logits.

    `near_misses` are changes to the configuration; keys of rope parameters are given with the prefix "rope.", those of
    layers with a window, where they have a rope of their own (`local_rope`), with "local.".
    `old_rope_type` asks for a config.json with the keys used before transformers 5, with this type in rope_scaling if
    it has one, and without the keys in `omit`.
    Of layers with a pattern of the Sparse Transformer, `values` have "attention_stride" and "attention_summary", and
    layers with full attention become strided ones, those with a window fixed ones (reference.patterns).
    """

    name: str
    what: str
    config: type
    values: dict
    rope: dict | None = field(default_factory=dict)  # None: the architecture has none
    local_rope: dict | None = None
    near_misses: list = field(default_factory=list)
    prompt: int = 23
    dtype: str = "bf16"
    old_rope_type: str | None = None
    omit: tuple = ()
    shard: str = "1GB"
    mxfp4_experts: bool = False  # their weights are saved as codes and scales, as GPT-OSS was published


def sizes(vocab, hidden, ffn, heads, kv_heads, layers=2, **more):
    return dict(vocab_size=vocab, hidden_size=hidden, intermediate_size=ffn, num_attention_heads=heads,
                num_key_value_heads=kv_heads, num_hidden_layers=layers, **more)


def longrope(short, long, **more):
    return dict(rope_type="longrope", short_factor=short, long_factor=long, **more)


def lengths(original, maximum):
    return dict(original_max_position_embeddings=original, max_position_embeddings=maximum)


# For 12 rotated dimensions.
SHORT = [1.0, 1.05, 1.2, 1.35, 1.5, 1.75]
LONG = [1.0, 1.5, 2.5, 5.0, 9.0, 14.0]

CASES = [
    Case("phi3_gqa", "grouped queries: 6 heads, 2 kv heads", Phi3Config,
         sizes(97, 60, 44, 6, 2), near_misses=[{"rope.rope_theta": 500.0}]),
    Case("phi3_mqa", "one kv head for 4 heads; eps large enough to matter; 3 layers", Phi3Config,
         sizes(101, 48, 40, 4, 1, layers=3, rms_norm_eps=0.05), near_misses=[{"rms_norm_eps": 1e-5}]),
    Case("phi3_mha", "as many kv heads as heads, saved as f32", Phi3Config,
         sizes(80, 40, 56, 5, 5), dtype="f32"),
    Case("phi3_window", "sliding window of 7, shorter than the prompt", Phi3Config,
         sizes(97, 48, 40, 4, 2, sliding_window=7),
         near_misses=[{"sliding_window": 6}, {"sliding_window": 8}, {"sliding_window": None}]),
    Case("phi3_partial_rotary", "half of each head rotated: 8 of 16 dimensions", Phi3Config,
         sizes(97, 64, 40, 4, 2), rope=dict(partial_rotary_factor=0.5),
         near_misses=[{"rope.partial_rotary_factor": 1.0}]),
    Case("phi3_longrope_short", "longrope, prompt and continuation below the original length: short factors",
         Phi3Config, sizes(97, 48, 40, 4, 2, **lengths(96, 384)), rope=longrope(SHORT, LONG),
         near_misses=[{"rope.short_factor": LONG}, {"rope.short_factor": [1.0] * 6}, {"rope.attention_factor": 1.0}]),
    Case("phi3_longrope_long", "longrope, prompt above the original length: long factors", Phi3Config,
         sizes(97, 48, 40, 4, 2, **lengths(16, 128)), rope=longrope(SHORT, LONG),
         near_misses=[{"rope.long_factor": SHORT}, {"rope.long_factor": [1.0] * 6}, {"rope.attention_factor": 1.0}]),
    Case("phi3_longrope_crossing", "longrope, the continuation crosses the original length of 40", Phi3Config,
         sizes(97, 48, 40, 4, 2, **lengths(40, 160)), rope=longrope(SHORT, LONG),
         near_misses=[{"rope.short_factor": LONG}]),
    Case("phi3_longrope_partial", "longrope with a given attention factor on 12 of 16 dimensions, tied head, window 9",
         Phi3Config, sizes(97, 64, 40, 4, 1, **lengths(16, 384), sliding_window=9, tie_word_embeddings=True),
         rope=longrope(SHORT, LONG, partial_rotary_factor=0.75, attention_factor=1.3),
         near_misses=[{"rope.attention_factor": 1.0}]),
    Case("phi3_tied", "the head is the embedding", Phi3Config,
         sizes(97, 48, 40, 4, 2, tie_word_embeddings=True)),
    Case("phi3_odd", "odd sizes: vocabulary 97, hidden 60, 5 heads of 12, ffn 37", Phi3Config,
         sizes(97, 60, 37, 5, 1), prompt=19),
    Case("phi3_f16", "saved as f16", Phi3Config,
         sizes(97, 48, 40, 4, 2), dtype="f16"),
    Case("phi3_old_config", "old keys as in Phi-4-mini: rope_scaling of type longrope, partial_rotary_factor beside it",
         Phi3Config, sizes(97, 64, 40, 4, 2, **lengths(16, 128), sliding_window=262144, tie_word_embeddings=True),
         rope=longrope(SHORT, LONG, partial_rotary_factor=0.75), old_rope_type="longrope"),
    Case("phi3_old_config_su", "old keys as in the first Phi-3-mini-128k: rope_scaling of type su", Phi3Config,
         sizes(97, 48, 40, 4, 2, **lengths(32, 128)),
         rope=longrope(SHORT, LONG), prompt=41, old_rope_type="su"),
    Case("llama_gqa_tied", "grouped queries, tied head, theta 500000", LlamaConfig,
         sizes(97, 60, 44, 6, 3, tie_word_embeddings=True), rope=dict(rope_theta=500000.0),
         near_misses=[{"rope.rope_theta": 10000.0}]),
    Case("llama_head_dim", "head_dim 16 given, where hidden / heads is 12", LlamaConfig,
         sizes(97, 48, 40, 4, 2, head_dim=16)),
    Case("llama_bias", "attention_bias and mlp_bias", LlamaConfig,
         sizes(97, 48, 40, 4, 2, attention_bias=True, mlp_bias=True)),
    Case("llama_old_config", "old keys, and those left out that have defaults, as in Llama 1", LlamaConfig,
         sizes(97, 48, 40, 4, 4), old_rope_type="none",
         omit=("attention_bias", "head_dim", "mlp_bias", "num_key_value_heads", "rope_scaling", "rope_theta")),
    Case("llama_sharded", "several files and an index; prompt of one token", LlamaConfig,
         sizes(97, 48, 40, 4, 2), shard="30KB", prompt=1),
    Case("mistral_full", "no sliding window", MistralConfig,
         sizes(97, 60, 44, 6, 2, sliding_window=None), near_misses=[{"sliding_window": 16}]),
    Case("mistral_window", "sliding window of 5, odd sizes, saved as f32", MistralConfig,
         sizes(97, 36, 37, 3, 1, sliding_window=5), dtype="f32",
         near_misses=[{"sliding_window": 4}, {"sliding_window": 6}, {"sliding_window": None}]),
    Case("ministral_layers", "a window of 6 in two of three layers, by layer_types", MinistralConfig,
         sizes(97, 48, 40, 4, 2, layers=3, head_dim=12, sliding_window=6,
               layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
         near_misses=[{"layer_types": ["sliding_attention", "sliding_attention", "sliding_attention"]},
                      {"layer_types": ["full_attention", "sliding_attention", "sliding_attention"]}]),
    Case("llama_llama3", "rope scaled as in Llama 3.1, original length 16", LlamaConfig,
         sizes(97, 48, 40, 4, 2),
         rope=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=16),
         near_misses=[{"rope.factor": 4.0}, {"rope.rope_type": "default"}]),
    Case("qwen2_yarn", "biases of q, k, v; rope scaled by yarn, original length 16", Qwen2Config,
         sizes(97, 48, 40, 4, 2),
         rope=dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=16),
         near_misses=[{"rope.factor": 4.0}, {"rope.attention_factor": 1.0}, {"rope.rope_type": "linear"}]),
    Case("qwen2_window", "a window of 6 from layer 1 on", Qwen2Config,
         sizes(97, 48, 40, 4, 2, layers=3, use_sliding_window=True, sliding_window=6, max_window_layers=1),
         near_misses=[{"use_sliding_window": False}, {"max_window_layers": 0}, {"max_window_layers": 2}]),
    Case("qwen3_norms", "norms of q and k by head; heads wider than hidden / heads", Qwen3Config,
         sizes(97, 40, 44, 4, 2, head_dim=16, rms_norm_eps=0.01, tie_word_embeddings=True),
         near_misses=[{"rms_norm_eps": 1e-6}]),
    Case("smollm3_no_rope", "every second layer without rope", SmolLM3Config,
         sizes(97, 48, 40, 4, 2, layers=4, no_rope_layer_interval=2),
         near_misses=[{"no_rope_layers": [1, 1, 1, 1]}, {"no_rope_layers": [0, 1, 0, 1]}]),
    Case("granite", "multipliers of embedding, blocks, scores and logits", GraniteConfig,
         sizes(97, 48, 40, 4, 2, embedding_multiplier=3.0, residual_multiplier=0.4, attention_multiplier=0.2,
               logits_scaling=0.7),
         near_misses=[{"embedding_multiplier": 1.0}, {"residual_multiplier": 1.0}, {"attention_multiplier": 12**-0.5},
                      {"logits_scaling": 1.0}]),
    Case("olmo2", "norms after the blocks and over all of q and k", Olmo2Config,
         sizes(97, 48, 40, 4, 2, rms_norm_eps=0.01), near_misses=[{"rms_norm_eps": 1e-6}]),
    Case("olmo3", "the same with a window of 6 in the first layer, which has a rope of its own", Olmo3Config,
         sizes(97, 48, 40, 4, 2, sliding_window=6, layer_types=["sliding_attention", "full_attention"]),
         local_rope=dict(rope_theta=500.0),
         near_misses=[{"sliding_window": 7}, {"local.rope_theta": 10000.0}, {"rope.rope_theta": 500.0}]),
    Case("gemma2", "scores and logits held by softcaps, a window of 6 in every second layer", Gemma2Config,
         sizes(97, 48, 40, 4, 2, head_dim=16, sliding_window=6, query_pre_attn_scalar=8, attn_logit_softcapping=2.0,
               final_logit_softcapping=10.0, tie_word_embeddings=True),
         near_misses=[{"attn_logit_softcapping": None}, {"final_logit_softcapping": None},
                      {"query_pre_attn_scalar": 16}, {"sliding_window": 7}]),
    Case("gemma3", "norms of q and k, a window of 6 in two of three layers, and their own rope", Gemma3TextConfig,
         sizes(97, 32, 24, 4, 2, layers=3, head_dim=8, sliding_window=6, query_pre_attn_scalar=8,
               layer_types=["sliding_attention", "sliding_attention", "full_attention"], tie_word_embeddings=True),
         rope=dict(rope_theta=1e6), local_rope={},
         near_misses=[{"local.rope_theta": 1e6}, {"rope.rope_theta": 1e4}, {"sliding_window": 7},
                      {"query_pre_attn_scalar": 16}]),
    Case("gpt2", "learned positions, LayerNorm, weights that stand the other way round", GPT2Config,
         dict(vocab_size=97, n_embd=48, n_layer=2, n_head=4, n_positions=96, layer_norm_epsilon=0.01), rope=None,
         near_misses=[{"layer_norm_epsilon": 1e-5}, {"activation_function": "relu"}]),
    Case("stablelm", "LayerNorm, half of each head rotated, biases of q, k, v", StableLmConfig,
         sizes(97, 48, 40, 4, 2, use_qkv_bias=True, layer_norm_eps=0.01), rope=dict(partial_rotary_factor=0.5),
         near_misses=[{"rope.partial_rotary_factor": 1.0}, {"layer_norm_eps": 1e-5}]),
    Case("starcoder2", "LayerNorm, biases everywhere, a feed-forward layer without a gate, a window of 6",
         Starcoder2Config, sizes(97, 48, 40, 4, 2, norm_epsilon=0.01, sliding_window=6),
         near_misses=[{"norm_epsilon": 1e-5}, {"sliding_window": 7}, {"hidden_act": "relu"}]),
    Case("ministral3", "queries that become larger every 16 tokens; rope scaled by yarn", Ministral3Config,
         sizes(97, 48, 40, 4, 2, head_dim=12),
         rope=dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=16, mscale=1.0, mscale_all_dim=1.0,
                   llama_4_scaling_beta=0.5),
         near_misses=[{"rope.llama_4_scaling_beta": 0.0}, {"rope.llama_4_scaling_beta": 0.3}]),
    Case("ministral_patterns", "the Sparse Transformer's patterns: strided by 5 in one layer, fixed with a summary of 2 in "
         "the other", MinistralConfig,
         sizes(97, 48, 40, 4, 2, head_dim=12, layer_types=["full_attention", "sliding_attention"], sliding_window=384,
               attention_stride=5, attention_summary=2),
         near_misses=[{"attention_stride": 4}, {"attention_stride": 6}, {"attention_summary": 1}]),
    Case("qwen3_moe", "two of four experts for a token, whose shares sum to 1; the first of two layers has none",
         Qwen3MoeConfig, sizes(97, 40, 44, 4, 2, head_dim=12, moe_intermediate_size=24, num_experts=4,
                               num_experts_per_tok=2, norm_topk_prob=True, mlp_only_layers=[0]),
         near_misses=[{"norm_topk_prob": False}, {"num_experts_per_tok": 1}]),
    Case("qwen3_moe_shares", "three of five experts, whose shares are those among all", Qwen3MoeConfig,
         sizes(97, 40, 44, 4, 2, head_dim=12, moe_intermediate_size=20, num_experts=5, num_experts_per_tok=3),
         near_misses=[{"norm_topk_prob": True}]),
    Case("mixtral", "two of four experts for a token", MixtralConfig,
         sizes(97, 40, 28, 4, 2, num_local_experts=4, num_experts_per_tok=2),
         near_misses=[{"num_experts_per_tok": 1}]),
    Case("gpt_oss", "attention sinks, a window of 6 in the first layer, yarn, two of four experts with a clamped SwiGLU",
         GptOssConfig, sizes(97, 40, 28, 4, 2, head_dim=12, sliding_window=6, num_local_experts=4,
                             num_experts_per_tok=2, swiglu_limit=1.0),
         rope=dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=16, truncate=False),
         near_misses=[{"swiglu_limit": 7.0}, {"swiglu_alpha": 1.0}, {"sliding_window": 7},
                      {"num_experts_per_tok": 1}]),
    Case("gpt_oss_mxfp4", "experts as codes and scales of MXFP4, two blocks wide", GptOssConfig,
         sizes(97, 64, 32, 4, 2, head_dim=12, sliding_window=6, num_local_experts=3, num_experts_per_tok=2),
         rope=dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=16, truncate=False),
         near_misses=[{"num_experts_per_tok": 1}], mxfp4_experts=True),
]


@dataclass
class Encoder:
    """One golden of a model that gives hidden states or scores of labels: `model` is its class in transformers."""

    name: str
    what: str
    model: type
    config: type
    values: dict
    near_misses: list = field(default_factory=list)


def encoder_sizes(vocab, hidden, ffn, heads, layers=2, **more):
    return dict(vocab_size=vocab, hidden_size=hidden, intermediate_size=ffn, num_attention_heads=heads,
                num_hidden_layers=layers, max_position_embeddings=48, **more)


def modernbert_sizes(layers, **more):
    return dict(encoder_sizes(97, 36, 28, 3, layers=layers), pad_token_id=0, bos_token_id=1, eos_token_id=2,
                cls_token_id=1, sep_token_id=2, **more)


ENCODERS = [
    Encoder("bert", "hidden states; eps large enough to matter", BertModel, BertConfig,
            encoder_sizes(97, 48, 40, 4, layer_norm_eps=0.05), near_misses=[{"layer_norm_eps": 1e-12}]),
    Encoder("bert_masked", "logits of a masked language model", BertForMaskedLM, BertConfig,
            encoder_sizes(97, 36, 40, 3)),
    Encoder("bert_sequence", "scores of three labels of the text, from its first token", BertForSequenceClassification,
            BertConfig, encoder_sizes(97, 48, 40, 4, id2label={0: "no", 1: "maybe", 2: "yes"})),
    Encoder("roberta", "positions begin behind the row of the padding token, 3", RobertaModel, RobertaConfig,
            encoder_sizes(97, 48, 40, 4, type_vocab_size=1, pad_token_id=3, hidden_act="gelu_new"),
            near_misses=[{"pad_token_id": 1}, {"hidden_act": "relu"}]),
    Encoder("roberta_tokens", "scores of two labels of each token", RobertaForTokenClassification, RobertaConfig,
            encoder_sizes(97, 48, 40, 4, num_labels=2)),
    Encoder("qwen3_sequence", "scores of three labels of the text, from its last token",
            Qwen3ForSequenceClassification, Qwen3Config,
            dict(sizes(97, 40, 44, 4, 2, head_dim=16), id2label={0: "no", 1: "maybe", 2: "yes"}, pad_token_id=0)),
    Encoder("qwen3_reward", "one score of the text, from its last token: what a reward model gives",
            Qwen3ForSequenceClassification, Qwen3Config,
            dict(sizes(97, 40, 44, 4, 2, head_dim=16), num_labels=1, pad_token_id=0)),
    Encoder("modernbert", "hidden states; a window of 4 on each side in two of four layers, with their own rope",
            ModernBertModel, ModernBertConfig, modernbert_sizes(4, local_attention=8, norm_eps=0.05),
            near_misses=[{"local_attention": 6}, {"norm_eps": 1e-5}]),
    Encoder("modernbert_masked", "logits of a masked language model, with biases wherever there may be some",
            ModernBertForMaskedLM, ModernBertConfig,
            modernbert_sizes(2, attention_bias=True, mlp_bias=True, norm_bias=True, classifier_bias=True)),
    Encoder("modernbert_sequence", "scores of three labels of the text, from its first token",
            ModernBertForSequenceClassification, ModernBertConfig,
            modernbert_sizes(2, id2label={0: "no", 1: "maybe", 2: "yes"})),
]


def make_encoder(case):
    """Writes the directory of an encoder; returns its entry."""
    prompt = np.random.default_rng(1).integers(4, case.values["vocab_size"], 23).tolist()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary) / case.name
        model = case.model(case.config(**case.values))
        reference.randomize(model, 1)
        model.save_pretrained(directory)
        load = lambda **more: case.model.from_pretrained(  # noqa: E731
            directory, attn_implementation="eager", **more).eval()
        right = reference.encoded(load(), prompt)
        for changes in case.near_misses:
            other = load(config=case.config(**{**case.values, **changes}))
            effect = np.abs(reference.encoded(other, prompt) - right).max()
            assert effect >= MIN_EFFECT, f"{case.name}: {changes} changes the result by no more than {effect:.2g}"
        save_file({"tokens": np.array(prompt, np.int32), "result_f32": right}, directory / "golden.safetensors")
        assert (size := reference.bytes_below(directory)) < MAX_BYTES, f"{case.name}: {size} bytes"
        shutil.rmtree(HERE / case.name, ignore_errors=True)
        shutil.copytree(directory, HERE / case.name)
    print(json.dumps({"name": case.name, "result": list(right.shape)}), flush=True)
    return {"name": case.name, "what": case.what, "model": (HERE / case.name).relative_to(ROOT).as_posix(),
            "golden": (HERE / case.name / "golden.safetensors").relative_to(ROOT).as_posix(),
            "prompt_tokens": len(prompt)}


def configuration(case, changes=None):
    """The configuration of `case`, with the changes of a near miss."""
    values = {"max_position_embeddings": 384, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None, **case.values}
    rope = {"rope_type": "default", "rope_theta": 10000.0, **(case.rope or {})}
    local = {"rope_type": "default", "rope_theta": 10000.0, **(case.local_rope or {})}
    for key, value in (changes or {}).items():
        target = {"rope": rope, "local": local}.get(key.split(".")[0], values)
        target[key.split(".")[-1]] = value
    if case.local_rope is not None:
        rope = {"full_attention": rope, "sliding_attention": local}
    if case.rope is None:
        return case.config(**{key: value for key, value in values.items() if key != "max_position_embeddings"})
    return case.config(**values, rope_parameters=json.loads(json.dumps(rope)))


def rewrite_config(directory, case, tensors):
    """Gives `directory` its old config.json, and proves that transformers reads it as the same model."""
    reference.rewrite_with_old_keys(directory, case.omit)
    again = reference.logits(reference.load(directory, "f32"), tensors["tokens"].tolist())
    assert np.array_equal(again, tensors["logits_f32"]), f"{case.name}: old keys are read differently"

    # Last, because transformers 5.23 refuses "su" when the original length stands outside of rope_scaling.
    if case.old_rope_type == "su":
        path = directory / "config.json"
        path.write_text(path.read_text().replace('"type": "longrope"', '"type": "su"'))


def save_model(case, seed, directory):
    model = AutoModelForCausalLM.from_config(configuration(case), dtype=torch.float32)
    reference.randomize(model, seed)
    model.to(reference.DTYPES[case.dtype]).save_pretrained(directory, max_shard_size=case.shard)
    if case.mxfp4_experts:
        reference.experts_to_mxfp4(directory)


def continue_greedily(model, prompt):
    """The greedy continuation and its margin; the three ways to compute it must agree."""
    tokens, margin = reference.greedy(model, prompt, GREEDY_TOKENS)
    assert tokens == reference.greedy(model, prompt, GREEDY_TOKENS, use_cache=False)[0], "with and without cache differ"
    if reference.has_patterns(model.config):  # generate() knows of none
        return tokens, margin
    assert tokens == reference.generate(model, prompt, GREEDY_TOKENS), "generate() differs"
    return tokens, margin


def compute(directory, prompt):
    """The tensors of one golden, and its numbers for golden.json."""
    model = reference.load(directory, "f32")
    f32 = reference.logits(model, prompt)
    if model._supports_sdpa:
        with_sdpa = reference.logits(reference.load(directory, "f32", "sdpa"), prompt)
        np.testing.assert_allclose(with_sdpa, f32, rtol=1e-5, atol=2e-5, err_msg="eager and sdpa attention differ")
    bf16 = reference.logits(reference.load(directory, "bf16"), prompt)
    tokens, margin = continue_greedily(model, prompt)
    tensors = {"tokens": np.array(prompt, np.int32), "logits_f32": f32, "logits_bf16": bf16,
               "greedy_f32": np.array(tokens, np.int32)}
    return tensors, {"greedy_margin": round(margin, 6), "bf16_nmse": float(f"{reference.nmse(bf16, f32):.3g}")}


def objection(case, directory, tensors, numbers):
    """Why these weights make a poor golden; None if they make a good one."""
    greedy = tensors["greedy_f32"]
    if numbers["greedy_margin"] < MIN_MARGIN:
        return f"greedy margin {numbers['greedy_margin']}"
    if numbers["bf16_nmse"] > MAX_BF16_NMSE:
        return f"bf16 nmse {numbers['bf16_nmse']}"
    if len(set(greedy.tolist())) < MIN_DISTINCT:
        return f"{len(set(greedy.tolist()))} distinct tokens"
    if 2 in greedy:
        return "the end of sequence token is generated"
    for changes in case.near_misses:
        model = AutoModelForCausalLM.from_pretrained(
            directory, config=configuration(case, changes), dtype=torch.float32, attn_implementation="eager",
            experts_implementation="eager"
        )
        tokens = [*tensors["tokens"], *greedy[:16]]
        right = reference.logits(reference.load(directory, "f32"), tokens)
        effect = np.abs(reference.logits(model, tokens) - right).max()
        if effect < MIN_EFFECT:
            return f"{changes} changes the logits by no more than {effect:.2g}"
    return None


def make(case):
    """Writes the directory of `case` with the first seed to which there is no objection; returns its entry."""
    vocab = case.values["vocab_size"]
    for seed in range(300):
        with tempfile.TemporaryDirectory() as temporary:
            directory = Path(temporary) / case.name
            save_model(case, seed, directory)
            prompt = np.random.default_rng(seed).integers(3, vocab, case.prompt).tolist()
            tensors, numbers = compute(directory, prompt)
            if (why := objection(case, directory, tensors, numbers)) is not None:
                print(f"  {case.name}: seed {seed}: {why}")
                continue
            if case.old_rope_type is not None:
                rewrite_config(directory, case, tensors)
            if "attention_stride" in case.values:
                reference.name_patterns(directory)
            save_file(tensors, directory / "golden.safetensors")
            assert (size := reference.bytes_below(directory)) < MAX_BYTES, f"{case.name}: {size} bytes"
            shutil.rmtree(HERE / case.name, ignore_errors=True)
            shutil.copytree(directory, HERE / case.name)
        return entry(case.name, case.what, HERE / case.name, case.dtype, tensors, seed=seed, **numbers)
    raise RuntimeError(f"{case.name}: no seed gives a good golden")


def make_bundled():
    """The golden of the bundled model, whose weights stay where they are."""
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED)
    for prompt in BUNDLED_PROMPTS:
        tokens = tokenizer(prompt).input_ids
        tensors, numbers = compute(BUNDLED, tokens)
        if numbers["greedy_margin"] >= MIN_BUNDLED_MARGIN:
            break
    else:
        raise RuntimeError("every prompt leads to two logits too close to each other")
    (HERE / BUNDLED.name).mkdir(exist_ok=True)
    save_file(tensors, HERE / BUNDLED.name / "golden.safetensors")
    saved = AutoConfig.from_pretrained(BUNDLED).dtype
    dtype = next(name for name, dtype in reference.DTYPES.items() if dtype == saved)
    return entry(BUNDLED.name, f"the bundled model after {prompt!r}", BUNDLED, dtype, tensors, **numbers)


def entry(name, what, model, dtype, tensors, **numbers):
    found = {"name": name, "what": what, "model": model.relative_to(ROOT).as_posix(),
             "golden": (HERE / name / "golden.safetensors").relative_to(ROOT).as_posix(), "dtype": dtype,
             "prompt_tokens": len(tensors["tokens"]), "greedy_tokens": len(tensors["greedy_f32"]), **numbers}
    print(json.dumps({key: found[key] for key in ("name", *numbers)}), flush=True)
    return found


def main():
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)  # so that sums are added in one order

    makers = {case.name: (lambda case=case: make(case)) for case in CASES}
    makers |= {case.name: (lambda case=case: make_encoder(case)) for case in ENCODERS}
    if (BUNDLED / "config.json").is_file():
        makers[BUNDLED.name] = make_bundled
    wanted = sys.argv[1:] or list(makers)
    if unknown := set(wanted) - set(makers):
        sys.exit(f"no golden named {', '.join(sorted(unknown))}; there are {', '.join(makers)}")

    index = HERE / "golden.json"
    entries = {}
    if index.exists():
        known = json.loads(index.read_text())
        entries = {old["name"]: old for old in known["goldens"] + known.get("encoders", [])}
    versions = {"transformers": transformers.__version__, "torch": torch.__version__, "numpy": np.__version__}
    encoders = {case.name for case in ENCODERS}
    for name in wanted:
        entries[name] = makers[name]()
        known = [entries[name] for name in makers if name in entries]
        lists = {"goldens": [entry for entry in known if entry["name"] not in encoders],
                 "encoders": [entry for entry in known if entry["name"] in encoders]}
        index.write_text(json.dumps({"versions": versions, **lists}, indent=2) + "\n")


if __name__ == "__main__":
    main()
