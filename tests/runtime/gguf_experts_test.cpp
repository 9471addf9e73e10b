// A mixture of experts from a GGUF file, which has a weight of all experts as one tensor.
#include "base/half.h"
#include "frontend/checkpoint.h"
#include "tests/frontend/gguf_files.h"
#include "tests/frontend/temp_dir.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>

using namespace vitro;
using namespace vitro::test;

namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
    return text;
}

/// As llama.cpp's files name it; experts without their number.
std::string gguf_name(std::string name) {
    if (const std::size_t at = name.find(".experts."); at != std::string::npos)
        name.erase(at, name.find('.', at + std::strlen(".experts.")) - at);
    for (const auto& [from, to] : {std::pair{"model.layers.", "blk."},
                                   {"model.embed_tokens", "token_embd"},
                                   {"model.norm", "output_norm"},
                                   {"lm_head", "output"},
                                   {"input_layernorm", "attn_norm"},
                                   {"post_attention_layernorm", "ffn_norm"},
                                   {"self_attn.q_proj", "attn_q"},
                                   {"self_attn.k_proj", "attn_k"},
                                   {"self_attn.v_proj", "attn_v"},
                                   {"self_attn.o_proj", "attn_output"},
                                   {"self_attn.q_norm", "attn_q_norm"},
                                   {"self_attn.k_norm", "attn_k_norm"},
                                   {"mlp.gate_proj", "ffn_gate_exps"},
                                   {"mlp.up_proj", "ffn_up_exps"},
                                   {"mlp.down_proj", "ffn_down_exps"},
                                   {"mlp.gate.", "ffn_gate_inp."}})
        name = replaced(name, from, to);
    return name;
}

/// The weights of a directory as f32; those of experts stacked, in the order of their numbers.
void write_gguf(const std::filesystem::path& to, const std::filesystem::path& directory) {
    const ModelConfig config = read_model_config(directory);
    const auto key = [](std::string_view name, std::int64_t value) {
        return gguf_key(fmt::format("qwen3moe.{}", name), static_cast<std::uint32_t>(value));
    };
    const auto real = [](std::string_view name, double value) {
        return gguf_key(fmt::format("qwen3moe.{}", name), GgufType::f32, little_endian(static_cast<float>(value)));
    };
    GgufBytes file;
    file.keys = {gguf_key("general.architecture", "qwen3moe"),
                 key("vocab_size", config.vocab_size),
                 key("context_length", config.max_positions),
                 key("embedding_length", config.hidden_size),
                 key("block_count", config.n_layers),
                 key("feed_forward_length", config.intermediate_size),
                 key("attention.head_count", config.n_heads),
                 key("attention.head_count_kv", config.layers[0].n_kv_heads),
                 key("attention.key_length", config.layers[0].head_dim),
                 key("expert_count", config.n_experts),
                 key("expert_used_count", config.experts_per_token),
                 key("expert_feed_forward_length", config.expert_size),
                 real("rope.freq_base", config.ropes[0].theta),
                 real("attention.layer_norm_rms_epsilon", config.norm_eps)};
    struct Stack {
        std::vector<std::int64_t> dims;  // of one, innermost first
        std::int64_t count = 0;
        std::string bytes;
    };
    std::map<std::string, Stack> stacks;
    Checkpoint checkpoint = Checkpoint::open(directory);
    for (const std::string& name : checkpoint.names()) {  // sorted, and there are no more than ten experts
        const Tensor tensor = checkpoint.tensor(name);
        Stack& stack = stacks[gguf_name(name)];
        ++stack.count;
        stack.dims.clear();
        for (int i = tensor.rank; i > 0; --i) stack.dims.push_back(tensor.dim(i - 1));
        dispatch_float(tensor.dtype, [&]<class T>(T) {
            for (std::int64_t i = 0; i < tensor.elements(); ++i) stack.bytes += little_endian(float(tensor.as<T>()[i]));
        });
    }
    for (auto& [name, stack] : stacks) {
        if (name.find("_exps") != std::string::npos) stack.dims.push_back(stack.count);
        file.tensors.push_back({.name = name, .dims = stack.dims, .type = 0, .offset = file.data.size()});
        file.data += stack.bytes;
        file.data.resize((file.data.size() + 31) / 32 * 32);
    }
    write_bytes(to, file.bytes());
}

std::vector<float> logits(const std::filesystem::path& model) {
    const std::vector<std::int32_t> tokens{5, 17, 3, 60, 9, 31, 2, 44, 8};
    return LoadedModel(model, exact({.context = 64})).feed(tokens);
}

}  // namespace

TEST_CASE("experts that stand stacked in a GGUF file give the logits, bit for bit, of those that stand one by one") {
    const TempDir directory;
    const auto model = directory / "model", file = directory / "model.gguf";
    std::filesystem::copy(source_path("tests/golden/qwen3_moe_shares"), model);
    const std::string config = read_bytes(model / "config.json");
    write_bytes(model / "config.json", replaced(config, "\"norm_topk_prob\": false", "\"norm_topk_prob\": true"));
    write_gguf(file, model);
    const ModelConfig found = read_model_config(file);
    CHECK(found.experts_are_stacked);
    CHECK(found.normalizes_experts);
    CHECK(found.n_experts == 5);
    CHECK(found.experts_per_token == 3);
    CHECK(logits(file) == logits(model));
}
