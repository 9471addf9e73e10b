#include "ops/attention/attention.h"

#include "base/checked.h"
#include "ops/add_mask/add_mask.h"
#include "ops/attention_mask/attention_mask.h"
#include "ops/cast/cast.h"
#include "ops/common/cache.h"
#include "ops/common/example_fill.h"
#include "ops/common/expect.h"
#include "ops/common/pages.h"
#include "ops/kv_gather/kv_gather.h"
#include "ops/masked_matmul/masked_matmul.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/repeat/repeat.h"
#include "ops/reshape/reshape.h"
#include "ops/softcap/softcap.h"
#include "ops/softmax/softmax.h"
#include "ops/transpose/transpose.h"

#include <cmath>
#include <limits>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType &q = inputs[Attention::kQ], &cache = inputs[Attention::kKCache];
    expect_float("q", q, 3);
    expect_cache("k_cache", cache);
    if (inputs[Attention::kVCache] != cache)
        fail("v_cache: expected {} as k_cache, found {}", to_string(cache), to_string(inputs[Attention::kVCache]));
    for (const int axis : {1, 2})
        if (q.dim(axis).size < 1)
            fail("q: expected constant sizes of at least 1 but the first, found {}", to_string(q));
    if (cache.dim(2).is_symbol() || cache.dim(2).size < 1 || q.dim(1).size % cache.dim(2).size != 0)
        fail("k_cache: expected heads that divide q's {}, found {}", to_string(q.dim(1)), to_string(cache.dim(2)));
    if (q.dim(2) != cache.dim(3))
        fail("k_cache: expected head size {} as q's, found {}", to_string(q.dim(2)), to_string(cache.dim(3)));
    expect_i32("positions", inputs[Attention::kPositions], {q.dim(0)});
    expect_i32("sequences", inputs[Attention::kSequences], {q.dim(0)});
    expect_i32("page_table", inputs[Attention::kPageTable], 2);
    expect_i32("lengths", inputs[Attention::kLengths], {inputs[Attention::kPageTable].dim(0)});
    return {{q.dtype, {q.dim(0), q.dim(1).size * q.dim(2).size}}};
}

void reference(const Call& call) {
    const Tensor &q = call.in(Attention::kQ), &k_cache = call.in(Attention::kKCache),
                 &v_cache = call.in(Attention::kVCache);
    const Pages pages(k_cache, call.in(Attention::kPageTable));
    const Visible visible = Attention::visible(call);
    const std::int64_t heads = q.dim(1), d = q.dim(2), kv_heads = k_cache.dim(2);
    const auto scale = static_cast<double>(call.attributes.as<Attention>().scale);
    const auto cap = static_cast<double>(call.attributes.as<Attention>().softcap);
    std::vector<double> weights, sums(static_cast<std::size_t>(d));
    const auto attend = [&]<class Q, class T>(std::int64_t t, std::int64_t head, Q*, T*) {
        const auto [begin, end] = visible(t);
        const auto row = [&](const Tensor& cache, std::int64_t key) {
            return cache.as<T>() +
                   (pages.row(visible.sequences[t], key) * kv_heads + head / (heads / kv_heads)) * d / kElementsOf<T>;
        };
        const Q* query = q.as<Q>() + (t * heads + head) * d;
        double largest = -std::numeric_limits<double>::infinity(), sum = 0;
        weights.clear();
        bool sees_any = false;
        for (std::int64_t key = begin; key < end; ++key) {
            if (!visible.sees(t, key)) {
                weights.push_back(-std::numeric_limits<double>::infinity());
                continue;
            }
            sees_any = true;
            double score = 0;
            for (std::int64_t i = 0; i < d; ++i)
                score += double(float(query[i])) * double{element_of(row(k_cache, key), i)};
            weights.push_back(cap > 0 ? cap * std::tanh(score * scale / cap) : score * scale);
            largest = std::max(largest, weights.back());
        }
        std::fill(sums.begin(), sums.end(), 0.0);
        for (std::int64_t key = begin; key < end; ++key) {
            if (!visible.sees(t, key)) continue;
            const double weight = std::exp(weights[std::size_t(key - begin)] - largest);
            sum += weight;
            for (std::int64_t i = 0; i < d; ++i)
                sums[std::size_t(i)] += weight * double{element_of(row(v_cache, key), i)};
        }
        for (std::int64_t i = 0; i < d; ++i)
            call.out().as<Q>()[(t * heads + head) * d + i] =
                Q(sees_any ? static_cast<float>(sums[std::size_t(i)] / sum) : 0.0f);
    };
    dispatch_float(q.dtype, [&]<class Q>(Q) {
        dispatch_cache(k_cache.dtype, [&]<class T>(T) {
            for (std::int64_t t = 0; t < q.dim(0); ++t)
                for (std::int64_t head = 0; head < heads; ++head)
                    attend(t, head, static_cast<Q*>(nullptr), static_cast<T*>(nullptr));
        });
    });
}

/// The sum of the numbers in [first, last], each held within [0, most].
std::int64_t sum_within(std::int64_t first, std::int64_t last, std::int64_t most) {
    const std::int64_t low = std::max<std::int64_t>(first, 1), high = std::min(last, most);
    const std::int64_t inside = low <= high ? capped_product({low + high, high - low + 1}) / 2 : 0;
    return inside + capped_product({most, std::max<std::int64_t>(0, last - std::max(most, first - 1))});
}

/// How many positions the last `tokens` tokens of a sequence of `length` positions see, all together; of a pattern, how
/// many its range has.
std::int64_t seen_by_last(std::int64_t tokens, std::int64_t length, Visibility visibility) {
    const std::int64_t first = length - tokens, last = length - 1, window = visibility.window;
    const auto ends = [&](std::int64_t behind) { return sum_within(first + behind, last + behind, length); };
    if (window == 0) return visibility.causal ? ends(1) : capped_product({tokens, length});
    return ends(visibility.causal ? 1 : window) - ends(1 - window);
}

/// Of the caches only rows that a token sees move, each once. Without data, as many as the page tables hold, and the
/// tokens, of each sequence as many, are the last ones.
Cost cost(const Call& call) {
    const Tensor &q = call.in(Attention::kQ), &cache = call.in(Attention::kKCache),
                 &page_table = call.in(Attention::kPageTable);
    const std::int64_t count = page_table.dim(0);
    const Visibility visibility = call.attributes.as<Attention>().visibility;
    const std::int64_t per_sequence = page_table.dim(1) * cache.dim(1);
    std::int64_t rows = 0, pairs = 0;  // rows read of each cache; tokens times keys that they see
    if (call.backend.is_host() && call.in(Attention::kPositions).data && call.in(Attention::kSequences).data &&
        call.in(Attention::kLengths).data) {
        const Visible visible = Attention::visible(call);
        std::vector<Range> read(static_cast<std::size_t>(count), {per_sequence, 0});
        for (std::int64_t t = 0; t < q.dim(0); ++t) {
            const Range sees = visible(t);
            if (sees.empty()) continue;
            Range& all = read[std::size_t(visible.sequences[t])];
            all = {std::min(all.begin, sees.begin), std::max(all.end, sees.end)};
            pairs += sees.end - sees.begin;
        }
        for (const Range& range : read) rows += std::max<std::int64_t>(0, range.end - range.begin);
    } else {
        rows = std::min(cache.dim(0) * cache.dim(1), capped_product({count, per_sequence}));
        const std::int64_t each = count == 0 ? 0 : q.dim(0) / count, more = count == 0 ? 0 : q.dim(0) % count;
        pairs = capped_product({count - more, seen_by_last(each, per_sequence, visibility)}) +
                capped_product({more, seen_by_last(each + 1, per_sequence, visibility)});
    }
    std::int64_t bytes = q.bytes() + call.out().bytes() + 2 * bytes_of(cache.dtype, rows * cache.dim(2) * cache.dim(3));
    for (const auto input : {Attention::kPositions, Attention::kSequences, Attention::kPageTable, Attention::kLengths})
        bytes += call.in(input).bytes();
    return {bytes, capped_product({pairs, q.dim(1), 4 * q.dim(2) + 5})};  // two products and a softmax
}

/// A sequence of an example: tokens that the cache holds, and how many of them, the last ones, are the step's.
struct Sequence {
    std::int64_t length, tokens;
};
struct Heads {
    std::int64_t q, kv, size;
};

/// With `shuffled` tokens stand in any order and at any position.
Example example(Random& random, const std::vector<Sequence>& all, Heads heads, std::int64_t slots,
                Visibility visibility, bool shuffled = false, float softcap = 0, DType stored = DType::f32) {
    std::vector<std::int32_t> positions, sequences, lengths;
    SymbolValues symbols;
    std::int64_t per_sequence = 1;
    for (const auto& [length, tokens] : all) {
        for (std::int64_t i = length - tokens; i < length; ++i) {
            positions.push_back(static_cast<std::int32_t>(shuffled ? random.integer(0, length - 1) : i));
            sequences.push_back(static_cast<std::int32_t>(lengths.size()));
        }
        lengths.push_back(static_cast<std::int32_t>(length));
        symbols['C'] += length;
        per_sequence = std::max(per_sequence, (length + slots - 1) / slots);
    }
    symbols['T'] = std::ssize(positions);
    symbols['S'] = std::ssize(all);
    for (std::size_t i = 0; shuffled && i < positions.size(); ++i) {
        const auto other = static_cast<std::size_t>(random.integer(std::int64_t(i), std::ssize(positions) - 1));
        std::swap(positions[i], positions[other]);
        std::swap(sequences[i], sequences[other]);
    }
    const std::int64_t pages = std::ssize(all) * per_sequence + 2;
    const auto fill = [=](std::size_t index, const Tensor& tensor, Random& numbers) {
        const auto copy = [&](const std::vector<std::int32_t>& from) {
            std::copy_n(from.begin(), tensor.elements(), tensor.as<std::int32_t>());
        };
        if (index == Attention::kKCache || index == Attention::kVCache) return fill_cache(tensor, numbers);
        if (index == Attention::kPositions) copy(positions);
        if (index == Attention::kSequences) copy(sequences);
        if (index == Attention::kPageTable) fill_distinct(tensor, pages, numbers);
        if (index == Attention::kLengths) copy(lengths);
        return index >= Attention::kPositions;
    };
    const TensorType cache{stored, {pages, slots, heads.kv, heads.size}}, tokens{DType::i32, {'T'}};
    const float scale = 1.0f / std::sqrt(static_cast<float>(heads.size));
    return {{{DType::f32, {'T', heads.q, heads.size}},
             cache,
             cache,
             tokens,
             tokens,
             {DType::i32, {'S', per_sequence}},
             {DType::i32, {'S'}}},
            Attention{.scale = scale, .visibility = visibility, .softcap = softcap},
            symbols,
            fill};
}

std::vector<Example> examples(Random& random) {
    const auto some = [&](std::int64_t least, std::int64_t most) { return random.integer(least, most); };
    const std::int64_t n = some(1, 5), prompt = some(2, 60);
    const auto window = [&](std::int64_t least, std::int64_t most) { return Visibility{.window = some(least, most)}; };
    return {
        example(random, {{1, 1}}, {1, 1, 1}, 1, {}),
        example(random, {{some(1, 70), 1}}, {n, n, some(1, 70)}, 4, {}),                              // decode
        example(random, {{prompt, prompt}}, {6, 2, some(1, 35)}, 16, {}),                             // prefill
        example(random, {{some(30, 50), 5}, {0, 0}, {some(1, 30), 1}}, {7, 1, some(1, 70)}, 3, {}),   // both
        example(random, {{some(9, 40), 9}, {some(1, 40), 1}}, {4, 2, some(1, 35)}, 5, window(1, 9)),  // a window
        example(random, {{some(9, 40), 9}, {some(9, 40), 9}}, {3, 3, some(1, 20)}, 5, window(0, 20),
                true),                                                                      // any order
        example(random, {{some(513, 640), 2}}, {2, 1, some(1, 20)}, 16, {}),                // several splits
        example(random, {{some(513, 640), 60}}, {2, 2, some(1, 20)}, 7, window(200, 300)),  // and blocks
        // Head sizes that devices have kernels for, and groups of heads that share keys.
        example(random, {{some(300, 500), 1}}, {3, 3, 96}, 16, {}),
        example(random, {{some(1, 60), 1}, {some(60, 200), 2}, {1, 1}}, {8, 1, 64}, 16, {}),
        example(random, {{some(65, 300), 1}, {some(65, 90), 1}}, {9, 1, 80}, 5, window(40, 90)),
        example(random, {{some(100, 200), 1}}, {10, 2, 128}, 16, {}),
        example(random, {{some(30, 99), 1}}, {2, 1, 256}, 4, {}),
        example(random, {{some(70, 90), some(65, 70)}}, {2, 1, 64}, 16, {}),
        example(random, {{some(140, 180), some(20, 40)}, {some(9, 40), 9}}, {2, 2, 96}, 16, window(30, 100)),
        example(random, {{some(20, 60), 20}, {some(9, 40), 9}}, {2, 2, 80}, 5, window(0, 20), true),
        example(random, {{some(40, 70), 20}}, {1, 1, 128}, 16, {}),
        example(random, {{some(40, 50), 18}}, {2, 1, 256}, 16, {}),
        example(random, {{some(9, 40), 9}, {some(300, 400), 1}}, {4, 2, some(1, 35)}, 5, {}, false, 0.7f),
        example(random, {{some(30, 50), 20}}, {2, 2, some(1, 35)}, 16, window(1, 9), false, 2.0f),
        example(random, {{some(100, 200), 1}, {some(1, 60), 2}}, {9, 3, 96}, 16, {}, false, 0.7f),
        example(random, {{some(70, 90), some(20, 40)}, {some(9, 40), 9}}, {2, 1, 64}, 5, window(20, 60), false, 2.0f),
        example(random, {{some(40, 50), 18}}, {2, 1, 256}, 16, {}, false, 1.0f),
        // Tokens that see what follows them.
        example(random, {{some(20, 60), 20}, {some(9, 40), 2}}, {4, 2, some(1, 35)}, 5, {.causal = false}),
        example(random, {{some(70, 90), 40}}, {2, 1, 64}, 16, {.causal = false, .window = some(1, 30)}),
        // Caches of blocks: one token, several, and many.
        example(random, {{some(513, 640), 1}}, {n, n, 32 * some(1, 4)}, 16, {}, false, 0, DType::q8_0),
        example(random, {{some(30, 99), 2}, {some(1, 60), 1}}, {6, 2, 96}, 5, window(20, 60), false, 1.0f, DType::q8_0),
        example(random, {{some(300, 400), 60}}, {4, 2, 64}, 16, {}, false, 0, DType::q8_0),
        // Patterns, which no kernel has.
        example(random, {{some(20, 40), 9}, {some(9, 40), 1}}, {2, 1, 4}, 5, {.stride = some(1, 9)}),
        example(random, {{some(20, 40), 9}}, {2, 2, 4}, 5, {.stride = 6, .summary = 2}),
    };
}

/// As models write it, in fp32.
std::vector<Value> decompose(Builder& b, std::span<const Value> inputs, const Attributes& attributes) {
    const auto& attention = attributes.as<Attention>();
    const TensorType type = b.type(inputs[Attention::kQ]);
    const std::int64_t heads = type.dim(1).size, kv_heads = b.type(inputs[Attention::kKCache]).dim(2).size;
    const auto all = [&](Value cache) {
        Value out = kv_gather(b, cache, inputs[Attention::kPageTable], inputs[Attention::kLengths],
                              {.dtype = DType::f32, .rows = attention.keys});
        out = transpose(b, out, {1, 0, 2});  // [K, C, d]
        return heads == kv_heads ? out : repeat(b, out, {.axis = 0, .times = heads / kv_heads});
    };
    const Value keys = all(inputs[Attention::kKCache]), values = all(inputs[Attention::kVCache]);
    const Value mask =
        attention_mask(b, inputs[Attention::kPositions], inputs[Attention::kSequences], inputs[Attention::kLengths],
                       {.visibility = attention.visibility, .keys = attention.keys});
    Value q = inputs[Attention::kQ];
    if (type.dtype != DType::f32) q = cast(b, q, {.dtype = DType::f32});
    q = transpose(b, q, {1, 0, 2});
    Value scores = matmul(b, q, keys, {.transpose_b = true});  // [H, T, C]
    scores = mul(b, scores, b.constant(attention.scale));
    if (attention.softcap > 0) scores = softcap(b, scores, {.cap = attention.softcap});
    Value out = masked_matmul(b, softmax(b, add_mask(b, scores, mask)), values, mask);  // [H, T, d]
    out = transpose(b, out, {1, 0, 2});
    out = reshape(b, out, {type.dim(0), heads * type.dim(2).size});
    if (type.dtype != DType::f32) out = cast(b, out, {.dtype = type.dtype});
    return {out};
}

}  // namespace

const OpDef kAttention{
    .name = "attention",
    .doc =
        "out[t, h] = sum over visible positions p of w[p] * v[p], with w = softmax(scale * q[t, h]·k[p]), the scores "
        "limited by softcap if it is set; k[p] and v[p] "
        "are head h / (H / K) of page page_table[s, p / page], slot p % page of the caches, s = sequences[t]. Position "
        "p is visible iff p < lengths[s], p <= positions[t] unless causal is false, and window is 0 or "
        "|p - positions[t]| < window, and stride is 0 or the pattern has it, as attention_mask says. Positions that "
        "are "
        "not visible have no effect, even if the caches hold NaN there; a token that sees no position gets 0. All in "
        "fp32; out has q's dtype, [T, H * d]. `keys` is the sum of "
        "lengths, which only the decomposition needs.",
    .inputs = {"q",
               {"k_cache", InputRole::shared},
               {"v_cache", InputRole::shared},
               {"positions", InputRole::positions},
               {"sequences", InputRole::sequences, "page_table"},
               {"page_table", InputRole::pages, "k_cache"},
               InputDef("lengths", InputRole::lengths).summing_to([](const Attributes& attributes) {
                   return attributes.as<Attention>().keys;
               })},
    .infer = infer,
    .parse_attributes = &Attributes::parse<Attention>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .decompose = decompose,
};

Value attention(At at, Value q, Value k_cache, Value v_cache, Value positions, Value sequences, Value page_table,
                Value lengths, Attention attributes) {
    return at.apply(kAttention, {q, k_cache, v_cache, positions, sequences, page_table, lengths}, attributes);
}

}  // namespace vitro
