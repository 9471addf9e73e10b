#include "ops/check/model_calls.h"

#include "ops/attention/attention.h"
#include "ops/attention_mask/attention_mask.h"
#include "ops/cast/cast.h"
#include "ops/check/op_case.h"
#include "ops/common/example_fill.h"
#include "ops/concat/concat.h"
#include "ops/embed/embed.h"
#include "ops/gelu/gelu.h"
#include "ops/kv_gather/kv_gather.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "ops/op_list.h"
#include "ops/qkv_projection/qkv_projection.h"
#include "ops/repeat/repeat.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/sample/sample.h"
#include "ops/slice/slice.h"
#include "ops/split/split.h"
#include "ops/transpose/transpose.h"

namespace vitro::check {
namespace {

constexpr std::int64_t kHidden = 3072, kFfn = 8192, kHeads = 32, kHeadDim = 96, kVocabulary = 32064;
constexpr std::int64_t kPageSlots = 16, kPages = 128, kTableRows = 512;

/// The tokens of a step, as many of each sequence, which has `start` tokens before.
struct Step {
    std::int64_t tokens, sequences, start;

    std::int64_t tokens_a_sequence() const { return tokens / sequences; }
    std::int64_t length() const { return start + tokens_a_sequence(); }
    std::int64_t pages_a_sequence() const { return (length() + kPageSlots - 1) / kPageSlots; }
};
constexpr Step kSteps[] = {{1, 1, 499}, {8, 8, 249}, {64, 1, 0}};
constexpr Step kProductSteps[] = {{1, 1, 499}, {8, 8, 249}, {16, 16, 127}, {32, 32, 63}, {80, 1, 0}};

TensorType bf16_of(Shape shape) { return {DType::bf16, std::move(shape)}; }
TensorType f32_of(Shape shape) { return {DType::f32, std::move(shape)}; }
TensorType i32_of(Shape shape) { return {DType::i32, std::move(shape)}; }

const TensorType kActivations = bf16_of({'T', kHidden}), kTokens = i32_of({'T'}), kSequences = i32_of({'S'}),
                 kCache = bf16_of({kPages, kPageSlots, kHeads, kHeadDim}), kNormWeight = bf16_of({kHidden}),
                 kNone = TensorType::none();

struct Types {
    std::vector<TensorType> inputs;
    Attributes attributes;
};

/// The types of a call of the step; without inputs for ops that are not known.
Types types_of_call(std::string_view op, const Step& step) {
    const TensorType page_table = i32_of({'S', step.pages_a_sequence()}), heads = bf16_of({'T', kHeads, kHeadDim}),
                     ffn = bf16_of({'T', kFfn}), qkv = bf16_of({'T', 3 * kHidden});
    if (op == "add") return {{kActivations, kActivations}, {}};
    if (op == "mul") return {{ffn, ffn}, {}};
    if (op == "silu" || op == "relu") return {{ffn}, {}};
    if (op == "gelu") return {{ffn}, Gelu{}};
    if (op == "rms_norm") return {{kActivations, kNormWeight}, RmsNorm{}};
    if (op == "layer_norm") return {{kActivations, kNormWeight, kNormWeight}, LayerNorm{}};
    if (op == "cast") return {{bf16_of({'R', kVocabulary})}, Cast{DType::f32}};
    if (op == "concat") return {{kActivations, kActivations}, Concat{-1}};
    if (op == "split") return {{qkv}, Split{-1, {kHidden, kHidden, kHidden}}};
    if (op == "slice") return {{qkv}, Slice{-1, kHidden, 2 * kHidden}};
    if (op == "transpose") return {{bf16_of({'T', kHidden})}, Transpose{{1, 0}}};
    if (op == "repeat") return {{bf16_of({'T', kHeads / 4, kHeadDim})}, Repeat{1, 4}};
    if (op == "softmax") return {{f32_of({4, 'T', 'C'})}, {}};
    if (op == "attention_mask") return {{kTokens, kTokens, kSequences}, AttentionMask{}};
    if (op == "embed") return {{kTokens, bf16_of({kTableRows, kHidden})}, Embed{DType::bf16}};
    if (op == "gather_rows") return {{kActivations, i32_of({'R'})}, {}};
    if (op == "argmax") return {{f32_of({'R', kVocabulary})}, {}};
    if (op == "sample")
        return {{f32_of({'R', kVocabulary}), f32_of({'R', SampleRow::kOptions}), i32_of({'R', SampleRow::kIntegers})},
                {}};
    if (op == "rope") return {{heads, kTokens}, RopeAttributes{}};
    if (op == "kv_append") return {{kCache, heads, kTokens, kTokens, page_table}, {}};
    if (op == "kv_gather") return {{kCache, page_table, kSequences}, KvGather{DType::bf16}};
    if (op == "qkv_rope_append")
        return {{qkv, kCache, kCache, kTokens, kTokens, page_table}, QkvRopeAppend{{}, kHeads}};
    if (op == "attention")
        return {{heads, kCache, kCache, kTokens, kTokens, page_table, kSequences}, Attention{.scale = 0.1f}};
    if (op == "matmul") return {{kActivations, bf16_of({256, kHidden})}, Matmul{.transpose_b = true}};
    if (op == "qkv_projection") {
        const TensorType cache = bf16_of({kPages, kPageSlots, 1, kHeadDim});
        return {{kActivations, bf16_of({4 * kHeadDim, kHidden}), cache, cache, kTokens, kTokens, page_table, kNone,
                 kNormWeight},
                QkvProjection{.append = {{}, 2}}};
    }
    return {};
}

/// A layer's linears in order, and the logits.
std::vector<Types> linears() {
    const TensorType weight = bf16_of({256, kHidden}), residual = bf16_of({'T', 256});
    return {{{kActivations, weight, kNone, kNone, kNone, residual}, Linear{}},
            {{kActivations, bf16_of({512, kHidden}), kNone, kNormWeight}, Linear{.activation = "silu", .gated = true}},
            {{bf16_of({'T', kFfn}), bf16_of({256, kFfn}), kNone, kNone, kNone, residual}, Linear{}},
            {{bf16_of({'R', kHidden}), weight, kNone, kNormWeight}, Linear{}}};
}

std::vector<Types> types_of_calls(std::string_view op, const Step& step) {
    if (op == "linear") return linears();
    return {types_of_call(op, step)};
}

/// Values for an i32 input of this role; of rows, `rows` are there.
void fill_integers(InputRole role, std::int64_t rows, const Step& step, const Tensor& tensor, Random& random) {
    if (role == InputRole::rows) return fill_below(tensor, rows, random);
    if (role == InputRole::pages) return fill_distinct(tensor, kPages, random);
    for (std::int64_t i = 0; i < tensor.elements(); ++i)
        tensor.as<std::int32_t>()[i] =
            static_cast<std::int32_t>(role == InputRole::positions   ? step.start + i % step.tokens_a_sequence()
                                      : role == InputRole::sequences ? i / step.tokens_a_sequence()
                                                                     : step.length());
}

void fill_sample_rows(std::size_t input, const Tensor& tensor) {
    for (std::int64_t r = 0; r < tensor.dim(0); ++r) {
        float options[SampleRow::kOptions];
        std::int32_t integers[SampleRow::kIntegers];
        SampleRow{.temperature = 0.8f, .top_p = 0.95f, .top_k = 50, .position = static_cast<std::int32_t>(r)}.write(
            options, integers);
        if (input == 1) std::copy_n(options, tensor.dim(1), tensor.as<float>() + r * tensor.dim(1));
        if (input == 2) std::copy_n(integers, tensor.dim(1), tensor.as<std::int32_t>() + r * tensor.dim(1));
    }
}

}  // namespace

std::vector<Example> model_calls(std::string_view op) {
    std::vector<Example> calls;
    const bool is_product = op == "linear" || op == "qkv_projection";
    for (const Step& step : is_product ? std::span<const Step>(kProductSteps) : kSteps) {
        SymbolValues symbols;
        symbols['T'] = step.tokens;
        symbols['S'] = symbols['R'] = step.sequences;
        symbols['C'] = step.sequences * step.length();
        const OpDef& definition = *find_op(op);
        const std::int64_t rows = op == "embed" ? kTableRows : step.tokens;
        const auto fill = [&definition, step, rows](std::size_t input, const Tensor& tensor, Random& random) {
            const bool samples = definition.name == "sample" && input > 0;
            if (samples)
                fill_sample_rows(input, tensor);
            else if (tensor.dtype == DType::i32)
                fill_integers(definition.inputs[input].role, rows, step, tensor, random);
            return samples || tensor.dtype == DType::i32;
        };
        for (auto& [inputs, attributes] : types_of_calls(op, step)) {
            if (inputs.empty()) return {};
            calls.push_back({std::move(inputs), std::move(attributes), symbols, fill});
        }
    }
    return calls;
}

}  // namespace vitro::check
