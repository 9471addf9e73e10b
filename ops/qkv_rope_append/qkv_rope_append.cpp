#include "ops/qkv_rope_append/qkv_rope_append.h"

#include "ops/cast/cast.h"
#include "ops/common/cache.h"
#include "ops/common/example_fill.h"
#include "ops/common/expect.h"
#include "ops/kv_append/kv_append.h"
#include "ops/reshape/reshape.h"
#include "ops/split/split.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType &qkv = inputs[QkvRopeAppend::kQkv], &cache = inputs[QkvRopeAppend::kKCache];
    const auto& fused = attributes.as<QkvRopeAppend>();
    expect_float("qkv", qkv, 2);
    expect_cache("k_cache", cache);
    if (inputs[QkvRopeAppend::kVCache] != cache)
        fail("v_cache: expected {} as k_cache, found {}", to_string(cache), to_string(inputs[QkvRopeAppend::kVCache]));
    const Dim kv_heads = cache.dim(2), d = cache.dim(3);
    if (kv_heads.size < 1 || d.size < 1)
        fail("k_cache: expected constant sizes of at least 1 in the last two dimensions, found {}", to_string(cache));
    const TensorType &k = inputs[QkvRopeAppend::kK], &v = inputs[QkvRopeAppend::kV];
    for (const auto& [name, part] : {std::pair{"k", k}, {"v", v}})
        if (const TensorType expected{qkv.dtype, {qkv.dim(0), kv_heads.size * d.size}};
            !part.absent && part != expected)
            fail("{}: expected {}, found {}", name, to_string(expected), to_string(part));
    const std::int64_t heads = fused.row_heads(kv_heads.size, !k.absent, !v.absent);
    if (qkv.dim(1).is_symbol() || qkv.dim(1).size / d.size != heads || qkv.dim(1).size % d.size != 0)
        fail("qkv: expected rows of {}{}{} heads of size {}, found {}", fused.n_heads,
             k.absent ? fmt::format(" + {}", kv_heads.size) : "", v.absent ? fmt::format(" + {}", kv_heads.size) : "",
             d.size, to_string(qkv));
    expect_i32("positions", inputs[QkvRopeAppend::kPositions], {qkv.dim(0)});
    expect_i32("sequences", inputs[QkvRopeAppend::kSequences], {qkv.dim(0)});
    expect_i32("page_table", inputs[QkvRopeAppend::kPageTable], 2);
    const TensorType& lengths = inputs[QkvRopeAppend::kRopeLengths];
    if (!lengths.absent) expect_i32("rope_lengths", lengths, {inputs[QkvRopeAppend::kPageTable].dim(0)});
    const std::vector<TensorType> rope{{qkv.dtype, {qkv.dim(0), fused.n_heads, d}},
                                       inputs[QkvRopeAppend::kPositions],
                                       lengths.absent ? TensorType::none() : inputs[QkvRopeAppend::kSequences],
                                       lengths};
    return {kRope.infer(rope, fused.rope).front(), cache, cache};
}

/// By the references of rope and kv_append, in fp32.
void reference(const Call& call) {
    const Tensor &qkv = call.in(QkvRopeAppend::kQkv), &cache = call.in(QkvRopeAppend::kKCache), &q_out = call.out();
    const auto& fused = call.attributes.as<QkvRopeAppend>();
    const Attributes rope = fused.rope;
    const std::int64_t tokens = qkv.dim(0), kv_heads = cache.dim(2), d = cache.dim(3);
    /// Heads [begin, begin + n) of all tokens, in memory of their own.
    const auto part = [&](const Tensor& from, std::int64_t begin, std::int64_t n, std::vector<float>& memory) {
        memory.resize(static_cast<std::size_t>(tokens * n * d));
        dispatch_float(from.dtype, [&]<class X>(X) {
            for (std::int64_t i = 0; i < tokens * n * d; ++i)
                memory[std::size_t(i)] = float(from.as<X>()[i / (n * d) * from.dim(1) + begin * d + i % (n * d)]);
        });
        const std::int64_t sizes[] = {tokens, n, d};
        return Tensor(DType::f32, sizes, memory.data());
    };
    const auto turn = [&](const Tensor& x) {  // in place: a pair is read before it is written
        const Tensor inputs[] = {
            x, call.in(QkvRopeAppend::kPositions),
            call.has(QkvRopeAppend::kRopeLengths) ? call.in(QkvRopeAppend::kSequences) : Tensor::none(),
            call.in(QkvRopeAppend::kRopeLengths)};
        kRope.reference({inputs, std::span(&x, 1), rope, call.backend});
    };
    const auto append = [&](const Tensor& from, std::size_t output) {
        const Tensor inputs[] = {call.in(output), from, call.in(QkvRopeAppend::kPositions),
                                 call.in(QkvRopeAppend::kSequences), call.in(QkvRopeAppend::kPageTable)};
        kKvAppend.reference({inputs, std::span(&call.out(output), 1), call.attributes, call.backend});
    };
    std::vector<float> q_memory, k_memory, v_memory;
    turn(part(qkv, 0, fused.n_heads, q_memory));
    dispatch_float(q_out.dtype, [&]<class X>(X) {
        for (std::int64_t i = 0; i < q_out.elements(); ++i) q_out.as<X>()[i] = X(q_memory[std::size_t(i)]);
    });
    const bool k_is_apart = call.has(QkvRopeAppend::kK), v_is_apart = call.has(QkvRopeAppend::kV);
    const Tensor k = k_is_apart ? part(call.in(QkvRopeAppend::kK), 0, kv_heads, k_memory)
                                : part(qkv, fused.n_heads, kv_heads, k_memory);
    turn(k);
    append(k, 1);
    append(v_is_apart ? part(call.in(QkvRopeAppend::kV), 0, kv_heads, v_memory)
                      : part(qkv, fused.n_heads + (k_is_apart ? 0 : kv_heads), kv_heads, v_memory),
           2);
}

/// Of the caches only the rows written move.
Cost cost(const Call& call) {
    const Tensor &qkv = call.in(QkvRopeAppend::kQkv), &q = call.out(), &cache = call.in(QkvRopeAppend::kKCache);
    const auto& fused = call.attributes.as<QkvRopeAppend>();
    const std::int64_t written = qkv.dim(0) * cache.dim(2) * cache.dim(3);  // elements of each cache
    std::int64_t bytes = qkv.bytes() + q.bytes() + 2 * bytes_of(cache.dtype, written);
    for (std::size_t i = QkvRopeAppend::kPositions; i < call.inputs.size(); ++i) bytes += call.in(i).bytes();
    const std::int64_t rotary = fused.rope.rotary_dim == 0 ? cache.dim(3) : fused.rope.rotary_dim;
    return {bytes, 3 * qkv.dim(0) * (fused.n_heads + cache.dim(2)) * rotary};  // two products and a sum an element
}

/// What of an example is otherwise than usual.
struct Unusual {
    DType cache = DType::f32;
    bool k_is_apart = false, v_is_apart = false;
};

Example example(const QkvRopeAppend& fused, bool with_lengths, std::int64_t tokens, std::int64_t count,
                std::int64_t slots, std::int64_t kv_heads, std::int64_t d, Unusual unusual = {}) {
    SymbolValues symbols;
    symbols['T'] = tokens;
    symbols['S'] = count;
    const std::int64_t per_sequence = tokens / slots + 1, pages = count * per_sequence + 2;
    const auto fill = [=](std::size_t index, const Tensor& tensor, Random& random) {
        if (index == QkvRopeAppend::kKCache || index == QkvRopeAppend::kVCache) return fill_cache(tensor, random);
        if (index == QkvRopeAppend::kPositions) fill_distinct(tensor, per_sequence * slots, random);
        if (index == QkvRopeAppend::kSequences) fill_below(tensor, count, random);
        if (index == QkvRopeAppend::kPageTable) fill_distinct(tensor, pages, random);
        if (index == QkvRopeAppend::kRopeLengths) fill_below(tensor, 200, random);
        return index >= QkvRopeAppend::kPositions && index < QkvRopeAppend::kK;
    };
    const TensorType cache{unusual.cache, {pages, slots, kv_heads, d}}, i32{DType::i32, {'T'}};
    const std::int64_t heads = fused.row_heads(kv_heads, unusual.k_is_apart, unusual.v_is_apart);
    const auto apart = [&](bool is) { return is ? TensorType{DType::f32, {'T', kv_heads * d}} : TensorType::none(); };
    const std::vector<TensorType> inputs{{DType::f32, {'T', heads * d}},
                                         cache,
                                         cache,
                                         i32,
                                         i32,
                                         {DType::i32, {'S', per_sequence}},
                                         with_lengths ? TensorType{DType::i32, {'S'}} : TensorType::none(),
                                         apart(unusual.k_is_apart),
                                         apart(unusual.v_is_apart)};
    return {inputs, fused, symbols, fill};
}

std::vector<Example> examples(Random& random) {
    const auto some = [&](std::int64_t most) { return random.integer(1, most); };
    const std::int64_t n = some(5), pairs = some(30), rest = some(9);
    RopeAttributes by_length{.theta = 5000.0f, .rotary_dim = 2 * pairs, .attention_scale = 1.25f, .original_max = 100};
    for (std::int64_t i = 0; i < pairs; ++i) {
        by_length.short_factor.push_back(1.0f + random.uniform());
        by_length.long_factor.push_back(2.0f + 30.0f * random.uniform());
    }
    RopeAttributes only_short = by_length;
    only_short.long_factor.clear();
    return {example({{}, n}, false, 1, 1, 16, n, 2 * pairs),                                      // MHA
            example({{}, 3 * n}, true, some(20), some(4), 3, n, 2 * pairs),                       // GQA, lengths unused
            example({{.rotary_dim = 2 * pairs}, n}, false, some(20), 1, 4, 1, 2 * pairs + rest),  // MQA
            example({only_short, 2}, false, some(20), some(4), 1, 2, 2 * pairs),
            example({by_length, 2 * n}, true, some(20), 3, 4, n, 2 * pairs),
            example({by_length, 3}, true, 40, 3, 4, 1, 2 * pairs + rest),
            example({{}, 2 * n}, false, some(20), some(4), 3, n, 32 * some(4), {.cache = DType::q8_0}),
            example({{}, n}, false, some(20), some(4), 3, n, 2 * pairs, {.v_is_apart = true}),
            example({{}, n}, false, some(20), 1, 3, 2, 2 * pairs, {.k_is_apart = true}),
            example({{.rotary_dim = 8}, 3}, false, some(20), some(4), 3, n, 32 * some(2),
                    {.cache = DType::q8_0, .k_is_apart = true, .v_is_apart = true})};
}

/// As models write it, in fp32.
std::vector<Value> decompose(Builder& b, std::span<const Value> inputs, const Attributes& attributes) {
    const auto& fused = attributes.as<QkvRopeAppend>();
    const TensorType qkv = b.type(inputs[QkvRopeAppend::kQkv]), cache = b.type(inputs[QkvRopeAppend::kKCache]);
    const std::int64_t kv_heads = cache.dim(2).size, d = cache.dim(3).size;
    const bool is_half = qkv.dtype != DType::f32;
    const auto in_f32 = [&](Value x) { return is_half ? cast(b, x, {.dtype = DType::f32}) : x; };
    const Value k_apart = inputs[QkvRopeAppend::kK], v_apart = inputs[QkvRopeAppend::kV];
    Split sizes{.axis = 1, .sizes = {fused.n_heads * d}};
    for (const Value part : {k_apart, v_apart})
        if (!part.is_given()) sizes.sizes.push_back(kv_heads * d);
    const Value all = in_f32(inputs[QkvRopeAppend::kQkv]);
    const std::vector<Value> parts = sizes.sizes.size() > 1 ? split(b, all, sizes) : std::vector<Value>{all};
    const Value k_part = k_apart.is_given() ? in_f32(k_apart) : parts[1],
                v_part = v_apart.is_given() ? in_f32(v_apart) : parts.back();
    const auto heads = [&](Value x, std::int64_t n) { return reshape(b, x, {qkv.dim(0), n, d}); };
    const auto turn = [&](Value x) {
        const Value lengths = inputs[QkvRopeAppend::kRopeLengths];
        return rope(b, x, inputs[QkvRopeAppend::kPositions], fused.rope,
                    lengths.is_given() ? inputs[QkvRopeAppend::kSequences] : Value{}, lengths);
    };
    const auto append = [&](Value to, Value x) {
        return kv_append(b, to, x, inputs[QkvRopeAppend::kPositions], inputs[QkvRopeAppend::kSequences],
                         inputs[QkvRopeAppend::kPageTable]);
    };
    const Value q = turn(heads(parts[0], fused.n_heads)), k = turn(heads(k_part, kv_heads));
    return {is_half ? cast(b, q, {.dtype = qkv.dtype}) : q, append(inputs[QkvRopeAppend::kKCache], k),
            append(inputs[QkvRopeAppend::kVCache], heads(v_part, kv_heads))};
}

}  // namespace

const OpDef kQkvRopeAppend{
    .name = "qkv_rope_append",
    .doc =
        "[q, k, v] = split(qkv), n_heads heads of q, as many of k and of v as the caches have, but for k or v that is "
        "given by itself; out 0 = rope(q) [T, n_heads, d] in qkv's dtype; out 1 = kv_append(k_cache, rope(k)), rounded "
        "once, to the cache's dtype; out "
        "2 "
        "= kv_append(v_cache, v). The attributes and rope_lengths are those of rope; outputs 1 and 2 are the caches' "
        "memory.",
    .inputs = {"qkv",
               {"k_cache", InputRole::shared},
               {"v_cache", InputRole::shared},
               {"positions", InputRole::positions},
               {"sequences", InputRole::sequences, "page_table"},
               {"page_table", InputRole::pages, "k_cache"},
               InputDef("rope_lengths", InputRole::total_lengths).optional(),
               InputDef("k").optional(),
               InputDef("v").optional()},
    .infer = infer,
    .parse_attributes = &Attributes::parse<QkvRopeAppend>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .aliases = {{1, 1}, {2, 2}},
    .decompose = decompose,
};

QkvRopeAppended qkv_rope_append(At at, Value qkv, Value k_cache, Value v_cache, Value positions, Value sequences,
                                Value page_table, QkvRopeAppend attributes, Value rope_lengths, Value k, Value v) {
    const Value inputs[] = {qkv, k_cache, v_cache, positions, sequences, page_table, rope_lengths, k, v};
    const std::vector<Value> out = at.apply_all(kQkvRopeAppend, inputs, std::move(attributes));
    return {out[0], out[1], out[2]};
}

}  // namespace vitro
