// attention: who sees what, and the same bits however a step is cut.
#include "ops/attention/attention.h"

#include "backends/cpu/cpu_backend.h"
#include "base/random.h"
#include "graph/interpret.h"
#include "ops/common/cache.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

using namespace vitro;
using namespace vitro::test;

namespace {

using Numbers = std::vector<float>;

Data table(Shape shape, const Numbers& values) { return data(DType::i32, std::move(shape), values); }
Data normal(Shape shape, std::uint64_t seed, DType dtype = DType::f32) {
    Data out({dtype, std::move(shape)});
    Random random(seed);
    Numbers values(static_cast<std::size_t>(out.tensor().elements()));
    for (float& value : values) value = static_cast<float>(random.normal());
    dispatch_cache(dtype, [&]<class T>(T) { round_row(values.data(), std::ssize(values), out.tensor().as<T>()); });
    return out;
}

/// Everything attention reads but the tokens of the step.
struct Caches {
    Data k, v, page_table, lengths;
};

/// Tokens of the step: rows of q, and where they stand.
struct Tokens {
    Data q;
    Numbers positions, sequences;

    Tokens slice(std::int64_t begin, std::int64_t n) const {
        const Shape shape{n, q.type.dim(1), q.type.dim(2)};
        Data part({q.type.dtype, shape});
        const std::size_t row = part.memory.size() / std::size_t(n);
        std::copy_n(q.memory.begin() + begin * std::ptrdiff_t(row), std::size_t(n) * row, part.memory.begin());
        return {part, Numbers(positions.begin() + begin, positions.begin() + begin + n),
                Numbers(sequences.begin() + begin, sequences.begin() + begin + n)};
    }
};

constexpr int kDecomposed = -1;  // in the place of a number of threads: as simpler ops

/// What the op's decomposition gives.
Data decomposed(const std::vector<Data>& inputs, Attention attributes) {
    const Numbers lengths = inputs[Attention::kLengths].floats();
    attributes.keys = static_cast<std::int64_t>(std::accumulate(lengths.begin(), lengths.end(), 0.0f));
    Builder builder("decomposed");
    std::vector<Value> values;
    for (std::size_t i = 0; i < inputs.size(); ++i)
        values.push_back(builder.input(std::string(kAttention.inputs[i].name), inputs[i].type));
    builder.result(kAttention.decompose(builder, values, attributes)[0]);
    const Graph graph = builder.finish();
    CpuBackend host(1);
    std::vector<Elements> all = interpret(graph, {}, host, [&](const ValueInfo& value, const Tensor& tensor) {
        const Data& given = inputs[static_cast<std::size_t>(input_index(kAttention, value.path))];
        std::copy(given.memory.begin(), given.memory.end(), tensor.as<std::byte>());
    });
    Data out(graph.value(graph.results[0]).type);
    out.memory = std::move(all[static_cast<std::size_t>(graph.results[0])]);
    return out;
}

Data attend(const Tokens& tokens, const Caches& caches, Attention attributes, int threads) {
    const std::vector<Data> inputs{
        tokens.q,          caches.k,      caches.v, ints(tokens.positions), ints(tokens.sequences),
        caches.page_table, caches.lengths};
    if (threads == kDecomposed) return decomposed(inputs, attributes);
    return run_op(kAttention, inputs, attributes, threads)[0];
}

void check_near(const Numbers& found, const Numbers& expected, float tolerance = 1e-6f) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        CHECK(std::abs(found[i] - expected[i]) <= tolerance);
    }
}

/// Keys of zeros, so that every visible position has the same weight; the value at a position of sequence s is its
/// number + 100 s. Pages of two slots, out of order; what stands past the lengths must not be read.
Caches counting_caches() {
    Caches out{floats({6, 2, 1, 1}, Numbers(12, 0.0f)), floats({6, 2, 1, 1}, Numbers(12, NAN)),
               table({2, 3}, {4, 0, 2, 5, 3, 1}), ints({5, 3})};
    for (int s = 0; s < 2; ++s)
        for (int position = 0; position < (s == 0 ? 5 : 3); ++position) {
            const auto page = out.page_table.floats()[std::size_t(s * 3 + position / 2)];
            out.v.tensor().as<float>()[int(page) * 2 + position % 2] = static_cast<float>(position + 100 * s);
        }
    return out;
}

Tokens at(const Numbers& positions, const Numbers& sequences) {
    return {Data({DType::f32, {std::ssize(positions), 1, 1}}), positions, sequences};
}

/// One sequence of `length` positions in shuffled pages of seven, all of them tokens of the step.
std::pair<Tokens, Caches> whole_prompt(std::int64_t length, std::int64_t heads, std::int64_t kv_heads, std::int64_t d,
                                       DType q, DType cache) {
    const std::int64_t pages = (length + 6) / 7;
    Numbers order(static_cast<std::size_t>(pages)), positions(static_cast<std::size_t>(length));
    for (std::int64_t i = 0; i < pages; ++i) order[std::size_t(i)] = static_cast<float>(pages - 1 - i);
    std::iota(positions.begin(), positions.end(), 0.0f);
    const Shape shape{pages, 7, kv_heads, d};
    return {{normal({length, heads, d}, 1, q), positions, Numbers(positions.size(), 0.0f)},
            {normal(shape, 2, cache), normal(shape, 3, cache), table({1, pages}, order),
             ints({static_cast<float>(length)})}};
}

}  // namespace

TEST_CASE("a token sees its sequence up to its own position, through pages out of order") {
    for (const int threads : {0, 1, 3}) {
        CAPTURE(threads);
        const Data out =
            attend(at({0, 1, 4, 2, 0, 2}, {0, 0, 0, 1, 1, 0}), counting_caches(), Attention{.scale = 2}, threads);
        check_near(out.floats(), {0, 0.5f, 2, 101, 100, 1}, 1e-4f);
    }
}

TEST_CASE("a window counts the token itself and ends at the first position") {
    for (const int threads : {0, 1, 3}) {
        CAPTURE(threads);
        const auto seen = [&](std::int64_t window) {
            return attend(at({0, 1, 2, 3, 4}, Numbers(5, 0.0f)), counting_caches(), {.visibility = {.window = window}},
                          threads)
                .floats();
        };
        check_near(seen(1), {0, 1, 2, 3, 4});
        check_near(seen(2), {0, 0.5f, 1.5f, 2.5f, 3.5f});
        check_near(seen(5), {0, 0.5f, 1, 1.5f, 2});
        CHECK(seen(5) == seen(0));
        CHECK(seen(1000) == seen(0));
    }
}

TEST_CASE("a single token gets its own value; one that sees nothing gets zeros") {
    for (const int threads : {0, 1, 3}) {
        CAPTURE(threads);
        const Caches one{floats({1, 1, 1, 2}, {3, -4}), floats({1, 1, 1, 2}, {5, 6}), table({1, 1}, {0}), ints({1})};
        const Tokens token{floats({1, 2, 2}, {7, 8, 900, -900}), {0}, {0}};
        CHECK(attend(token, one, {.scale = 0.5f}, threads).floats() == Numbers{5, 6, 5, 6});
        Caches empty = one;
        empty.lengths = ints({0});
        CHECK(attend(token, empty, {}, threads).floats() == Numbers{0, 0, 0, 0});
    }
}

TEST_CASE("weights are the softmax of scaled products; heads of q share those of the caches in order") {
    // Two heads of the cache, four of q: 0 and 1 read head 0, 2 and 3 read head 1. d = 1.
    const Caches caches{floats({1, 2, 2, 1}, {1, 2, 3, 4}), floats({1, 2, 2, 1}, {10, 20, 30, 40}), table({1, 1}, {0}),
                        ints({2})};
    const Tokens token{floats({1, 4, 1}, {0, 1, 0, -1}), {1}, {0}};
    const float w = 1.0f / (1.0f + std::exp(-1.0f));  // of the larger score, apart by 2 * scale
    for (const int threads : {0, 1, 3}) {
        CAPTURE(threads);
        check_near(attend(token, caches, {.scale = 0.5f}, threads).floats(),
                   {20, 30 * w + 10 * (1 - w), 30, 20 * w + 40 * (1 - w)}, 1e-5f);
    }
}

TEST_CASE("large scores neither overflow nor vanish, in whichever split they are") {
    const std::int64_t length = 600;
    for (const std::int64_t peak : {0, 255, 256, 511, 512, 599}) {
        CAPTURE(peak);
        auto [tokens, caches] = whole_prompt(length, 1, 1, 1, DType::f32, DType::f32);
        for (std::int64_t i = 0; i < length; ++i) {
            const std::int64_t row = (caches.page_table.tensor().dim(1) - 1 - i / 7) * 7 + i % 7;
            caches.k.tensor().as<float>()[row] = i == peak ? 1000.0f : -1000.0f;
            caches.v.tensor().as<float>()[row] = static_cast<float>(i);
        }
        Tokens last = tokens.slice(length - 1, 1);
        last.q = floats({1, 1, 1}, {100.0f});
        for (const int threads : {0, 1, 3})
            CHECK(attend(last, caches, {}, threads).floats() == Numbers{static_cast<float>(peak)});
    }
}

TEST_CASE("what a token does not see takes no part, be it NaN or infinite; what it sees makes it NaN") {
    const std::int64_t length = 300, bad = 280, heads = 4, kv_heads = 2, d = 20;
    for (const DType dtype : {DType::f32, DType::bf16}) {
        for (const float value : {NAN, INFINITY, -INFINITY}) {
            CAPTURE(value);
            const auto [tokens, sound] = whole_prompt(length, heads, kv_heads, d, dtype, dtype);
            const std::int64_t row = (sound.page_table.tensor().dim(1) - 1 - bad / 7) * 7 + bad % 7;
            for (const bool in_values : {false, true}) {
                CAPTURE(in_values);
                Caches caches = sound;
                dispatch_float(dtype, [&]<class T>(T) {  // one element, of the second head of the cache
                    const Data& cache = in_values ? caches.v : caches.k;
                    cache.tensor().as<T>()[(row * kv_heads + 1) * d + 3] = T(value);
                });
                const auto check = [&](std::int64_t begin, std::int64_t n, int threads) {
                    CAPTURE(begin);
                    CAPTURE(n);
                    CAPTURE(threads);
                    const Numbers y = attend(tokens.slice(begin, n), caches, {.scale = 0.3f}, threads).floats(),
                                  expected = attend(tokens.slice(begin, n), sound, {.scale = 0.3f}, threads).floats();
                    for (std::size_t i = 0; i < y.size(); ++i) {
                        const std::int64_t t = begin + std::int64_t(i) / (heads * d),
                                           head = std::int64_t(i) / d % heads;
                        const bool touched = t >= bad && head >= 2 && (!in_values || std::int64_t(i) % d == 3);
                        if (!touched)
                            CHECK(y[i] == expected[i]);
                        else if (std::isnan(value))
                            CHECK(std::isnan(y[i]));
                        else if (in_values)
                            CHECK_FALSE(std::isfinite(y[i]));
                    }
                };
                for (const int threads : {0, 1, 3, kDecomposed}) {
                    check(0, length, threads);
                    check(bad - 3, 6, threads);
                    check(bad, 1, threads);
                }
            }
        }
    }
}

TEST_CASE("a block of q8_0 that is NaN takes part only where it is seen") {
    const std::int64_t length = 300, bad = 280, heads = 4, kv_heads = 2, d = 64;
    const auto [tokens, sound] = whole_prompt(length, heads, kv_heads, d, DType::f32, DType::q8_0);
    const std::int64_t row = (sound.page_table.tensor().dim(1) - 1 - bad / 7) * 7 + bad % 7;
    for (const bool in_values : {false, true}) {
        CAPTURE(in_values);
        Caches caches = sound;
        const Data& cache = in_values ? caches.v : caches.k;  // the second block of the second head
        cache.tensor().as<Q8Block>()[(row * kv_heads + 1) * d / 32 + 1].scale = f16(NAN);
        for (const int threads : {0, 1, 3, kDecomposed}) {
            for (const std::int64_t n : {length, std::int64_t{22}, std::int64_t{1}}) {
                CAPTURE(threads);
                CAPTURE(n);
                const Numbers y = attend(tokens.slice(length - n, n), caches, {.scale = 0.3f}, threads).floats(),
                              expected = attend(tokens.slice(length - n, n), sound, {.scale = 0.3f}, threads).floats();
                for (std::size_t i = 0; i < y.size(); ++i) {
                    const std::int64_t t = length - n + std::int64_t(i) / (heads * d),
                                       head = std::int64_t(i) / d % heads;
                    if (t >= bad && head >= 2 && (!in_values || std::int64_t(i) % d >= 32))
                        CHECK(std::isnan(y[i]));
                    else
                        CHECK(y[i] == expected[i]);
                }
            }
        }
    }
}

TEST_CASE("scores that are all NaN make NaN, not zeros") {
    auto [tokens, caches] = whole_prompt(20, 2, 1, 8, DType::f32, DType::f32);
    std::fill_n(caches.k.tensor().as<float>(), caches.k.tensor().elements(), NAN);
    for (const int threads : {0, 1, 3})
        for (const float y : attend(tokens, caches, {}, threads).floats()) CHECK(std::isnan(y));
}

TEST_CASE("the same bits however a prompt is cut, on any number of threads") {
    struct Heads {
        std::int64_t q, kv, d;
    };
    const std::int64_t length = 530;
    for (const auto& [heads, kv_heads, d] : {Heads{2, 2, 20}, Heads{6, 2, 9}, Heads{5, 1, 16}, Heads{4, 2, 64}}) {
        for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::f8e4m3, DType::q8_0}) {
            if (d % block_columns(dtype) != 0) continue;
            for (const std::int64_t window : {0, 100}) {
                CAPTURE(heads);
                CAPTURE(name(dtype));
                CAPTURE(window);
                const auto [tokens, caches] = whole_prompt(length, heads, kv_heads, d, DType::f32, dtype);
                const Attention attributes{.scale = 0.3f, .visibility = {.window = window}};
                const Data all = attend(tokens, caches, attributes, 1);
                const std::size_t row = all.memory.size() / std::size_t(length);
                const auto check_part = [&](std::int64_t begin, std::int64_t n, int threads) {
                    CAPTURE(begin);
                    CAPTURE(n);
                    CAPTURE(threads);
                    const Data part = attend(tokens.slice(begin, n), caches, attributes, threads);
                    CHECK(std::equal(part.memory.begin(), part.memory.end(),
                                     all.memory.begin() + begin * std::ptrdiff_t(row)));
                };
                check_part(0, length, 3);
                check_part(3, 128, 2);
                check_part(100, 48, 7);
                for (const std::int64_t t : {0, 1, 255, 256, 257, 511, 529})
                    for (const int threads : {1, 2, 5, 16}) check_part(t, 1, threads);
                for (const std::int64_t n : {2, 3, 8, 9, 30})
                    for (const int threads : {1, 4}) check_part(length - n, n, threads);
            }
        }
    }
}

TEST_CASE("a token's bits do not depend on the company of other sequences") {
    auto [tokens, caches] = whole_prompt(40, 4, 2, 12, DType::bf16, DType::f16);
    const Data alone = attend(tokens.slice(39, 1), caches, {.scale = 0.3f}, 1);
    // The same pages, as sequence 1 behind one that reads them in another order.
    Numbers pages = caches.page_table.floats();
    Numbers both(pages.rbegin(), pages.rend());
    both.insert(both.end(), pages.begin(), pages.end());
    const Caches two{caches.k, caches.v, table({2, std::ssize(pages)}, both), ints({33, 40})};
    Tokens mixed = tokens;
    for (std::size_t t = 0; t < 33; ++t) mixed.sequences[t] = 0;
    for (std::size_t t = 33; t < 40; ++t) mixed.sequences[t] = 1;
    for (const int threads : {1, 3}) {
        const Data out = attend(mixed, two, {.scale = 0.3f}, threads);
        CHECK(std::equal(alone.memory.begin(), alone.memory.end(),
                         out.memory.end() - std::ptrdiff_t(alone.memory.size())));
    }
}

TEST_CASE("cost counts the rows that some token sees, once, not the cache") {
    CpuBackend backend(1);
    const Caches caches = counting_caches();
    const Tokens tokens = at({3, 4, 2}, {0, 0, 1});
    const Data positions = ints(tokens.positions), sequences = ints(tokens.sequences), out({DType::f32, {3, 1}});
    std::vector<Tensor> in{tokens.q.tensor(),  caches.k.tensor(),          caches.v.tensor(),      positions.tensor(),
                           sequences.tensor(), caches.page_table.tensor(), caches.lengths.tensor()};
    const Tensor outputs[] = {out.tensor()};
    const std::int64_t others = 3 * 4 + 3 * 4 + 2 * 3 * 4 + 6 * 4 + 2 * 4;  // q, out, tokens' places, pages, lengths
    const auto cost = [&](std::int64_t window) {
        return cost_of(kAttention, {in, outputs, Attention{.visibility = {.window = window}}, backend});
    };
    CHECK(cost(0).bytes == others + 2 * (5 + 3) * 4);
    CHECK(cost(0).flops == (4 + 5 + 3) * 9);
    CHECK(cost(2).bytes == others + 2 * (3 + 2) * 4);  // positions 2, 3, 4 and 1, 2
    CHECK(cost(2).flops == (2 + 2 + 2) * 9);
    for (Tensor& tensor : in) tensor.data = nullptr;  // as a plan asks: what the page tables can hold
    CHECK(cost(0).bytes == others + 2 * 12 * 4);
    CHECK(cost(0).flops == (6 + 6 + 5) * 9);  // the last token of each sequence, and the one before of the first
    CHECK(cost(2).flops == 3 * 2 * 9);
}

TEST_CASE("attention refuses wrong types") {
    const TensorType q{DType::f32, {'T', 4, 8}}, cache{DType::bf16, {9, 16, 2, 8}}, tokens{DType::i32, {'T'}};
    const TensorType pages{DType::i32, {'S', 4}}, lengths{DType::i32, {'S'}};
    const auto refused = [&](TensorType q_type, TensorType k_type, TensorType v_type, Attention attributes = {}) {
        return refusal(kAttention, {q_type, k_type, v_type, tokens, tokens, pages, lengths}, attributes);
    };
    CHECK(kAttention.infer(std::vector{q, cache, cache, tokens, tokens, pages, lengths}, Attention{})[0] ==
          TensorType{DType::f32, {'T', 32}});
    CHECK(refused({DType::f32, {'T', 32}}, cache, cache) == "q: expected a float of rank 3, found f32 [T, 32]");
    CHECK(refused({DType::f32, {'T', 3, 8}}, cache, cache) == "k_cache: expected heads that divide q's 3, found 2");
    CHECK(refused({DType::f32, {'T', 4, 6}}, cache, cache) == "k_cache: expected head size 6 as q's, found 8");
    CHECK(refused({DType::f32, {'T', 0, 8}}, cache, cache) ==
          "q: expected constant sizes of at least 1 but the first, found f32 [T, 0, 8]");
    CHECK(refused(q, cache, {DType::f16, {9, 16, 2, 8}}) ==
          "v_cache: expected bf16 [9, 16, 2, 8] as k_cache, found f16 [9, 16, 2, 8]");
    CHECK(refused(q, cache, cache, {.visibility = {.window = -1}}) ==
          "window: expected an integer in [0, 2147483647], found -1");
    CHECK(refused(q, cache, cache, {.scale = NAN}) == "scale: expected a finite number, found nan");
    CHECK(refusal(kAttention, {q, cache, cache, tokens, tokens, pages, tokens}, Attention{}) ==
          "lengths: expected i32 [S], found i32 [T]");
}
