// qkv_rope_append: what it writes where, and that it is rope in fp32 and kv_append to the bit.
#include "ops/qkv_rope_append/qkv_rope_append.h"

#include "base/random.h"
#include "ops/cast/cast.h"
#include "ops/kv_append/kv_append.h"
#include "ops/split/split.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace vitro;
using namespace vitro::test;

namespace {

using Numbers = std::vector<float>;

Data table(Shape shape, const Numbers& values) { return data(DType::i32, std::move(shape), values); }
Data normal(Shape shape, std::uint64_t seed, DType dtype) {
    Data out({dtype, std::move(shape)});
    Random random(seed);
    dispatch_float(dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < out.tensor().elements(); ++i) out.tensor().as<T>()[i] = T(random.normal());
    });
    return out;
}

/// The same memory as another shape.
Data reshaped(Data x, Shape shape) {
    x.type.shape = std::move(shape);
    return x;
}

}  // namespace

TEST_CASE("q and k turn, v does not; k and v go to their tokens' places and nothing else changes") {
    // One head each, d = 2: at position p the pair (1, 0) becomes (cos p, sin p). Two sequences, pages of two slots.
    const Data qkv = floats({2, 6}, {1, 0, 0, 1, 5, 6,  //
                                     2, 0, 0, 2, 7, 8});
    const Data cache = floats({3, 2, 1, 2}, Numbers(12, -1.0f));
    const Data pages = table({2, 2}, {2, 0, 1, 1});
    const auto c = [](float p) { return std::cos(p); };
    const auto s = [](float p) { return std::sin(p); };
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        const std::vector<Data> out =
            run_op(kQkvRopeAppend, {qkv, cache, cache, ints({3, 0}), ints({0, 1}), pages}, QkvRopeAppend{}, threads);
        CHECK(out[0].type == TensorType{DType::f32, {2, 1, 2}});
        const Numbers q = out[0].floats(), k = out[1].floats(), v = out[2].floats();
        const Numbers q_expected{c(3), s(3), 2, 0}, k_expected{-1, -1, -s(3), c(3), 0, 2, -1, -1, -1, -1, -1, -1};
        for (std::size_t i = 0; i < q.size(); ++i) CHECK(q[i] == doctest::Approx(q_expected[i]).epsilon(1e-6));
        for (std::size_t i = 0; i < k.size(); ++i) CHECK(k[i] == doctest::Approx(k_expected[i]).epsilon(1e-6));
        CHECK(v == Numbers{-1, -1, 5, 6, 7, 8, -1, -1, -1, -1, -1, -1});
    }
}

TEST_CASE("the kernel gives the bits of split, rope in fp32 and kv_append, alone and in company") {
    const std::int64_t heads = 6, kv_heads = 2, d = 22, tokens = 50;
    QkvRopeAppend fused{{.rotary_dim = 18, .attention_scale = 1.2f, .original_max = 60}, heads};
    for (int i = 0; i < 9; ++i) {
        fused.rope.short_factor.push_back(1.0f + 0.1f * static_cast<float>(i));
        fused.rope.long_factor.push_back(2.0f + static_cast<float>(i));
    }
    Numbers positions, sequences;
    for (int t = 0; t < tokens; ++t) {
        positions.push_back(static_cast<float>(t * 7 % 53));
        sequences.push_back(static_cast<float>(t % 3 == 0));
    }
    const Data pages = table({2, 4}, {7, 0, 5, 3, 1, 6, 2, 4}), lengths = ints({60, 61});
    for (const DType x : {DType::f32, DType::f16, DType::bf16}) {
        for (const DType y : {DType::f32, DType::f16, DType::bf16}) {
            CAPTURE(name(x));
            CAPTURE(name(y));
            const Data qkv = normal({tokens, (heads + 2 * kv_heads) * d}, 1, x);
            const Data k_cache = normal({8, 14, kv_heads, d}, 2, y), v_cache = normal({8, 14, kv_heads, d}, 3, y);
            const Split sizes{.axis = 1, .sizes = {heads * d, kv_heads * d, kv_heads * d}};
            const std::vector<Data> parts = run_op(kSplit, {run_op(kCast, {qkv}, Cast{DType::f32}, 1)[0]}, sizes, 1);
            const auto turn = [&](const Data& part, std::int64_t n) {
                return run_op(kRope, {reshaped(part, {tokens, n, d}), ints(positions), ints(sequences), lengths},
                              fused.rope, 1)[0];
            };
            const auto append = [&](const Data& cache, const Data& part) {
                return run_op(kKvAppend, {cache, part, ints(positions), ints(sequences), pages}, {}, 1)[0];
            };
            const Data q = run_op(kCast, {turn(parts[0], heads)}, Cast{x}, 1)[0],
                       k = append(k_cache, turn(parts[1], kv_heads));
            const Data v = append(v_cache, reshaped(parts[2], {tokens, kv_heads, d}));
            for (const int threads : {1, 3}) {
                const auto out =
                    run_op(kQkvRopeAppend, {qkv, k_cache, v_cache, ints(positions), ints(sequences), pages, lengths},
                           fused, threads);
                CHECK(out[0].memory == q.memory);
                CHECK(out[1].memory == k.memory);
                CHECK(out[2].memory == v.memory);
            }
            Data k_next = k_cache, v_next = v_cache;
            for (std::int64_t t = 0; t < tokens; ++t) {
                Data row({x, {1, qkv.type.dim(1)}});
                std::copy_n(qkv.memory.begin() + t * std::ssize(row.memory), row.memory.size(), row.memory.begin());
                const auto i = static_cast<std::size_t>(t);
                const auto out =
                    run_op(kQkvRopeAppend,
                           {row, k_next, v_next, ints({positions[i]}), ints({sequences[i]}), pages, lengths}, fused, 1);
                CHECK(std::equal(out[0].memory.begin(), out[0].memory.end(),
                                 q.memory.begin() + t * std::ssize(out[0].memory)));
                k_next = out[1];
                v_next = out[2];
            }
            CHECK(k_next.memory == k.memory);
            CHECK(v_next.memory == v.memory);
        }
    }
}

TEST_CASE("cost counts the rows that move, not the caches") {
    CpuBackend backend(1);
    const Data qkv({DType::bf16, {2, 8 * 4}}), cache({DType::f32, {1000, 2, 2, 4}}), q({DType::bf16, {2, 4, 4}});
    const Data tokens = ints({0, 1}), pages = table({1, 3}, {0, 1, 2});
    const Tensor in[] = {qkv.tensor(),    cache.tensor(),  cache.tensor(),
                         tokens.tensor(), tokens.tensor(), pages.tensor()};
    const Tensor out[] = {q.tensor(), cache.tensor(), cache.tensor()};
    const Cost cost = cost_of(kQkvRopeAppend, {in, out, QkvRopeAppend{{.rotary_dim = 2}, 4}, backend});
    CHECK(cost.bytes == 2 * 32 * 2 + 2 * 16 * 2 + 2 * (2 * 8 * 4) + 2 * 4 + 2 * 4 + 3 * 4);
    CHECK(cost.flops == 3 * 2 * (4 + 2) * 2);
}

TEST_CASE("qkv_rope_append refuses wrong types") {
    const TensorType qkv{DType::bf16, {'T', 64}}, cache{DType::f16, {9, 16, 2, 8}}, tokens{DType::i32, {'T'}};
    const TensorType pages{DType::i32, {'S', 4}};
    const auto refused = [&](TensorType x, TensorType v_cache, QkvRopeAppend fused) {
        return refusal(kQkvRopeAppend, {x, cache, v_cache, tokens, tokens, pages}, fused);
    };
    const QkvRopeAppend four{{}, 4};
    const auto none = TensorType::none();
    const std::vector<TensorType> outputs{{DType::bf16, {'T', 4, 8}}, cache, cache};
    CHECK(kQkvRopeAppend.infer(std::vector{qkv, cache, cache, tokens, tokens, pages, none, none, none}, four) ==
          outputs);
    CHECK(kQkvRopeAppend.aliases == std::vector<Alias>{{1, 1}, {2, 2}});
    CHECK(refused(qkv, cache, {{}, 5}) == "qkv: expected rows of 5 + 2 + 2 heads of size 8, found bf16 [T, 64]");
    CHECK(refused({DType::bf16, {'T', 65}}, cache, four) ==
          "qkv: expected rows of 4 + 2 + 2 heads of size 8, found bf16 [T, 65]");
    CHECK(refused(qkv, cache, {{}, 0}) == "n_heads: expected an integer in [1, 1048576], found 0");
    CHECK(refused(qkv, qkv, four) == "v_cache: expected f16 [9, 16, 2, 8] as k_cache, found bf16 [T, 64]");
    CHECK(refused(qkv, cache, {{.rotary_dim = 7}, 4}) == "rotary_dim: expected an even number in [2, 8], found 7");
    CHECK(refused(qkv, cache, {{.long_factor = {1, 1, 1, 1}, .original_max = 9}, 4}) ==
          "expected sequences and rope_lengths, which say where long_factor holds");
    CHECK(refusal(kQkvRopeAppend, {qkv, cache, cache, tokens, tokens, pages, tokens}, four) ==
          "rope_lengths: expected i32 [S], found i32 [T]");
    // k or v by itself is not in qkv's rows.
    const TensorType q{DType::bf16, {'T', 32}}, with_k{DType::bf16, {'T', 48}}, part{DType::bf16, {'T', 16}};
    const auto infer_apart = [&](TensorType x, TensorType k, TensorType v) {
        return kQkvRopeAppend.infer(std::vector{x, cache, cache, tokens, tokens, pages, none, k, v}, four);
    };
    CHECK(infer_apart(with_k, none, part) == outputs);
    CHECK(infer_apart(q, part, part) == outputs);
    CHECK(refusal(kQkvRopeAppend, {qkv, cache, cache, tokens, tokens, pages, none, none, part}, four) ==
          "qkv: expected rows of 4 + 2 heads of size 8, found bf16 [T, 64]");
    CHECK(refusal(kQkvRopeAppend, {q, cache, cache, tokens, tokens, pages, none, part, q}, four) ==
          "v: expected bf16 [T, 16], found bf16 [T, 32]");
}
