#include "ops/attention_mask/attention_mask.h"

#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

using namespace vitro;
using namespace vitro::test;

namespace {

/// One text a row: 'x' visible, '.' not.
std::vector<std::string> mask(const std::vector<float>& positions, const std::vector<float>& sequences,
                              const std::vector<float>& lengths, Visibility visibility, int threads) {
    float keys = 0;
    for (const float length : lengths) keys += length;
    const auto c = static_cast<std::size_t>(keys);
    const Data out = run_op(kAttentionMask, {ints(positions), ints(sequences), ints(lengths)},
                            AttentionMask{visibility}, threads, static_cast<std::int64_t>(c))[0];
    std::vector<std::string> rows;
    const std::vector<float> values = out.floats();
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (i % c == 0) rows.emplace_back();
        rows.back() += values[i] == 0.0f ? 'x' : values[i] == -INFINITY ? '.' : '?';
    }
    return rows;
}

std::vector<std::string> mask(const std::vector<float>& positions, const std::vector<float>& sequences,
                              const std::vector<float>& lengths, std::int64_t window, int threads, bool causal = true) {
    return mask(positions, sequences, lengths, {.causal = causal, .window = window}, threads);
}

using Rows = std::vector<std::string>;

}  // namespace

TEST_CASE("a token sees itself and what stands before it in its sequence") {
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        CHECK(mask({0, 1, 2}, {0, 0, 0}, {3}, 0, threads) == Rows{"x..", "xx.", "xxx"});
        CHECK(mask({3, 4}, {0, 0}, {5}, 0, threads) == Rows{"xxxx.", "xxxxx"});  // after three cached tokens
        CHECK(mask({0}, {0}, {1}, 0, threads) == Rows{"x"});
    }
}

TEST_CASE("a window of w shows the last w positions") {
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        CHECK(mask({0, 1, 2, 3}, {0, 0, 0, 0}, {4}, 2, threads) == Rows{"x...", "xx..", ".xx.", "..xx"});
        CHECK(mask({0, 1}, {0, 0}, {2}, 1, threads) == Rows{"x.", ".x"});
        CHECK(mask({3}, {0}, {4}, 3, threads) == Rows{".xxx"});
        CHECK(mask({3}, {0}, {4}, 4, threads) == Rows{"xxxx"});
        CHECK(mask({3}, {0}, {4}, 1000000, threads) == Rows{"xxxx"});
    }
}

TEST_CASE("a token that is not causal sees what follows it, in a window as far as before it") {
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        CHECK(mask({0, 2}, {0, 0}, {3}, 0, threads, false) == Rows{"xxx", "xxx"});
        CHECK(mask({0, 2, 4}, {0, 0, 0}, {5}, 2, threads, false) == Rows{"xx...", ".xxx.", "...xx"});
    }
}

TEST_CASE("strided: the last `stride` positions, and each that is a multiple of it away") {
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        CHECK(mask({0, 1, 2, 3, 4, 5, 6}, {0, 0, 0, 0, 0, 0, 0}, {7}, {.stride = 3}, threads) ==
              Rows{"x......", "xx.....", "xxx....", "xxxx...", ".xxxx..", "..xxxx.", "x..xxxx"});
        CHECK(mask({1, 6}, {1, 1}, {2, 7}, {.stride = 4}, threads) == Rows{"..xx.....", "....xxxxx"});
        CHECK(mask({5}, {0}, {7}, {.causal = false, .stride = 2}, threads) == Rows{".x.xxxx"});
        CHECK(mask({9}, {0}, {10}, {.window = 7, .stride = 3}, threads) == Rows{"...x..xxxx"});
    }
}

TEST_CASE("fixed: the token's own block of `stride` positions, and the last `summary` of each block") {
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        CHECK(mask({0, 1, 2, 3, 4, 5, 6, 7, 8}, {0, 0, 0, 0, 0, 0, 0, 0, 0}, {9}, {.stride = 3, .summary = 1},
                   threads) == Rows{"x........", "xx.......", "xxx......", "..xx.....", "..xxx....", "..xxxx...",
                                    "..x..xx..", "..x..xxx.", "..x..xxxx"});
        CHECK(mask({8}, {0}, {9}, {.stride = 4, .summary = 2}, threads) == Rows{"..xx..xxx"});
        CHECK(mask({3}, {0}, {9}, {.stride = 3, .summary = 3}, threads) == Rows{"xxxx....."});  // all of it
    }
}

TEST_CASE("no sequence sees another, in whatever order the tokens stand") {
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        CHECK(mask({1, 0, 2, 0}, {1, 0, 1, 2}, {2, 3, 1}, 0, threads) == Rows{"..xx..", "x.....", "..xxx.", ".....x"});
        CHECK(mask({2, 1}, {1, 0}, {2, 3}, 2, threads) == Rows{"...xx", "xx..."});
        CHECK(mask({1}, {2}, {0, 3, 2}, 0, threads) == Rows{"...xx"});  // a sequence without tokens takes no room
    }
}

TEST_CASE("a sequence without cached tokens sees nothing") {
    for (const int threads : {0, 2}) CHECK(mask({1}, {0}, {0, 2}, 0, threads) == Rows{".."});
}

TEST_CASE("attention_mask refuses wrong types") {
    const TensorType tokens{DType::i32, {'T'}}, lengths{DType::i32, {'S'}};
    CHECK(kAttentionMask.infer(std::vector{tokens, tokens, lengths}, AttentionMask{})[0] ==
          TensorType{DType::f32, {'T', 'C'}});
    CHECK(refusal(kAttentionMask, {tokens, lengths, lengths}, AttentionMask{}) ==
          "sequences: expected i32 [T], found i32 [S]");
    CHECK(refusal(kAttentionMask, {{DType::f32, {'T'}}, tokens, lengths}, AttentionMask{}) ==
          "positions: expected i32 of rank 1, found f32 [T]");
    CHECK(refusal(kAttentionMask, {tokens, tokens, lengths}, AttentionMask{{.window = -1}}) ==
          "window: expected an integer in [0, 2147483647], found -1");
}
