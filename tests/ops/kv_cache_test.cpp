// kv_append and kv_gather: the paged cache.
#include "ops/kv_append/kv_append.h"
#include "ops/kv_gather/kv_gather.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

using namespace vitro;
using namespace vitro::test;

namespace {

using Numbers = std::vector<float>;

Data table(Shape shape, const Numbers& values) { return data(DType::i32, std::move(shape), values); }

/// A cache of `pages` pages of two slots, rows of two numbers, all -1.
Data empty_cache(std::int64_t pages, DType dtype = DType::f32) {
    return data(dtype, {pages, 2, 1, 2}, Numbers(static_cast<std::size_t>(pages * 4), -1.0f));
}

}  // namespace

TEST_CASE("kv_append writes each token to its page and slot, and nothing else") {
    // Sequence 0 has pages 3 and 0, sequence 1 has pages 1 and 2; its position 0 was written in an earlier step.
    const Data pages = table({2, 2}, {3, 0, 1, 2});
    const Data x = floats({4, 1, 2}, {10, 11, 20, 21, 30, 31, 40, 41});
    const Data positions = ints({2, 1, 0, 3}), sequences = ints({0, 1, 0, 1});
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        const Data out = run_op(kKvAppend, {empty_cache(5), x, positions, sequences, pages}, {}, threads)[0];
        CHECK(out.floats() == Numbers{10, 11, -1, -1,  //
                                      -1, -1, 20, 21,  //
                                      -1, -1, 40, 41,  //
                                      30, 31, -1, -1,  //
                                      -1, -1, -1, -1});
    }
}

TEST_CASE("kv_gather reads the sequences in order out of scattered pages") {
    const Data cache = counting({4, 2, 1, 2});  // page p, slot s: 4 p + 2 s and one more
    const Data pages = table({3, 2}, {2, 0, 3, 1, 1, 1});
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        CHECK(run_op(kKvGather, {cache, pages, ints({3, 2, 0})}, KvGather{}, threads, 5)[0].floats() ==
              Numbers{8, 9, 10, 11, 0, 1, 12, 13, 14, 15});
        CHECK(run_op(kKvGather, {cache, pages, ints({0, 0, 1})}, KvGather{}, threads, 1)[0].floats() == Numbers{4, 5});
        CHECK(run_op(kKvGather, {cache, pages, ints({0, 3, 0})}, KvGather{}, threads, 3)[0].floats() ==
              Numbers{12, 13, 14, 15, 4, 5});
    }
}

TEST_CASE("what was appended in several steps is gathered in order") {
    const std::int64_t heads = 3, size = 5, slots = 4, length = 37;
    std::vector<float> order;
    for (int page = 0; page < 10; ++page) order.push_back(static_cast<float>(page * 7 % 10));
    const Data pages = table({1, 10}, order);
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        Data cache({DType::f32, {10, slots, heads, size}});
        Numbers all;
        for (std::int64_t begin = 0; begin < length;) {
            const std::int64_t n = std::min(length - begin, begin + 1);
            Data x = counting({n, heads, size});
            Numbers positions, sequences;
            for (std::int64_t i = 0; i < n; ++i) {
                positions.push_back(static_cast<float>(begin + i));
                sequences.push_back(0);
            }
            for (std::int64_t i = 0; i < x.tensor().elements(); ++i)
                all.push_back(x.tensor().as<float>()[i] += static_cast<float>(begin * 1000));
            cache = run_op(kKvAppend, {cache, x, ints(positions), ints(sequences), pages}, {}, threads)[0];
            begin += n;
        }
        CHECK(run_op(kKvGather, {cache, pages, ints({length})}, KvGather{}, threads, length)[0].floats() == all);
    }
}

TEST_CASE("the cache's dtype rounds once, on the way in") {
    const Data x = floats({1, 1, 2}, {1.0f + 0x1p-12f, -3.0f});
    const Data pages = table({1, 1}, {0});
    for (const int threads : {0, 2}) {
        for (const DType dtype : {DType::f16, DType::bf16}) {
            const Data out = run_op(kKvAppend, {empty_cache(1, dtype), x, ints({1}), ints({0}), pages}, {}, threads)[0];
            CHECK(out.type.dtype == dtype);
            CHECK(out.floats() == Numbers{-1, -1, 1, -3});
            const Data back = run_op(kKvGather, {out, pages, ints({2})}, KvGather{DType::bf16}, threads, 2)[0];
            CHECK(back.type.dtype == DType::bf16);
            CHECK(back.floats() == Numbers{-1, -1, 1, -3});
        }
    }
}

TEST_CASE("a cache of q8_0 has blocks of 32 neighbours in a head, each with a scale of its own") {
    // Two heads of 64: numbers up to 127, and half of those up to 8, whose scale is 8 / 127.
    Numbers row(128);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(int(i % 32) - 15);
    for (const std::size_t block : {0, 1, 2, 3}) row[block * 32] = block == 2 ? -8.0f : 127.0f;
    for (std::size_t i = 65; i < 96; ++i) row[i] = row[i] > 0 ? 8 : -4;
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        const Data cache(TensorType{DType::q8_0, {2, 2, 2, 64}}), pages = table({1, 2}, {1, 0});
        REQUIRE(cache.memory.size() == 2 * 2 * 4 * 34);
        const Data out =
            run_op(kKvAppend, {cache, floats({1, 2, 64}, row), ints({1}), ints({0}), pages}, {}, threads)[0];
        const std::size_t begin = 3 * 4 * 34;  // position 1 is slot 1 of page 1
        for (std::size_t i = 0; i < out.memory.size(); ++i)
            if (i < begin) CHECK(out.memory[i] == std::byte{0});
        CHECK(out.memory[begin] == std::byte{0});
        CHECK(out.memory[begin + 1] == std::byte{0x3c});  // 1 in f16
        CHECK(out.memory[begin + 2] == std::byte{127});
        CHECK(out.memory[begin + 3] == static_cast<std::byte>(-14));
        const Numbers back = run_op(kKvGather, {out, pages, ints({2})}, KvGather{}, threads, 2)[0].floats();
        const float scale = float(f16(8.0f / 127.0f));
        for (std::size_t i = 0; i < row.size(); ++i) {
            CAPTURE(i);
            CHECK(back[i] == 0);  // position 0 was never written
            // 4 * 127 / 8 is 63.5, which goes away from 0.
            const float expected = i < 64 || i >= 96 ? row[i] : row[i] == -4 ? -64 * scale : row[i] / 8 * 127 * scale;
            CHECK(back[128 + i] == expected);
        }
    }
    const TensorType odd{DType::q8_0, {2, 2, 2, 80}}, x{DType::f32, {'T', 2, 80}}, tokens{DType::i32, {'T'}};
    CHECK(refusal(kKvAppend, {odd, x, tokens, tokens, {DType::i32, {'S', 4}}}, {}) ==
          "cache: expected heads of a multiple of 32 elements in a cache of q8_0, found q8_0 [2, 2, 2, 80]");
}

TEST_CASE("cost counts the rows that move, not the cache") {
    CpuBackend backend(1);
    const Data cache = empty_cache(1000), x = floats({1, 1, 2}, {1, 2});
    const Data position = ints({0}), sequence = ints({0}), pages = table({1, 3}, {0, 1, 2}), length = ints({4});
    const Tensor append[] = {cache.tensor(), x.tensor(), position.tensor(), sequence.tensor(), pages.tensor()};
    const Tensor next[] = {cache.tensor()};
    CHECK(cost_of(kKvAppend, {append, next, {}, backend}).bytes == 2 * 8 + 2 * 4 + 3 * 4);
    const Data rows({DType::f16, {4, 1, 2}});
    const Tensor gather[] = {cache.tensor(), pages.tensor(), length.tensor()}, out[] = {rows.tensor()};
    CHECK(cost_of(kKvGather, {gather, out, KvGather{DType::f16}, backend}).bytes == 4 * 2 * (4 + 2) + 3 * 4 + 4);
}

TEST_CASE("the cache ops refuse wrong types") {
    const TensorType cache{DType::bf16, {9, 16, 2, 8}}, x{DType::f32, {'T', 2, 8}}, tokens{DType::i32, {'T'}};
    const TensorType pages{DType::i32, {'S', 4}}, lengths{DType::i32, {'S'}};
    CHECK(kKvAppend.infer(std::vector{cache, x, tokens, tokens, pages}, {})[0] == cache);
    CHECK(kKvAppend.aliases == std::vector<Alias>{{0, 0}});
    CHECK_FALSE(kKvAppend.is_view);
    CHECK(refusal(kKvAppend, {cache, {DType::f32, {'T', 3, 8}}, tokens, tokens, pages}, {}) ==
          "x: expected [T, 2, 8] as in cache, found [T, 3, 8]");
    CHECK(refusal(kKvAppend, {cache, x, {DType::i32, {'R'}}, tokens, pages}, {}) ==
          "positions: expected i32 [T], found i32 [R]");
    CHECK(refusal(kKvAppend, {x, x, tokens, tokens, pages}, {}) ==
          "cache: expected a float, f8e4m3 or q8_0 of rank 4, found f32 [T, 2, 8]");
    CHECK(refusal(kKvAppend, {cache, x, tokens, tokens, lengths}, {}) ==
          "page_table: expected i32 of rank 2, found i32 [S]");

    CHECK(kKvGather.infer(std::vector{cache, pages, lengths}, KvGather{DType::f16})[0] ==
          TensorType{DType::f16, {'C', 2, 8}});
    CHECK(refusal(kKvGather, {cache, pages, tokens}, KvGather{}) == "lengths: expected i32 [S], found i32 [T]");
    CHECK(refusal(kKvGather, {cache, pages, lengths}, KvGather{DType::i32}) ==
          "dtype: expected one of f32, f16, bf16, found i32");
}
