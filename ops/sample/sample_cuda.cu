// A block a row once its largest logit is known, and no sorting: the k-th candidate, the last one of top-p and the one
// that is drawn are each found by descending through the digits of sample_order, with a histogram of how many
// candidates have each digit and what they weigh together. The sums are of whole numbers, so that the order in which
// threads add does not matter.
#include "ops/sample/sample.h"

#include "ops/common/largest_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr unsigned kThreads = 1024;
constexpr int kDigitBits = 11, kDigits = kOrderBits / kDigitBits, kBins = 1 << kDigitBits;
static_assert(kDigits * kDigitBits == kOrderBits && kBins == 2 * kThreads);
constexpr unsigned kListed = 4096;  // so few candidates are listed, and the rest of the row is not read again

using Weight = unsigned long long;

/// One row of logits, and its candidates that are still in.
struct Candidates {
    Elements logits;
    std::int64_t row;  // where it begins
    int n;
    float largest, temperature;
    Weight end = ~Weight{0};  // those of a lower order are in
    Weight least = 0;         // and of those the ones of at least this weight
    int* list;                // shared, [kListed]
    int listed = -1;          // how many stand in the list, or -1: all tokens

    /// Calls body(token, order, weight) for each, shared among the block's threads.
    template <class Body>
    __device__ void each(Body&& body) const {
        const int count = listed < 0 ? n : listed;
        for (int i = int(threadIdx.x); i < count; i += int(blockDim.x)) {
            const int token = listed < 0 ? i : list[i];
            const float distance = sample_distance(load<1>(logits, row + token).at[0], largest, temperature);
            if (!(distance <= kFarthestCandidate)) continue;
            const Weight order = sample_order(distance, token), weight = sample_weight(distance);
            if (order < end && weight >= least) body(token, order, weight);
        }
    }
};

/// What the block shares of a descent.
struct Shared {
    unsigned* counts;       // [kBins], aligned for two at a time
    Weight* weights;        // [kBins], the same
    unsigned* warp_counts;  // [32]
    Weight* warp_weights;   // [32]
    int* list_size;
};

struct Totals {
    unsigned count;
    Weight weight;
};

/// The bin in which the sum of counts, or of weights, exceeds a target.
struct Bin {
    int digit;
    unsigned count;  // in it
    Weight before;   // the sum before it
    Weight through;  // count of those in it and before it
};

enum class Stage { top_k, top_p, draw };

__device__ void fill_histogram(const Candidates& candidates, const Shared& shared, Weight prefix, int shift) {
    for (unsigned i = threadIdx.x; i < kBins; i += kThreads) {
        shared.counts[i] = 0;
        shared.weights[i] = 0;
    }
    __syncthreads();
    candidates.each([&](int, Weight order, Weight weight) {
        if (order >> (shift + kDigitBits) != prefix) return;
        const auto digit = static_cast<unsigned>(order >> shift) % kBins;
        atomicAdd(&shared.counts[digit], 1u);
        atomicAdd(&shared.weights[digit], weight);
    });
    __syncthreads();
}

/// Sums of the histogram before this thread's two bins, and of all of it.
__device__ Totals sums_before(const Shared& shared, Totals& all) {
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const uint2 counts = reinterpret_cast<const uint2*>(shared.counts)[threadIdx.x];  // both bins at once
    const ulonglong2 weights = reinterpret_cast<const ulonglong2*>(shared.weights)[threadIdx.x];
    const Totals own{counts.x + counts.y, weights.x + weights.y};
    Totals through = own;
    for (unsigned offset = 1; offset < 32; offset *= 2) {
        const unsigned count = __shfl_up_sync(0xffffffffu, through.count, offset);
        const Weight weight = __shfl_up_sync(0xffffffffu, through.weight, offset);
        if (lane >= offset) through = {through.count + count, through.weight + weight};
    }
    if (lane == 31) {
        shared.warp_counts[warp] = through.count;
        shared.warp_weights[warp] = through.weight;
    }
    __syncthreads();
    Totals before{through.count - own.count, through.weight - own.weight};
    all = {0, 0};
#pragma unroll 4  // registers do not last for all at once
    for (unsigned i = 0; i < kThreads / 32; ++i) {
        const Totals each{shared.warp_counts[i], shared.warp_weights[i]};
        if (i < warp) before = {before.count + each.count, before.weight + each.weight};
        all = {all.count + each.count, all.weight + each.weight};
    }
    return before;
}

/// The bin that `target` falls into, for every thread; it is less than the sum of all.
__device__ Bin find_bin(const Shared& shared, bool by_weight, const Totals& before, Weight target) {
    VITRO_SHARED(Bin, found, 1);
    const uint2 counts = reinterpret_cast<const uint2*>(shared.counts)[threadIdx.x];
    const ulonglong2 weights = reinterpret_cast<const ulonglong2*>(shared.weights)[threadIdx.x];
    Totals sum = before;
    const auto look_at = [&](unsigned bin, unsigned count, Weight weight) {
        const Weight own = by_weight ? weight : count, own_before = by_weight ? sum.weight : sum.count;
        if (target >= own_before && target - own_before < own)
            *found = {int(bin), count, own_before, sum.count + count};
        sum = {sum.count + count, sum.weight + weight};
    };
    look_at(2 * threadIdx.x, counts.x, weights.x);
    look_at(2 * threadIdx.x + 1, counts.y, weights.y);
    __syncthreads();
    return *found;
}

/// Lists the candidates, of which there are at most kListed.
__device__ void list_candidates(Candidates& candidates, const Shared& shared) {
    if (threadIdx.x == 0) *shared.list_size = 0;
    __syncthreads();
    candidates.each([&](int token, Weight, Weight) { candidates.list[atomicAdd(shared.list_size, 1)] = token; });
    __syncthreads();
    candidates.listed = *shared.list_size;
}

/// Leaves the candidates up to the one that the stage looks for; in the draw's case, that one is the last.
__device__ void descend(Candidates& candidates, const Shared& shared, Stage stage, const SampleRow& row) {
    Weight prefix = 0, target = 0;
    for (int digit = kDigits - 1;; --digit) {
        const int shift = digit * kDigitBits;
        fill_histogram(candidates, shared, prefix, shift);
        Totals all;
        const Totals before = sums_before(shared, all);
        if (digit == kDigits - 1) {
            if (stage == Stage::top_k && all.count <= static_cast<unsigned>(row.top_k)) return;
            target = stage == Stage::top_k   ? static_cast<Weight>(row.top_k) - 1
                     : stage == Stage::top_p ? top_p_weight(row.top_p, all.weight) - 1
                                             : drawn_weight(random_uniform(row.seed, Weight(row.position)), all.weight);
        }
        const Bin bin = find_bin(shared, stage != Stage::top_k, before, target);
        target -= bin.before;
        prefix = prefix << kDigitBits | static_cast<unsigned>(bin.digit);
        candidates.end = min(candidates.end, (prefix + 1) << shift);
        if (bin.count == 1 || digit == 0) return;
        if (candidates.listed < 0 && digit == kDigits - 1 && bin.through <= kListed)
            list_candidates(candidates, shared);
    }
}

__global__ void __launch_bounds__(kThreads)
    sample_kernel(Elements logits, Elements options, const std::int32_t* integers, std::int32_t* out, int n, bool wide,
                  const LargestParts parts) {
    VITRO_SHARED(uint2, counts, kThreads);
    VITRO_SHARED(ulonglong2, weights, kThreads);
    VITRO_SHARED(int, list, kListed);
    VITRO_SHARED(unsigned, warp_counts, 32);
    VITRO_SHARED(Weight, warp_weights, 32);
    VITRO_SHARED(int, list_size, 1);
    const std::int64_t begin = std::int64_t(blockIdx.x) * n;
    allow_next_kernel();
    wait_for_previous_kernel();
    Largest largest;
    if (!largest_of_row(logits, n, wide, parts, warp_weights, largest)) return;
    const std::int32_t* own = integers + blockIdx.x * SampleRow::kIntegers;
    const std::int64_t own_options = blockIdx.x * SampleRow::kOptions;
    SampleRow row;
    row.temperature = load<1>(options, own_options).at[0];
    row.top_p = load<1>(options, own_options + 1).at[0];
    row.min_p = load<1>(options, own_options + 2).at[0];
    row.top_k = own[0];
    row.position = own[1];
    row.seed = Weight(unsigned(own[3])) << 32 | unsigned(own[2]);
    const bool are_numbers = largest.value < INFINITY;
    if (threadIdx.x == 0) out[blockIdx.x] = are_numbers ? largest.index : -1;
    if (!are_numbers || !(row.temperature > 0) || largest.value == -INFINITY) return;

    Candidates candidates{logits, begin, n, largest.value, row.temperature};
    candidates.list = list;
    const Shared shared{reinterpret_cast<unsigned*>(counts), reinterpret_cast<Weight*>(weights), warp_counts,
                        warp_weights, list_size};
    if (row.top_k > 0) descend(candidates, shared, Stage::top_k, row);
    if (row.top_p < 1) descend(candidates, shared, Stage::top_p, row);
    candidates.least = min_p_weight(row.min_p);
    descend(candidates, shared, Stage::draw, row);
    // The one of the highest order; it is alone in its bin, or in its last digit.
    VITRO_SHARED(Weight, last, 1);
    if (threadIdx.x == 0) *last = 0;
    __syncthreads();
    candidates.each([&](int, Weight order, Weight) { atomicMax(last, order); });
    __syncthreads();
    if (threadIdx.x == 0) out[blockIdx.x] = token_of_order(*last);
}

LargestParts parts_of(const Call& call) {
    const Tensor& logits = call.in(0);
    return {logits.dim(0), kernel_int(logits.dim(1)), backend_of(call), call.scratch};
}

std::size_t scratch(const Call& call) {
    return LargestParts::bytes(call.in(0).dim(0), kernel_int(call.in(0).dim(1)), backend_of(call));
}

void run(const Call& call) {
    const Tensor &logits = call.in(0), &out = call.out();
    if (out.elements() == 0) return;
    const int n = kernel_int(logits.dim(1));
    const LargestParts parts = parts_of(call);
    launch(sample_kernel,
           {.name = "sample",
            .grid = {unsigned(kernel_int(logits.dim(0))), unsigned(parts.count)},
            .block = kThreads,
            .stream = stream_of(call),
            .programmatic = true},
           elements_of(logits), elements_of(call.in(1)), call.in(2).as<std::int32_t>(), out.as<std::int32_t>(), n,
           takes_wide({&logits}, n), parts);
}

}  // namespace

extern const KernelDef kSampleCuda{.op = "sample", .run = run, .scratch = scratch};

}  // namespace vitro::VITRO_DEVICE
