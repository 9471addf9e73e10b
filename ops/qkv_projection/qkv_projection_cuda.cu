// Up to 64 tokens: one kernel, at the speed of the memory that holds the weights. More: the norm, a Gemm, the rest.
#include "ops/qkv_projection/qkv_projection.h"

#include "ops/common/pages_cuda.h"
#include "ops/common/refuse_blocks.h"
#include "ops/matmul/large_product_cuda.h"
#include "ops/qkv_rope_append/qkv_rope_append_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// Bias, turn, and the way to q and the caches. A block has 8 pairs that turn, or 16 elements in order of what does
/// not: never elements of two heads.
struct QkvEpilogue {
    Elements q;                                 // [tokens, heads, d]
    Elements k_cache, v_cache;                  // [P, page, kv_heads, d]
    Elements bias;                              // [n] or null
    const std::int32_t *positions, *sequences;  // [tokens]
    const std::int32_t* rope_lengths;           // [S], or null: all short
    DevicePages pages;
    int heads, kv_heads, d;
    RopeTable rope;

    // Blocks for the pairs of a head of q or k, for all of such a head, and for a head of v.
    int units_of_pairs = (rope.pairs + 7) / 8;
    int units_turned = units_of_pairs + (d - 2 * rope.pairs + 15) / 16;
    int units_plain = (d + 15) / 16;

    int units() const { return (heads + kv_heads) * units_turned + kv_heads * units_plain; }

    __device__ RowGroups rows(int unit) const {
        const auto in_order = [](int first, int left) {
            return RowGroups{{first, first + 8}, {min(8, left), max(0, min(8, left - 8))}};
        };
        const int turned = (heads + kv_heads) * units_turned;
        if (unit >= turned) {
            const int head = heads + kv_heads + (unit - turned) / units_plain, at = (unit - turned) % units_plain;
            return in_order(head * d + 16 * at, d - 16 * at);
        }
        const int first = unit / units_turned * d, at = unit % units_turned;
        if (at < units_of_pairs) {
            const int count = min(8, rope.pairs - 8 * at);
            return {{first + 8 * at, first + 8 * at + rope.pairs}, {count, count}};
        }
        const int done = 2 * rope.pairs + 16 * (at - units_of_pairs);
        return in_order(first + done, d - done);
    }

    struct Loaded {
        float bias[2];
        float2 turn;      // cos and sin; the latter NaN for what does not turn
        std::int64_t to;  // where row 0 of the head's kind would be: in q, k_cache or v_cache
    };
    __device__ Loaded load(const OutputRows& output) const {
        const int row = output.rows.first[0] + output.i, head = row / d, token = output.token;
        const int position = positions[token], sequence = sequences[token];
        Loaded loaded{};
        if (bias.data)
            for (int r = 0; r < 2; ++r)
                if (output.i < output.rows.count[r])
                    loaded.bias[r] = VITRO_DEVICE::load<1>(bias, output.rows.first[r] + output.i).at[0];
        loaded.turn = make_float2(1.0f, NAN);
        if (head < heads + kv_heads && row % d < rope.pairs)
            loaded.turn =
                rope.turn(row % d, position, rope_lengths != nullptr && rope_lengths[sequence] > rope.long_from);
        if (head < heads)
            loaded.to = std::int64_t(token) * heads * d;
        else
            loaded.to = pages.row(sequence, position) * kv_heads * d -
                        std::int64_t(head < heads + kv_heads ? heads : heads + kv_heads) * d;
        return loaded;
    }

    __device__ void finish(const OutputRows& output, const Loaded& loaded, float first, float second) const {
        first += loaded.bias[0];
        second += loaded.bias[1];
        const float2 turn = loaded.turn;
        const bool turns = turn.y == turn.y;
        const float turned[2] = {turns ? first * turn.x - second * turn.y : first,
                                 turns ? second * turn.x + first * turn.y : second};
        const int head = (output.rows.first[0] + output.i) / d;
        const Elements& out = head < heads ? q : head < heads + kv_heads ? k_cache : v_cache;
        for (int r = 0; r < 2; ++r)
            if (output.i < output.rows.count[r])
                store<1>(out, loaded.to + output.rows.first[r] + output.i, {{turned[r]}});
    }
};

LargeProductScratch scratch_of(const Call& call) {
    return {call.in(QkvProjection::kX), call.in(QkvProjection::kWeight), call.has(QkvProjection::kNormWeight), true};
}

Product product_of(const Call& call) {
    const Tensor &x = call.in(QkvProjection::kX), &weight = call.in(QkvProjection::kWeight);
    return {.x = elements_of(x),
            .weight = elements_of(weight),
            .scale = elements_of(call.in(QkvProjection::kWeightScale)),
            .norm = elements_of(call.in(QkvProjection::kNormWeight)),
            .has_norm = call.has(QkvProjection::kNormWeight),
            .eps = call.attributes.as<QkvProjection>().eps,
            .tokens = kernel_int(x.dim(0)),
            .n = kernel_int(weight.dim(0)),
            .k = kernel_int(x.dim(1)),
            .fixed_weights = is_fixed(call, {QkvProjection::kWeight, QkvProjection::kNormWeight})};
}

QkvEpilogue epilogue_of(const Call& call) {
    const auto& rope = call.attributes.as<QkvProjection>().append.rope;
    const auto integers = [&](QkvProjection::Input input) { return call.in(input).as<std::int32_t>(); };
    const Tensor &q = call.out(0), &k_cache = call.out(1);
    return {.q = elements_of(q),
            .k_cache = elements_of(k_cache),
            .v_cache = elements_of(call.out(2)),
            .bias = elements_of(call.in(QkvProjection::kBias)),
            .positions = integers(QkvProjection::kPositions),
            .sequences = integers(QkvProjection::kSequences),
            .rope_lengths = rope.by_length() ? integers(QkvProjection::kRopeLengths) : nullptr,
            .pages = DevicePages(k_cache, call.in(QkvProjection::kPageTable)),
            .heads = kernel_int(q.dim(1)),
            .kv_heads = kernel_int(k_cache.dim(2)),
            .d = kernel_int(q.dim(2)),
            .rope = RopeTable(rope, q.dim(2))};
}

bool is_large(const Call& call) { return is_large_product(product_of(call), backend_of(call)); }

std::size_t scratch(const Call& call) {
    return is_large(call) ? scratch_of(call).any(product_of(call), epilogue_of(call).units(), backend_of(call)) : 0;
}

void run(const Call& call) {
    const Tensor &x = call.in(QkvProjection::kX), &weight = call.in(QkvProjection::kWeight), &q = call.out(0),
                 &k_cache = call.out(1);
    VITRO_CHECK(k_cache.data == call.in(QkvProjection::kKCache).data &&
                    call.out(2).data == call.in(QkvProjection::kVCache).data,
                "a next state stands elsewhere");
    if (x.dim(0) == 0) return;
    const Product p = product_of(call);
    const QkvEpilogue epilogue = epilogue_of(call);
    CudaBackend& backend = backend_of(call);
    if (!is_large(call)) return launch_product("qkv_projection", p, epilogue.units(), epilogue, backend);
    if (is_tiled(p) && launch_tiled("qkv_projection", p, epilogue.units(), epilogue, call.scratch, backend)) return;
    // The product adds a bias of its own dtype. What it leaves then is what qkv_rope_append does.
    const Tensor& bias = call.in(QkvProjection::kBias);
    const bool adds_bias = p.scale.data == nullptr && !bias.absent && bias.dtype == x.dtype;
    const Elements z = launch_large_product(p, scratch_of(call), call.scratch.data(), nullptr,
                                            adds_bias ? bias.data : nullptr, nullptr, backend);
    if (p.scale.data == nullptr && (bias.absent || adds_bias)) {
        const std::int64_t sizes[] = {x.dim(0), weight.dim(0)};
        launch_qkv_rope_append("finish_qkv", {z.dtype, sizes, z.data}, q, k_cache, call.out(2),
                               {epilogue.positions, epilogue.sequences, epilogue.rope_lengths, epilogue.pages},
                               call.attributes.as<QkvProjection>().append.rope, backend);
        return;
    }
    launch_finish("finish_qkv", z, p, epilogue.units(), epilogue, backend.stream());
}

std::string refuses(std::span<const TensorType> inputs, std::span<const TensorType> outputs,
                    const Attributes& attributes) {
    if (std::string reason = refuse_blocks(inputs, outputs, attributes); !reason.empty()) return reason;
    return RopeTable::refuses(attributes.as<QkvProjection>().append.rope, outputs[0].dim(2).size);
}

}  // namespace

extern const KernelDef kQkvProjectionCuda{
    .op = "qkv_projection", .run = run, .refuses = refuses, .scratch = scratch, .rounds_between = is_large};

}  // namespace vitro::VITRO_DEVICE
