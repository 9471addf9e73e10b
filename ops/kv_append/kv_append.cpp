#include "ops/kv_append/kv_append.h"

#include "ops/common/cache.h"
#include "ops/common/example_fill.h"
#include "ops/common/expect.h"
#include "ops/common/pages.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType &cache = inputs[KvAppend::kCache], &x = inputs[KvAppend::kX];
    expect_cache("cache", cache);
    expect_float("x", x, 3);
    if (x.dim(1) != cache.dim(2) || x.dim(2) != cache.dim(3))
        fail("x: expected [{}, {}, {}] as in cache, found {}", to_string(x.dim(0)), to_string(cache.dim(2)),
             to_string(cache.dim(3)), to_string(x.shape));
    expect_i32("positions", inputs[KvAppend::kPositions], {x.dim(0)});
    expect_i32("sequences", inputs[KvAppend::kSequences], {x.dim(0)});
    expect_i32("page_table", inputs[KvAppend::kPageTable], 2);
    return {cache};
}

void reference(const Call& call) {
    const Tensor &x = call.in(KvAppend::kX), &cache = call.out();
    VITRO_CHECK(cache.data == call.in(KvAppend::kCache).data, "the next state stands elsewhere");
    const Pages pages(cache, call.in(KvAppend::kPageTable));
    const std::int64_t elements = x.dim(1) * x.dim(2);
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_cache(cache.dtype, [&]<class Y>(Y) {
            std::vector<float> values(static_cast<std::size_t>(elements));
            for (std::int64_t t = 0; t < x.dim(0); ++t) {
                const std::int64_t row = pages.row(call.in(KvAppend::kSequences).as<std::int32_t>()[t],
                                                   call.in(KvAppend::kPositions).as<std::int32_t>()[t]);
                for (std::int64_t i = 0; i < elements; ++i) values[std::size_t(i)] = float(x.as<X>()[t * elements + i]);
                round_row(values.data(), elements, cache.as<Y>() + row * elements / kElementsOf<Y>);
            }
        });
    });
}

/// Only the rows written move, not the cache.
Cost cost(const Call& call) {
    const Tensor& x = call.in(KvAppend::kX);
    return {x.bytes() + bytes_of(call.out().dtype, x.elements()) + call.in(KvAppend::kPositions).bytes() +
                call.in(KvAppend::kSequences).bytes() + call.in(KvAppend::kPageTable).bytes(),
            0};
}

Example example(DType dtype, std::int64_t tokens, std::int64_t count, std::int64_t slots, std::int64_t n,
                std::int64_t d) {
    SymbolValues symbols;
    symbols['T'] = tokens;
    symbols['S'] = count;
    const std::int64_t per_sequence = tokens / slots + 1, pages = count * per_sequence + 2;
    const auto fill = [=](std::size_t index, const Tensor& tensor, Random& random) {
        if (index == KvAppend::kCache) return fill_cache(tensor, random);
        if (index == KvAppend::kPositions) fill_distinct(tensor, per_sequence * slots, random);
        if (index == KvAppend::kSequences) fill_below(tensor, count, random);
        if (index == KvAppend::kPageTable) fill_distinct(tensor, pages, random);
        return index >= KvAppend::kPositions;
    };
    return {{{dtype, {pages, slots, n, d}},
             {DType::f32, {'T', n, d}},
             {DType::i32, {'T'}},
             {DType::i32, {'T'}},
             {DType::i32, {'S', per_sequence}}},
            {},
            symbols,
            fill};
}

std::vector<Example> examples(Random& random) {
    const auto some = [&](std::int64_t most) { return random.integer(1, most); };
    return {example(DType::f32, some(20), 1, 4, some(4), some(70)),
            example(DType::f16, some(20), some(4), 3, 2, some(70)),
            example(DType::bf16, 1, some(4), 16, some(4), some(70)), example(DType::f32, 40, 3, 1, 1, 1),
            example(DType::q8_0, some(20), some(4), 5, some(4), 32 * some(4))};
}

}  // namespace

const OpDef kKvAppend{
    .name = "kv_append",
    .doc =
        "out = cache, with x[t], rounded to the cache's dtype, written to page page_table[sequences[t], positions[t] / "
        "page], slot positions[t] % page; out is the cache's own memory, in which nothing else changes. No two tokens "
        "of a sequence have the same position.",
    .inputs = {{"cache", InputRole::shared},
               "x",
               {"positions", InputRole::positions},
               {"sequences", InputRole::sequences, "page_table"},
               {"page_table", InputRole::pages, "cache"}},
    .infer = infer,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .aliases = {{0, 0}},
};

Value kv_append(At at, Value cache, Value x, Value positions, Value sequences, Value page_table) {
    return at.apply(kKvAppend, {cache, x, positions, sequences, page_table});
}

}  // namespace vitro
