// A unit of work is a few rows of one expert's matrix, for all that chose it: a step reads each row of a matrix once
// for up to kChosen of them, and no row of a matrix that nobody chose.
#include "backends/cpu/simd.h"
#include "base/blocks.h"
#include "ops/common/parallel.h"
#include "ops/expert_linear/expert_linear.h"

#include <algorithm>
#include <limits>

namespace vitro::inline VITRO_ISA {
namespace {

constexpr std::int64_t kRows = 8;     // of a matrix in a unit
constexpr std::int64_t kChosen = 16;  // rows of x at once
constexpr std::int64_t kChunk = 256;  // elements of a row of weights that stand as fp32

/// Elements [at, at + n) of the weights as fp32: in `buffer`, unless they are.
const float* expanded(const Tensor& weight, std::int64_t at, std::int64_t n, float* buffer) {
    if (weight.dtype == DType::f32) return weight.as<float>() + at;
    if (is_block_quantized(weight.dtype)) {
        dequantize(weight.dtype, weight.as<std::byte>() + bytes_of(weight.dtype, at), n, buffer);
        return buffer;
    }
    dispatch_stored_float(weight.dtype, [&]<class W>(W) {
        simd::each(n, [&](std::int64_t i, auto lanes) {
            simd::store(buffer + i, simd::load(weight.as<W>() + at + i, lanes), lanes);
        });
    });
    return buffer;
}

template <class X>
class Product {
public:
    explicit Product(const Call& call)
        : x_(call.in(ExpertLinear::kX)),
          weight_(call.in(ExpertLinear::kWeight)),
          experts_(call.in(ExpertLinear::kExperts)),
          bias_(call.in(ExpertLinear::kBias)),
          out_(call.out()),
          n_(weight_.dim(1)),
          k_(weight_.dim(2)),
          units_(weight_.dim(0) * units_per_expert()) {}

    void run(const Call& call) const {
        const std::int64_t work = experts_.elements() * n_ * k_ / std::max<std::int64_t>(1, units_);
        parallel_rows(call, units_, work, [&](std::int64_t unit) {
            const std::int64_t first = unit % units_per_expert() * kRows;
            each_chosen(unit / units_per_expert(), [&](const std::int64_t* chosen, std::int64_t count) {
                for (std::int64_t row = first; row < std::min(first + kRows, n_); ++row)
                    multiply(unit / units_per_expert(), row, chosen, count);
            });
        });
        for (std::int64_t r = 0; r < experts_.elements(); ++r)
            if (const std::int32_t expert = experts_.as<std::int32_t>()[r]; expert < 0 || expert >= weight_.dim(0))
                std::fill_n(out_.as<X>() + r * n_, n_, X(std::numeric_limits<float>::quiet_NaN()));
    }

private:
    std::int64_t units_per_expert() const { return (n_ + kRows - 1) / kRows; }

    /// Calls take(rows, count) with the rows of `experts` that name this one, at most kChosen at a time.
    template <class Take>
    void each_chosen(std::int64_t expert, Take&& take) const {
        std::int64_t chosen[kChosen], count = 0;
        for (std::int64_t r = 0; r < experts_.elements(); ++r) {
            if (experts_.as<std::int32_t>()[r] != expert) continue;
            chosen[count++] = r;
            if (count < kChosen) continue;
            take(chosen, count);
            count = 0;
        }
        if (count > 0) take(chosen, count);
    }

    void multiply(std::int64_t expert, std::int64_t row, const std::int64_t* chosen, std::int64_t count) const {
        const std::int64_t of_matrix = expert * n_ + row, choices = experts_.dim(1);
        simd::Floats sums[kChosen] = {};
        float buffer[kChunk + simd::kLanes];
        for (std::int64_t begin = 0; begin < k_; begin += kChunk) {
            const std::int64_t size = std::min(kChunk, k_ - begin);
            const float* weights = expanded(weight_, of_matrix * k_ + begin, size, buffer);
            for (std::int64_t c = 0; c < count; ++c) {
                const X* from = x_.as<X>() + (x_.rank == 2 ? chosen[c] / choices : chosen[c]) * k_ + begin;
                simd::each(size, [&](std::int64_t i, auto lanes) {
                    sums[c] += simd::load(from + i, lanes) * simd::load(weights + i, lanes);
                });
            }
        }
        float bias = 0;
        if (!bias_.absent) dispatch_float(bias_.dtype, [&]<class B>(B) { bias = float(bias_.as<B>()[of_matrix]); });
        for (std::int64_t c = 0; c < count; ++c) out_.as<X>()[chosen[c] * n_ + row] = X(simd::sum(sums[c]) + bias);
    }

    Tensor x_, weight_, experts_, bias_, out_;
    std::int64_t n_, k_, units_;
};

void run(const Call& call) {
    dispatch_float(call.out().dtype, [&]<class X>(X) { Product<X>(call).run(call); });
}

}  // namespace

extern const KernelDef kExpertLinearCpu{.op = "expert_linear", .run = run};

}  // namespace vitro::inline VITRO_ISA
