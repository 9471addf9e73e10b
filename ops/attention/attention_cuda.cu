// Which kernel takes a step, and the plain one for what the tensor cores do not take.
#include "backends/cuda/reduce.h"
#include "ops/attention/attention.h"
#include "ops/attention/attention_decode_cuda.h"
#include "ops/attention/attention_prefill_cuda.h"
#include "ops/common/refuse_blocks.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kThreads = 128;

/// A block: one token and head, of any dtypes and size. A thread has a key of each kThreads, then elements of the sums.
__global__ void __launch_bounds__(kThreads, 8) attention_plain_kernel(const AttentionTensors a) {
    VITRO_SHARED(float, weights, kThreads);
    VITRO_SHARED(int, rows, kThreads);
    VITRO_SHARED(float, partial, 32);
    VITRO_SHARED(float, partial_sum, 32);
    float* const sums = dynamic_shared<float>();  // [d]
    const int token = int(blockIdx.x), head = int(blockIdx.y), kv_head = head / (a.heads / a.kv_heads);
    const int thread = int(threadIdx.x);
    allow_next_kernel();
    wait_for_previous_kernel();
    const int2 seen = a.visible(token);
    const std::int64_t at = (std::int64_t(token) * a.heads + head) * a.d;
    for (int i = thread; i < a.d; i += kThreads) sums[i] = 0.0f;
    float largest = -INFINITY, total = 0.0f;
    for (int begin = seen.x; begin < seen.y; begin += kThreads) {
        const int keys = min(kThreads, seen.y - begin);
        float score = -INFINITY;
        if (thread < keys) {
            rows[thread] = int(a.pages.row(a.sequences[token], begin + thread));
            const std::int64_t row = (std::int64_t(rows[thread]) * a.kv_heads + kv_head) * a.d;
            score = 0.0f;
            for (int i = 0; i < a.d; ++i) score += load<1>(a.q, at + i).at[0] * load<1>(a.k_cache, row + i).at[0];
            score = (a.cap == 0.0f ? score : a.cap * tanhf(score / a.cap)) * a.log2_scale;
        }
        const float high = fmaxf(fmaxf(largest, kLeastScore), reduce_block(score, partial, Maximum{}));
        const float shrink = exp2f(largest - high), weight = exp2f(score - high);
        largest = high;
        weights[thread] = weight;
        total = total * shrink + reduce_block(weight, partial_sum, Sum{});
        for (int i = thread; i < a.d; i += kThreads) {
            float sum = sums[i] * shrink;
            for (int key = 0; key < keys; ++key)
                sum +=
                    weights[key] * load<1>(a.v_cache, (std::int64_t(rows[key]) * a.kv_heads + kv_head) * a.d + i).at[0];
            sums[i] = sum;
        }
        __syncthreads();
    }
    for (int i = thread; i < a.d; i += kThreads) store<1>(a.out, at + i, {{seen.x < seen.y ? sums[i] / total : 0.0f}});
}

/// What the softcap of scaled scores is to the products themselves; 0: none, also where it is beyond all of them.
float cap_of_products(const Attention& attention) {
    constexpr float kLeast = 1e-30f;  // its reciprocal is a number
    if (attention.softcap == 0.0f || attention.scale == 0.0f) return 0.0f;
    const float cap = attention.softcap / std::abs(attention.scale);
    return std::isfinite(cap) ? std::max(cap, kLeast) : 0.0f;
}

AttentionTensors tensors_of(const Call& call) {
    constexpr float kLog2E = 1.44269504f;
    constexpr Attention::Input kEarly[] = {Attention::kKCache,    Attention::kVCache,    Attention::kPositions,
                                           Attention::kSequences, Attention::kPageTable, Attention::kLengths};
    const auto& attention = call.attributes.as<Attention>();
    const float cap = cap_of_products(attention);
    const Tensor &q = call.in(Attention::kQ), &cache = call.in(Attention::kKCache);
    return {.q = elements_of(q),
            .k_cache = elements_of(cache),
            .v_cache = elements_of(call.in(Attention::kVCache)),
            .out = elements_of(call.out()),
            .positions = call.in(Attention::kPositions).as<std::int32_t>(),
            .sequences = call.in(Attention::kSequences).as<std::int32_t>(),
            .lengths = call.in(Attention::kLengths).as<std::int32_t>(),
            .pages = DevicePages(cache, call.in(Attention::kPageTable)),
            .tokens = kernel_int(q.dim(0)),
            .heads = kernel_int(q.dim(1)),
            .kv_heads = kernel_int(cache.dim(2)),
            .d = kernel_int(q.dim(2)),
            .visibility = attention.visibility,
            .log2_scale = attention.scale * kLog2E,
            .cap = cap,
            .by_cap = cap == 0.0f ? 0.0f : 2.0f * kLog2E / cap,
            .reads_early = std::all_of(std::begin(kEarly), std::end(kEarly), [&](auto i) { return call.is_fixed(i); })};
}

bool on_tensor_cores(const Call& call) {
    const DType dtype = call.in(Attention::kQ).dtype, cached = call.in(Attention::kKCache).dtype;
    return dtype != DType::f32 && (cached == dtype || cached == DType::f8e4m3) &&
           call.attributes.as<Attention>().scale != 0.0f &&
           with_head_size(static_cast<int>(call.in(Attention::kQ).dim(2)), [](auto) { return true; });
}

/// Whole prompts, rather than some tokens of each sequence: then tokens share the keys that they read.
bool is_prefill(const Call& call) {
    constexpr std::int64_t kTokensPerSequence = 8;
    return call.in(Attention::kQ).dim(0) >= kTokensPerSequence * call.in(Attention::kPageTable).dim(0);
}

/// DecodeSplits or PrefillSplits, where the device has so many multiprocessors.
template <class Splits>
Splits splits_of(const Call& call, int multiprocessors) {
    const Tensor &q = call.in(Attention::kQ), &cache = call.in(Attention::kKCache);
    const std::int64_t held = call.in(Attention::kPageTable).dim(1) * cache.dim(1);
    return Splits(q.dim(0), q.dim(1), cache.dim(2), q.dim(2), call.attributes.as<Attention>().visibility.most(held),
                  multiprocessors);
}

std::size_t scratch(const Call& call) {
    if (!on_tensor_cores(call)) return 0;
    const int multiprocessors = backend_of(call).multiprocessors();
    return std::max(splits_of<DecodeSplits>(call, multiprocessors).most_bytes,
                    splits_of<PrefillSplits>(call, multiprocessors).most_bytes);
}

bool run_on_tensor_cores(const Call& call, const AttentionTensors& a, CudaBackend& backend) {
    constexpr int kWgmmaTokens = 64;  // fewer leave most of a group's rows empty
    const int multiprocessors = backend.multiprocessors();
    std::byte* const memory = call.scratch.data();
    if (!is_prefill(call))
        return launch_attention_decode(a, splits_of<DecodeSplits>(call, multiprocessors),
                                       reinterpret_cast<float*>(memory),
                                       NextWeights(backend.prefetched(call.next_weights)), backend);
    // One block of it fills a multiprocessor, where two of the other kernel do.
    if (backend.has_wgmma() && a.tokens >= kWgmmaTokens &&
        launch_attention_hopper(a, splits_of<PrefillSplits>(call, multiprocessors / 2), memory, backend))
        return true;
    return launch_attention_prefill(a, splits_of<PrefillSplits>(call, multiprocessors), memory, backend);
}

void run(const Call& call) {
    const AttentionTensors a = tensors_of(call);
    CudaBackend& backend = backend_of(call);
    if (a.tokens == 0) return;
    if (on_tensor_cores(call) && run_on_tensor_cores(call, a, backend)) return;
    launch(attention_plain_kernel,
           {.name = "attention_plain",
            .grid = {unsigned(a.tokens), unsigned(a.heads)},
            .block = kThreads,
            .shared_bytes = sizeof(float) * std::size_t(a.d),
            .stream = backend.stream(),
            .programmatic = true},
           a);
}

std::string refuses(std::span<const TensorType> inputs, std::span<const TensorType> outputs,
                    const Attributes& attributes) {
    if (std::string reason = refuse_blocks(inputs, outputs, attributes); !reason.empty()) return reason;
    if (!attributes.as<Attention>().visibility.is_range())
        return "expected keys that are seen to be neighbours, found a pattern";
    constexpr std::int64_t kMostElements = 8192;  // of a head, in shared memory
    const std::int64_t d = inputs[Attention::kQ].dim(2).size;
    return d <= kMostElements ? "" : fmt::format("expected heads of at most {} elements, found {}", kMostElements, d);
}

bool rounds_between(const Call& call) { return on_tensor_cores(call) && is_prefill(call); }

}  // namespace

extern const KernelDef kAttentionCuda{
    .op = "attention", .run = run, .refuses = refuses, .scratch = scratch, .rounds_between = rounds_between};

}  // namespace vitro::VITRO_DEVICE
