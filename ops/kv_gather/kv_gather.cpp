#include "ops/kv_gather/kv_gather.h"

#include "ops/common/cache.h"
#include "ops/common/example_fill.h"
#include "ops/common/expect.h"
#include "ops/common/pages.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType &cache = inputs[KvGather::kCache], &page_table = inputs[KvGather::kPageTable];
    expect_cache("cache", cache);
    expect_i32("page_table", page_table, 2);
    expect_i32("lengths", inputs[KvGather::kLengths], {page_table.dim(0)});
    const auto& [dtype, rows] = attributes.as<KvGather>();
    return {{dtype, {rows, cache.dim(2), cache.dim(3)}}};
}

void reference(const Call& call) {
    const Tensor &cache = call.in(KvGather::kCache), &out = call.out();
    const Pages pages(cache, call.in(KvGather::kPageTable));
    const auto* lengths = call.in(KvGather::kLengths).as<std::int32_t>();
    const std::int64_t elements = out.dim(1) * out.dim(2);
    std::int64_t c = 0;
    dispatch_cache(cache.dtype, [&]<class X>(X) {
        dispatch_float(out.dtype, [&]<class Y>(Y) {
            for (std::int64_t s = 0; s < pages.sequences; ++s)
                for (std::int64_t position = 0; position < lengths[s]; ++position, ++c) {
                    const X* row = cache.as<X>() + pages.row(s, position) * elements / kElementsOf<X>;
                    for (std::int64_t i = 0; i < elements; ++i) out.as<Y>()[c * elements + i] = Y(element_of(row, i));
                }
        });
    });
}

/// Only the rows read move, not the cache.
Cost cost(const Call& call) {
    const Tensor& out = call.out();
    return {out.bytes() + bytes_of(call.in(KvGather::kCache).dtype, out.elements()) +
                call.in(KvGather::kPageTable).bytes() + call.in(KvGather::kLengths).bytes(),
            0};
}

Example example(DType from, DType to, std::int64_t keys, std::int64_t count, std::int64_t slots, std::int64_t n,
                std::int64_t d) {
    SymbolValues symbols;
    symbols['C'] = keys;
    symbols['S'] = count;
    const std::int64_t per_sequence = (keys + slots - 1) / slots, pages = count * per_sequence + 2;
    const auto fill = [=](std::size_t index, const Tensor& tensor, Random& random) {
        if (index == KvGather::kCache) return fill_cache(tensor, random);
        if (index == KvGather::kPageTable) fill_distinct(tensor, pages, random);
        if (index == KvGather::kLengths) fill_lengths(tensor, keys, random);
        return true;
    };
    return {{{from, {pages, slots, n, d}}, {DType::i32, {'S', per_sequence}}, {DType::i32, {'S'}}},
            KvGather{to},
            symbols,
            fill};
}

std::vector<Example> examples(Random& random) {
    const auto some = [&](std::int64_t most) { return random.integer(1, most); };
    return {example(DType::f32, DType::f32, some(70), 1, 4, some(4), some(70)),
            example(DType::f16, DType::f32, some(70), some(4), 3, 2, some(70)),
            example(DType::bf16, DType::bf16, some(70), some(4), 16, some(4), some(70)),
            example(DType::f32, DType::f16, 40, 3, 1, 1, 1),
            example(DType::q8_0, DType::f32, some(70), some(4), 3, some(4), 32 * some(4))};
}

}  // namespace

const OpDef kKvGather{
    .name = "kv_gather",
    .doc =
        "out[c] = cache[page_table[s, p / page], p % page], cast to dtype, where row c is position p of sequence s: "
        "positions 0 … lengths[0] - 1 of sequence 0, then those of sequence 1, …. `rows` is the number of "
        "rows, the sum of lengths.",
    .inputs = {{"cache", InputRole::shared},
               {"page_table", InputRole::pages, "cache"},
               InputDef("lengths", InputRole::lengths).summing_to([](const Attributes& attributes) {
                   return attributes.as<KvGather>().rows;
               })},
    .infer = infer,
    .parse_attributes = &Attributes::parse<KvGather>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value kv_gather(At at, Value cache, Value page_table, Value lengths, KvGather attributes) {
    return at.apply(kKvGather, {cache, page_table, lengths}, attributes);
}

}  // namespace vitro
