#include "ops/sample/sample.h"

#include "backends/cuda/devices.h"
#include "ops/check/op_case.h"
#include "runtime/sampler.h"
#include "tests/ops/cuda_kernel.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <limits>
#include <set>

namespace vitro::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Rows of logits and how each is sampled, as the op takes them.
struct Rows {
    Rows(std::int64_t n, const std::vector<float>& values, const std::vector<SampleRow>& rows)
        : logits(floats({std::ssize(rows), n}, values)),
          options({DType::f32, {std::ssize(rows), SampleRow::kOptions}}),
          integers({DType::i32, {std::ssize(rows), SampleRow::kIntegers}}) {
        for (std::size_t r = 0; r < rows.size(); ++r)
            rows[r].write(options.tensor().as<float>() + r * SampleRow::kOptions,
                          integers.tensor().as<std::int32_t>() + r * SampleRow::kIntegers);
    }
    Data logits, options, integers;

    std::vector<std::int32_t> tokens(int threads) const {
        const Data out = run_op(kSample, {logits, options, integers}, {}, threads)[0];
        return {out.tensor().as<std::int32_t>(), out.tensor().as<std::int32_t>() + out.tensor().elements()};
    }

    /// By the CUDA kernel, emulated.
    std::vector<std::int32_t> device_tokens() const {
        const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
        std::vector<check::GuardedMemory> memory;
        std::vector<Tensor> tensors;
        std::vector<std::int32_t> out(static_cast<std::size_t>(logits.tensor().dim(0)));
        for (const Data* data : {&logits, &options, &integers}) {
            tensors.push_back(data->tensor());
            tensors.back().data = memory.emplace_back(*backend, data->memory.size(), 0, 0).data();
            backend->upload(tensors.back().data, data->memory.data(), data->memory.size());
        }
        const check::GuardedMemory result(*backend, out.size() * sizeof(std::int32_t), 0xff, 0);
        const std::int64_t sizes[] = {std::ssize(out)};
        const Tensor output(DType::i32, sizes, result.data());
        const KernelDef& kernel = cuda_kernel("sample");
        Call call{tensors, {&output, 1}, {}, *backend};
        const std::size_t bytes = kernel.scratch(call);
        const check::GuardedMemory scratch(*backend, bytes, 0xff, 0);
        call.scratch = {static_cast<std::byte*>(scratch.data()), bytes};
        kernel.run(call);
        backend->synchronize();
        backend->download(out.data(), result.data(), out.size() * sizeof(std::int32_t));
        return out;
    }
};

std::vector<float> normal_logits(std::int64_t count, float spread, std::uint64_t seed) {
    Random random(seed);
    std::vector<float> logits;
    for (std::int64_t i = 0; i < count; ++i) logits.push_back(spread * random.normal());
    return logits;
}

std::set<std::int32_t> drawn(const std::vector<float>& logits, SampleRow row, int draws) {
    std::set<std::int32_t> out;
    for (row.position = 0; row.position < draws; ++row.position)
        out.insert(Rows(std::ssize(logits), logits, {row}).tokens(1)[0]);
    return out;
}

TEST_CASE("the sampler, the CPU kernel and the CUDA kernel choose the same tokens of a large vocabulary") {
    constexpr std::int64_t kVocabulary = 32064;
    const SamplingOptions all[] = {
        {},
        {.temperature = 0.7f, .seed = 1},
        {.temperature = 1, .top_k = 50, .seed = 2},
        {.temperature = 1.5f, .top_p = 0.95f, .seed = 3},
        {.temperature = 0.8f, .top_k = 40, .top_p = 0.9f, .min_p = 0.05f, .seed = 1ull << 40},
        {.temperature = 1e-4f, .seed = 5},
        {.temperature = 50, .seed = 6},  // nearly uniform: no few candidates
        {.temperature = 50, .top_k = 20000, .top_p = 0.9f, .seed = 7},
    };
    const auto logits = normal_logits(kVocabulary * std::ssize(all), 3, 9);
    std::vector<SampleRow> rows;
    std::vector<std::int32_t> expected;
    for (std::size_t r = 0; r < std::size(all); ++r) {
        const std::vector<std::int32_t> history(100 + r);
        rows.push_back(sample_row(all[r], history.size()));
        expected.push_back(
            Sampler(all[r], kVocabulary).sample({logits.data() + r * kVocabulary, kVocabulary}, history));
    }
    const Rows input(kVocabulary, logits, rows);
    CHECK(input.tokens(0) == expected);
    CHECK(input.tokens(2) == expected);
    CHECK(input.device_tokens() == expected);
}

TEST_CASE("top-k, top-p and min-p leave what they say, ties by token") {
    const std::vector<float> logits{0, 1, 2, 2, 2, -kInfinity};
    using Tokens = std::set<std::int32_t>;
    CHECK(drawn(logits, {.temperature = 0}, 20) == Tokens{2});
    CHECK(drawn(logits, {.temperature = 1}, 300) == Tokens{0, 1, 2, 3, 4});
    CHECK(drawn(logits, {.temperature = 1, .top_k = 2}, 100) == Tokens{2, 3});
    CHECK(drawn(logits, {.temperature = 1, .top_k = 4}, 200) == Tokens{1, 2, 3, 4});
    // The shares are 0.285 thrice, 0.105 and 0.039.
    CHECK(drawn(logits, {.temperature = 1, .top_p = 0.5f}, 100) == Tokens{2, 3});
    CHECK(drawn(logits, {.temperature = 1, .top_p = 0.9f}, 300) == Tokens{1, 2, 3, 4});
    CHECK(drawn(logits, {.temperature = 1, .min_p = 0.3f}, 200) == Tokens{1, 2, 3, 4});
    CHECK(drawn(logits, {.temperature = 1, .min_p = 0.4f}, 100) == Tokens{2, 3, 4});
}

TEST_CASE("of rows with NaN or +inf no token is chosen; nothing but -inf gives token 0") {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    for (const float temperature : {0.0f, 1.0f}) {
        const std::vector<SampleRow> rows(4, {.temperature = temperature, .seed = 4});
        const Rows input(3, {kNan, 1, 0, -kInfinity, -kInfinity, -kInfinity, 3, kInfinity, 1, -kInfinity, 2, kNan},
                         rows);
        const std::vector<std::int32_t> expected{-1, 0, -1, -1};
        CHECK(input.tokens(0) == expected);
        CHECK(input.tokens(1) == expected);
        CHECK(input.device_tokens() == expected);
    }
}

TEST_CASE("weights are the exponential, and largest for the best") {
    CHECK(sample_weight(0) == kBestWeight);
    for (float distance = 0; distance <= kFarthestCandidate; distance += 0.0137f) {
        const double expected = std::exp(-double(distance)) * double(kBestWeight);
        CHECK(double(sample_weight(distance)) == doctest::Approx(expected).epsilon(2e-7).scale(1e7));
    }
}

}  // namespace
}  // namespace vitro::test
