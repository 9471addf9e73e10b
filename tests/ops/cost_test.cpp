// The bytes and operations of every step of Phi-3-mini on a GPU, counted by hand, and by the ops' cost functions at the
// sizes that a program is compiled for.
#include "backends/cpu/cpu_backend.h"
#include "backends/cuda/devices.h"
#include "frontend/config.h"
#include "graph/dump/subject.h"
#include "models/model.h"
#include "ops/attention/attention.h"
#include "ops/cuda_kernels.h"
#include "ops/op_list.h"
#include "passes/passes.h"
#include "runtime/language_model.h"
#include "tests/tools/phi3_mini.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

namespace vitro::test {
namespace {

constexpr std::int64_t kHidden = 3072, kHeads = 32, kHeadDim = 96, kFfn = 8192, kVocabulary = 32064, kLayers = 32,
                       kPage = 16;                     // tokens of a page of the cache
constexpr std::int64_t kBf16 = 2, kI32 = 4, kF32 = 4;  // bytes
static_assert(kHeads * kHeadDim == kHidden);           // there are as many heads of k and v as of q

/// A step of `tokens` tokens of `sequences` sequences, which wants logits of one token of each. `keys`: of each
/// sequence in the cache, with its tokens of this step; `seen`: the keys that each token sees, of all tokens together.
struct Sizes {
    std::int64_t tokens, sequences, keys, seen;

    std::int64_t page_table() const { return sequences * (keys / kPage) * kI32; }  // bytes
};

Cost embed(const Sizes& s) {
    const std::int64_t row = kHidden * kBf16;  // read from the table, written
    return {s.tokens * (kI32 + 2 * row), 0};
}

Cost qkv_projection(const Sizes& s) {
    const std::int64_t weight = 3 * kHidden * kHidden;                 // elements, of q, k and v
    const std::int64_t rows = s.tokens * 4 * kHidden * kBf16;          // x is read; q, k and v are written
    const std::int64_t places = s.tokens * 2 * kI32 + s.page_table();  // positions and sequences
    const std::int64_t turned = 2 * s.tokens * kHidden;                // elements of q and k: two products and a sum
    const std::int64_t norm = 4 * s.tokens * kHidden;                  // square, sum, by the scale, by the weight
    return {weight * kBf16 + kHidden * kBf16 + rows + places, 2 * s.tokens * weight + norm + 3 * turned};
}

Cost attention(const Sizes& s) {
    const std::int64_t cache = 2 * s.sequences * s.keys * kHidden * kBf16;  // keys and values
    const std::int64_t rows = s.tokens * 2 * kHidden * kBf16;               // q is read, the result written
    const std::int64_t places = s.tokens * 2 * kI32 + s.page_table() + s.sequences * kI32;  // and lengths
    // For each key that a token sees, in each head: two products of 96 elements, and 5 operations of softmax.
    return {cache + rows + places, s.seen * kHeads * (2 * 2 * kHeadDim + 5)};
}

/// weight [n, k] with a norm before or not; `more` operations for each element of the result [tokens, m].
Cost linear(std::int64_t tokens, std::int64_t k, std::int64_t n, std::int64_t m, bool norm, bool residual,
            std::int64_t more) {
    std::int64_t bytes = n * k * kBf16 + tokens * k * kBf16 + tokens * m * kBf16;
    std::int64_t flops = 2 * tokens * n * k + more * tokens * m;
    if (norm) bytes += k * kBf16, flops += 4 * tokens * k;
    if (residual) bytes += tokens * m * kBf16, flops += tokens * m;
    return {bytes, flops};
}

/// By the end of the path of what a step computes.
std::map<std::string, Cost> by_hand(const Sizes& s) {
    return {
        {"embed_tokens", embed(s)},
        {"q_rope", qkv_projection(s)},
        {"attention", attention(s)},
        {"attention_residual", linear(s.tokens, kHidden, kHidden, kHidden, false, true, 0)},
        {"gated", linear(s.tokens, kHidden, 2 * kFfn, kFfn, true, false, 4 + 1)},  // silu, and the gate times the rest
        {"mlp_residual", linear(s.tokens, kFfn, kHidden, kHidden, false, true, 0)},
        {"rows", {s.sequences * (kI32 + 2 * kHidden * kBf16), 0}},  // of the tokens whose logits are wanted
        {"logits.rows", linear(s.sequences, kHidden, kVocabulary, kVocabulary, true, false, 0)},
        {"logits", {s.sequences * kVocabulary * (kBf16 + kF32), 0}},  // a cast
        // Three options and four integers a row come with the logits, a token comes out.
        {"next_tokens",
         {s.sequences * (kVocabulary * kF32 + 3 * kF32 + 4 * kI32 + kI32), s.sequences * kVocabulary * 20}},
    };
}

/// The names above, of which a layer has those with `layers`.
std::string end_of(const std::string& path) {
    if (path == "logits.rows") return path;
    return path.substr(path.rfind('.') + 1);
}

/// Phi-3-mini's program for steps of these sizes.
struct Compiled {
    std::unique_ptr<Backend> device = cuda_emulated::make_backend();
    CpuBackend host{1};
    Program program;

    Compiled(Phase phase, const Sizes& s) {
        const TempDir directory;
        write_phi3_mini(directory.path());
        const ModelConfig config = read_model_config(directory.path());
        const std::vector<Target> targets{{*device, cuda_emulated::kernels()}, {host, cpu_kernels()}};
        ModelConfig whole = config;
        for (LayerConfig& layer : whole.layers) layer.sliding_window = 0;  // every key is seen
        const LanguageModelOptions options = completed({.context = s.keys,
                                                        .max_sequences = s.sequences,
                                                        .chunk = s.tokens,
                                                        .choose_tokens = true,
                                                        .activation = DType::bf16,
                                                        .cache = DType::bf16},
                                                       whole);
        Graph graph = build_model(whole, build_options(options, phase, nullptr));
        optimize(graph, targets, options.passes);
        program = compile(std::move(graph), targets);
    }

    std::int64_t weight_bytes() const {
        std::int64_t bytes = 0;
        for (const ValueInfo& value : program.graph.values)
            if (value.kind == ValueKind::weight) bytes += bytes_of(value.type, program.graph.bound_values());
        return bytes;
    }
};

/// Compares each step's cost, and gives the sum.
Cost check_costs(Compiled& compiled, const Sizes& s) {
    const std::map<std::string, Cost> expected = by_hand(s);
    const Subject subject{compiled.program.graph, compiled.host, &compiled.program};
    std::map<std::string, int> counts;
    Cost all;
    for (const Step& step : compiled.program.steps) {
        const Node& node = compiled.program.graph.node(step.node);
        const std::string& path = compiled.program.graph.value(node.outputs[0]).path;
        CAPTURE(path);
        const auto found = expected.find(end_of(path));
        REQUIRE(found != expected.end());
        const Cost cost = cost_of(subject, node);
        CHECK(cost.bytes == found->second.bytes);
        CHECK(cost.flops == found->second.flops);
        ++counts[found->first];
        all.bytes += cost.bytes;
        all.flops += cost.flops;
    }
    CHECK(counts.size() == expected.size());
    for (const char* of_layers : {"q_rope", "attention", "attention_residual", "gated", "mlp_residual"})
        CHECK(counts[of_layers] == kLayers);
    CHECK(compiled.program.steps.size() == 5 * kLayers + 5);
    return all;
}

TEST_CASE("decode steps: one token of each sequence, which sees all keys") {
    for (const std::int64_t sequences : {1, 8})
        for (const std::int64_t keys : {kPage, std::int64_t{4096}}) {  // a first page, and a full cache
            const Sizes sizes{sequences, sequences, keys, sequences * keys};
            Compiled compiled(Phase::decode, sizes);
            check_costs(compiled, sizes);
        }
}

TEST_CASE("a prefill of 512 tokens: token i sees i + 1 keys") {
    const Sizes sizes{512, 1, 512, 512 * 513 / 2};
    Compiled compiled(Phase::prefill, sizes);
    const Cost all = check_costs(compiled, sizes);
    // 2 operations for each of the layers' 3.62 G weights and token, and little else.
    CHECK(all.flops > 2 * 512 * 3'623'878'656);
    CHECK(all.flops < 2 * 512 * 3'623'878'656 * 1.03);
}

TEST_CASE("a decode step reads all weights but the embedding table once") {
    const Sizes sizes{1, 1, kPage, kPage};
    Compiled compiled(Phase::decode, sizes);
    const Cost all = check_costs(compiled, sizes);
    // q, k, v; o; gate and up; down; and two norms. Outside of the layers the table, the logits' weights, a norm.
    const std::int64_t layer =
        (3 * kHidden * kHidden + kHidden * kHidden + 2 * kFfn * kHidden + kHidden * kFfn + 2 * kHidden) * kBf16;
    const std::int64_t table = kVocabulary * kHidden * kBf16, weights = kLayers * layer + 2 * table + kHidden * kBf16;
    CHECK(weights == 7'642'159'104);
    CHECK(compiled.weight_bytes() == weights);
    CHECK(compiled.program.plan.devices[0].bytes(Region::weights) == weights);
    const std::int64_t cache = kLayers * 2 * kPage * kHidden * kBf16;  // a page of it
    CHECK(all.bytes > weights - table + cache);
    CHECK(all.bytes < (weights - table + cache) * 1.001);  // activations
}

/// The cost of attention of one token that stands after `context` others in a cache of 4112, by the data.
Cost attention_after(std::int64_t context) {
    CpuBackend backend(1);
    std::int32_t position = static_cast<std::int32_t>(context), sequence = 0, length = position + 1;
    const std::int64_t pages = 257;
    const auto tensor = [](DType dtype, const std::vector<std::int64_t>& sizes, void* data = nullptr) {
        return Tensor(dtype, sizes, data);
    };
    const Tensor cache = tensor(DType::bf16, {pages, kPage, kHeads, kHeadDim});
    const Tensor inputs[] = {tensor(DType::bf16, {1, kHeads, kHeadDim}),
                             cache,
                             cache,
                             tensor(DType::i32, {1}, &position),
                             tensor(DType::i32, {1}, &sequence),
                             tensor(DType::i32, {1, pages}),
                             tensor(DType::i32, {1}, &length)};
    const Tensor output[] = {tensor(DType::bf16, {1, kHidden})};
    const Attributes attributes = Attention{.scale = 0.1f};
    return cost_of(kAttention, {inputs, output, attributes, backend});
}

TEST_CASE("attention of a running step counts the tokens that are there, not the room") {
    for (const std::int64_t context : {0, 4096}) {
        const std::int64_t keys = context + 1;
        const Cost cost = attention_after(context);
        const std::int64_t cache = 2 * keys * kHidden * kBf16, rows = 2 * kHidden * kBf16;
        CHECK(cost.bytes == cache + rows + (257 + 3) * kI32);  // the page table; position, sequence, length
        CHECK(cost.flops == keys * kHeads * (2 * 2 * kHeadDim + 5));
    }
}

}  // namespace
TEST_CASE("attention's operations are counted without going through tokens, also of more than there are numbers") {
    CpuBackend host(1);
    Random random(7);
    const auto operations = [&](std::int64_t tokens, std::int64_t sequences, std::int64_t length,
                                Visibility visibility) {
        const std::vector<Tensor> inputs = {{DType::f32, std::array<std::int64_t, 3>{tokens, 1, 1}, nullptr},
                                            {DType::f32, std::array<std::int64_t, 4>{1, 1, 1, 1}, nullptr},
                                            {DType::f32, std::array<std::int64_t, 4>{1, 1, 1, 1}, nullptr},
                                            {DType::i32, std::array<std::int64_t, 1>{tokens}, nullptr},
                                            {DType::i32, std::array<std::int64_t, 1>{tokens}, nullptr},
                                            {DType::i32, std::array<std::int64_t, 2>{sequences, length}, nullptr},
                                            {DType::i32, std::array<std::int64_t, 1>{sequences}, nullptr}};
        const Tensor out(DType::f32, std::array<std::int64_t, 2>{tokens, 1}, nullptr);
        const Attributes attributes = Attention{.visibility = visibility};
        return cost_of(kAttention, {inputs, {&out, 1}, attributes, host}).flops;
    };
    for (int i = 0; i < 500; ++i) {
        const std::int64_t tokens = random.integer(0, 30), sequences = random.integer(1, 4),
                           length = random.integer(1, 20);
        const Visibility visibility{.causal = random.integer(0, 1) == 1, .window = random.integer(0, 25)};
        std::int64_t pairs = 0;
        for (std::int64_t t = 0; t < tokens; ++t) {
            const Range seen = visibility.range(length - 1 - t / sequences, length);
            pairs += std::max<std::int64_t>(0, seen.end - seen.begin);
        }
        CAPTURE(tokens);
        CAPTURE(sequences);
        CAPTURE(length);
        CAPTURE(visibility.causal);
        CAPTURE(visibility.window);
        CHECK(operations(tokens, sequences, length, visibility) == pairs * (4 + 5));
    }
    const std::int64_t most = 2147483647;
    const std::int64_t sequences = std::int64_t{1} << 17;  // page tables of 2^50 bytes, the most that a value may have
    for (const std::int64_t window : {std::int64_t{0}, std::int64_t{1}, most})
        for (const bool causal : {true, false})
            CHECK(operations(most, sequences, most, {.causal = causal, .window = window}) > 0);
}

}  // namespace vitro::test
