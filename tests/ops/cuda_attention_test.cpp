// Attention on CUDA reads what the caches hold of earlier steps before the kernel in front has ended. The emulation
// runs a programmatic kernel up to its wait before the kernel in front: what is read too early is old.
#include "backends/cuda/devices.h"
#include "base/half.h"
#include "ops/attention/attention.h"
#include "ops/kv_append/kv_append.h"
#include "tests/ops/cuda_kernel.h"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

namespace vitro::test {
namespace {

constexpr std::int64_t kD = 64, kSlots = 16;
constexpr std::uint64_t kAllEarly = 0b1111110;  // all inputs but q

/// A step of attention whose kernel in front writes rows of a cache of values.
class StepOfAttention {
public:
    /// Tokens of one sequence that holds `length` positions, all zeros: every key weighs the same.
    StepOfAttention(std::int64_t length, std::vector<std::int32_t> positions)
        : backend_(cuda_emulated::make_backend()),
          n_(std::ssize(positions)),
          length_(length),
          pages_((length + kSlots - 1) / kSlots) {
        std::vector<std::int32_t> table(static_cast<std::size_t>(pages_));
        for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::int32_t>(table.size() - 1 - i);
        q_ = zeros({n_, 1, kD});
        k_ = zeros({pages_, kSlots, 1, kD});
        v_ = zeros({pages_, kSlots, 1, kD});
        positions_ = ints(positions);
        sequences_ = ints(std::vector<std::int32_t>(positions.size(), 0));
        table_ = ints(table);
        table_.rank = 2;
        table_.sizes[0] = 1;
        table_.sizes[1] = pages_;
        lengths_ = ints({static_cast<std::int32_t>(length)});
    }

    /// The kernel in front writes `value` at the positions; then what attention gives for the step's tokens, the first
    /// element of each, times how many keys there are: the sum of the values that it has read.
    std::vector<float> sums(const std::vector<std::int32_t>& written, float value, std::uint64_t fixed_inputs) {
        const std::int64_t count = std::ssize(written);
        const Tensor rows = filled({count, 1, kD}, value), at = ints(written),
                     of = ints(std::vector<std::int32_t>(written.size(), 0)), append[] = {v_, rows, at, of, table_};
        const Attributes none;

        const Tensor out = zeros({n_, kD}), inputs[] = {q_, k_, v_, positions_, sequences_, table_, lengths_};
        const Attributes attention = Attention{.visibility = {.causal = false}};
        Call call{inputs, {&out, 1}, attention, *backend_};
        call.fixed_inputs = fixed_inputs;
        const KernelDef& kernel = cuda_kernel("attention");
        // All memory is there before: an upload would wait for the kernel in front.
        const Buffer scratch = backend_->allocate(kernel.scratch(call), "scratch");
        call.scratch = {scratch.data(), kernel.scratch(call)};
        cuda_kernel("kv_append").run({append, {&v_, 1}, none, *backend_});
        kernel.run(call);
        std::vector<bf16> found(static_cast<std::size_t>(out.elements()));
        backend_->synchronize();
        backend_->download(found.data(), out.data, found.size() * sizeof(bf16));
        std::vector<float> sums;
        for (std::int64_t token = 0; token < n_; ++token)
            sums.push_back(float(found[static_cast<std::size_t>(token * kD)]) * static_cast<float>(length_));
        return sums;
    }

private:
    Tensor filled(std::vector<std::int64_t> sizes, float value) {
        Tensor out(DType::bf16, sizes, nullptr);
        const std::vector<bf16> values(static_cast<std::size_t>(out.elements()), bf16(value));
        return uploaded(out, values.data());
    }
    Tensor zeros(std::vector<std::int64_t> sizes) { return filled(std::move(sizes), 0.0f); }
    Tensor ints(const std::vector<std::int32_t>& values) {
        const std::int64_t size = std::ssize(values);
        return uploaded(Tensor(DType::i32, {&size, 1}, nullptr), values.data());
    }
    Tensor uploaded(Tensor out, const void* values) {
        const auto bytes = static_cast<std::size_t>(out.bytes());
        out.data = buffers_.emplace_back(backend_->allocate(bytes, "a test")).data();
        backend_->upload(out.data, values, bytes);
        return out;
    }

    std::unique_ptr<Backend> backend_;
    std::vector<Buffer> buffers_;
    std::int64_t n_, length_, pages_;
    Tensor q_, k_, v_, positions_, sequences_, table_, lengths_;
};

constexpr float kValue = 64.0f;  // and lengths are powers of two: means of it are exact

}  // namespace

TEST_CASE("rows that the kernel in front writes for the step's own tokens are read after it has ended") {
    for (const std::uint64_t early : {std::uint64_t{0}, kAllEarly}) {
        CAPTURE(early);
        for (const std::int64_t length : {1, 16, 64, 256, 1024}) {
            CAPTURE(length);
            const auto last = static_cast<std::int32_t>(length - 1);
            CHECK(StepOfAttention(length, {last}).sums({last}, kValue, early) == std::vector{kValue});
            if (length == 1) continue;
            // Several tokens of one sequence: the last one sees rows of the others.
            CHECK(StepOfAttention(length, {last - 1, last}).sums({last - 1, last}, kValue, early) ==
                  std::vector{2 * kValue, 2 * kValue});
            CHECK(StepOfAttention(length, {last, 0}).sums({0, last}, kValue, early) ==
                  std::vector{2 * kValue, 2 * kValue});
        }
    }
}

TEST_CASE(
    "rows of earlier steps are read before the kernel in front has ended, and not unless all is known to be there") {
    // The kernel in front writes position 0, which is no token's of this step: whoever says that it may be read early
    // is wrong, and the emulation shows it.
    constexpr std::int64_t kLength = 256;
    CHECK(StepOfAttention(kLength, {kLength - 1}).sums({0}, kValue, kAllEarly) == std::vector{0.0f});
    for (std::size_t input = Attention::kKCache; input <= Attention::kLengths; ++input) {
        CAPTURE(input);
        CHECK(StepOfAttention(kLength, {kLength - 1}).sums({0}, kValue, kAllEarly & ~(std::uint64_t{1} << input)) ==
              std::vector{kValue});
    }
}

}  // namespace vitro::test
