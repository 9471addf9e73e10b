#include "ops/rope/rope.h"

#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <cmath>
#include <complex>

using namespace vitro;
using namespace vitro::test;

namespace {

using Numbers = std::vector<float>;

Data random_heads(Shape shape, std::uint64_t seed) {
    Data out({DType::f32, std::move(shape)});
    Random random(seed);
    for (std::int64_t i = 0; i < out.tensor().elements(); ++i) out.tensor().as<float>()[i] = random.normal();
    return out;
}

void check_near(const Numbers& found, const Numbers& expected, float tolerance) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        CHECK(std::abs(found[i] - expected[i]) <= tolerance);
    }
}

/// A head with 1 in the first half and 0 in the second turns into its own cosines and sines.
Data unit_head(std::int64_t tokens, std::int64_t d) {
    Numbers values;
    for (std::int64_t i = 0; i < tokens * d; ++i) values.push_back(i % d < d / 2 ? 1.0f : 0.0f);
    return floats({tokens, 1, d}, values);
}

const RopeAttributes kLongRope{.attention_scale = 1.1902380714f,
                               .short_factor = {1.0f, 1.1f, 1.25f, 1.5f},
                               .long_factor = {1.0f, 2.5f, 10.0f, 30.0f},
                               .original_max = 4096};

}  // namespace

TEST_CASE("a pair turns as a complex number does") {
    const std::int64_t tokens = 5, heads = 3, d = 14, rotary = 10;
    const Data x = random_heads({tokens, heads, d}, 1);
    const Numbers positions{0, 1, 2, 17, 31}, values = x.floats();
    Numbers expected = values;
    for (std::int64_t t = 0; t < tokens; ++t)
        for (std::int64_t head = 0; head < heads; ++head)
            for (std::int64_t i = 0; i < rotary / 2; ++i) {
                const auto first = static_cast<std::size_t>((t * heads + head) * d + i), second = first + 5;
                const double angle =
                    double(positions[std::size_t(t)]) / std::pow(500.0, 2.0 * double(i) / double(rotary));
                const auto turned = std::complex<double>(values[first], values[second]) * std::polar(2.0, angle);
                expected[first] = static_cast<float>(turned.real());
                expected[second] = static_cast<float>(turned.imag());
            }
    const RopeAttributes rope{.theta = 500.0f, .rotary_dim = rotary, .attention_scale = 2.0f};
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        check_near(run_op(kRope, {x, ints(positions)}, rope, threads)[0].floats(), expected, 2e-5f);
    }
}

TEST_CASE("position 0 changes nothing, and a whole head turns by default") {
    const Data x = random_heads({1, 2, 6}, 2);
    for (const int threads : {0, 2}) {
        CHECK(run_op(kRope, {x, ints({0})}, RopeAttributes{}, threads)[0].floats() == x.floats());
        CHECK(run_op(kRope, {x, ints({9})}, RopeAttributes{}, threads)[0].memory ==
              run_op(kRope, {x, ints({9})}, RopeAttributes{.rotary_dim = 6}, threads)[0].memory);
    }
}

TEST_CASE("products of queries and keys depend on the distance alone") {
    const Data q = random_heads({1, 1, 32}, 3), k = random_heads({1, 1, 32}, 4);
    const auto product = [&](float at_q, float at_k) {
        const Numbers a = run_op(kRope, {q, ints({at_q})}, RopeAttributes{}, 1)[0].floats();
        const Numbers b = run_op(kRope, {k, ints({at_k})}, RopeAttributes{}, 1)[0].floats();
        double sum = 0;
        for (std::size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * double(b[i]);
        return sum;
    };
    CHECK(product(7, 3) == doctest::Approx(product(104, 100)).epsilon(1e-4));
    CHECK(product(7, 3) != doctest::Approx(product(8, 3)).epsilon(1e-2));
}

TEST_CASE("far positions agree with transformers' fp32 angles") {
    // cos and sin of Phi3RotaryEmbedding, head size 8, theta 10000, position 4097.
    const Numbers expected{0.934771955f, 0.274268627f, -0.991653323f, -0.577276111f,
                           0.355248332f, 0.961653113f, -0.128932983f, -0.816549003f};
    for (const int threads : {0, 2})
        check_near(run_op(kRope, {unit_head(1, 8), ints({4097})}, RopeAttributes{}, threads)[0].floats(), expected,
                   1e-6f);
}

TEST_CASE("longrope: the length of the sequence chooses the factors, at every position") {
    // cos and sin of Phi3RotaryEmbedding with these factors at position 4095 (length 4096: short) and 4097 (long).
    const Numbers short_4095{-0.0785271451f, 0.00713407155f, 0.26754576f, -1.09083521f,
                             -1.18764484f,   1.19021678f,    1.15977848f, 0.476177931f};
    const Numbers long_4097{1.11260116f,  1.03457999f,  -0.687096059f, 1.17915618f,
                            0.422830105f, 0.588481903f, -0.971887767f, 0.162042066f};
    Numbers both = long_4097;
    both.insert(both.end(), short_4095.begin(), short_4095.end());
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        const auto turn = [&](const Numbers& positions, const Numbers& sequences, const Numbers& lengths) {
            const Data x = unit_head(std::ssize(positions), 8);
            return run_op(kRope, {x, ints(positions), ints(sequences), ints(lengths)}, kLongRope, threads)[0].floats();
        };
        check_near(turn({4095}, {0}, {4096}), short_4095, 1e-6f);
        check_near(turn({4097}, {0}, {4098}), long_4097, 1e-6f);
        check_near(turn({4097, 4095}, {1, 0}, {4096, 4097}), both, 1e-6f);  // each token by its own sequence
        CHECK(turn({5}, {0}, {4097}) != turn({5}, {0}, {4096}));            // the length decides, not the position
        CHECK(turn({5}, {0}, {4097}) == turn({5}, {0}, {100000}));
    }
}

TEST_CASE("one set of factors needs no lengths") {
    RopeAttributes rope = kLongRope;
    rope.long_factor.clear();
    const Data x = unit_head(1, 8);
    for (const int threads : {0, 2})
        CHECK(run_op(kRope, {x, ints({4097})}, rope, threads)[0].memory ==
              run_op(kRope, {x, ints({4097}), ints({0}), ints({4096})}, kLongRope, threads)[0].memory);
}

TEST_CASE("inverse frequencies: theta and factors") {
    Numbers out(4);
    inverse_frequencies(RopeAttributes{}, false, out);
    check_near(out, {1.0f, 0.1f, 0.01f, 0.001f}, 1e-9f);
    inverse_frequencies(kLongRope, false, out);
    check_near(out, {1.0f, 0.1f / 1.1f, 0.008f, 0.001f / 1.5f}, 1e-8f);
    inverse_frequencies(kLongRope, true, out);
    check_near(out, {1.0f, 0.04f, 0.001f, 0.001f / 30.0f}, 1e-8f);
}

TEST_CASE("the kernel gives the same bits alone, in company, in place and on any number of threads") {
    const std::int64_t tokens = 300, heads = 3, d = 22;
    const RopeAttributes rope{.rotary_dim = 18};
    Data x = random_heads({tokens, heads, d}, 5);
    Numbers positions;
    for (std::int64_t t = 0; t < tokens; ++t) positions.push_back(static_cast<float>(t * 13));
    const Data together = run_op(kRope, {x, ints(positions)}, rope, 1)[0];
    CHECK(run_op(kRope, {x, ints(positions)}, rope, 2)[0].memory == together.memory);
    CHECK(run_op(kRope, {x, ints(positions)}, rope, 5)[0].memory == together.memory);

    const Numbers values = x.floats(), all = together.floats();
    const std::int64_t row = heads * d;
    for (const std::int64_t t : {0, 1, 299}) {
        const Data one = floats({1, heads, d}, Numbers(values.begin() + t * row, values.begin() + (t + 1) * row));
        CHECK(run_op(kRope, {one, ints({positions[std::size_t(t)]})}, rope, 1)[0].floats() ==
              Numbers(all.begin() + t * row, all.begin() + (t + 1) * row));
    }

    REQUIRE(kRope.in_place == 0);
    CpuBackend backend(2);
    const Data positions_data = ints(positions);
    const Tensor in[] = {x.tensor(), positions_data.tensor()}, out[] = {x.tensor()};
    const Attributes attributes = rope;
    Call call{in, out, attributes, backend};
    const KernelDef& kernel = *find_kernel(cpu_kernels(), "rope");
    std::vector<std::byte> scratch(kernel.scratch(call));
    call.scratch = scratch;
    kernel.run(call);
    CHECK(x.memory == together.memory);
}

TEST_CASE("rope refuses what makes no sense") {
    const TensorType x{DType::bf16, {'T', 4, 8}}, tokens{DType::i32, {'T'}}, lengths{DType::i32, {'S'}};
    const auto refused = [&](const RopeAttributes& rope) { return refusal(kRope, {x, tokens, tokens, lengths}, rope); };
    CHECK(refused(RopeAttributes{}) == "accepted");
    CHECK(refused(kLongRope) == "accepted");
    CHECK(refused(RopeAttributes{.rotary_dim = 7}) == "rotary_dim: expected an even number in [2, 8], found 7");
    CHECK(refused(RopeAttributes{.rotary_dim = 10}) == "rotary_dim: expected an even number in [2, 8], found 10");
    CHECK(refused(RopeAttributes{.rotary_dim = -2}) == "rotary_dim: expected an integer of at least 0, found -2");
    CHECK(refused(RopeAttributes{.theta = 0}) == "theta: expected a number above 0, found 0");
    CHECK(refused(RopeAttributes{.theta = NAN}) == "theta: expected a finite number above 0, found nan");
    CHECK(refused(RopeAttributes{.attention_scale = INFINITY}) ==
          "attention_scale: expected a finite number, found inf");

    RopeAttributes rope = kLongRope;
    rope.long_factor.pop_back();
    CHECK(refused(rope) == "long_factor: expected 4 numbers, half of rotary_dim, found 3");
    rope.long_factor.clear();
    rope.short_factor.pop_back();
    CHECK(refused(rope) == "short_factor: expected 4 numbers, half of rotary_dim, found 3");
    rope = kLongRope;
    rope.short_factor[2] = 0;
    CHECK(refused(rope) == "short_factor: element 2: expected a number above 0, found 0");
    rope = kLongRope;
    rope.original_max = 0;
    CHECK(refused(rope) == "original_max: expected a length of at least 1, found 0");

    CHECK(refusal(kRope, {x, tokens}, kLongRope) ==
          "expected sequences and rope_lengths, which say where long_factor holds");
    CHECK(refusal(kRope, {x, tokens, tokens}, RopeAttributes{}) ==
          "expected sequences and rope_lengths together, found sequences alone");
    CHECK(refusal(kRope, {x, lengths}, RopeAttributes{}) == "positions: expected i32 [T], found i32 [S]");
    CHECK(refusal(kRope, {{DType::f32, {'T', 8}}, tokens}, RopeAttributes{}) ==
          "x: expected a float of rank 3, found f32 [T, 8]");
}
