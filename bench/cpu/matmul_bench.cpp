// Products at Phi-3-mini's shapes against what the machine can do: decode (M = 1) against the memory's read bandwidth,
// prefill against the peak of fused multiply-adds or, with packed blocks, of integer products. Shares of a limit are
// medians of ratios measured back to back.
#include "backends/cpu/cpu_backend.h"
#include "base/half.h"
#include "bench/cpu/timing.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "ops/op_list.h"

#include <benchmark/benchmark.h>

#include <ctime>

namespace vitro::bench {
namespace {

constexpr std::size_t kPoolBytes = std::size_t{512} << 20;  // weights; many times a cache

CpuBackend& backend() {
    static CpuBackend only;
    return only;
}

/// Memory full of bf16 numbers in [-1, 1), also read as f32 ones.
std::span<const std::byte> weights() {
    static const Buffer buffer = [] {
        Buffer memory = backend().allocate(kPoolBytes, "weights");
        auto* values = reinterpret_cast<bf16*>(memory.data());
        constexpr std::size_t kPeriod = 65521;  // a prime: no power of two lines up with it
        for (std::size_t i = 0; i < kPoolBytes / sizeof(bf16); ++i)
            values[i] = i < kPeriod ? bf16(2 * random_uniform(1, i) - 1) : values[i - kPeriod];
        return memory;
    }();
    return {buffer.data(), buffer.bytes()};
}

/// One matmul whose b moves through the pool of weights from call to call; a linear of rounded activations, where b is
/// packed. What the numbers are makes no difference to the time.
struct Product {
    std::vector<std::int64_t> a_sizes, b_sizes, out_sizes;
    DType a_dtype, b_dtype;
    bool transpose_b;
    Buffer a, out, scratch;
    std::size_t at = 0;

    Product(std::vector<std::int64_t> a_shape, DType a_type, std::vector<std::int64_t> b_shape, DType b_type, bool t)
        : a_sizes(std::move(a_shape)), b_sizes(std::move(b_shape)), a_dtype(a_type), b_dtype(b_type), transpose_b(t) {
        if (is_packed(b_dtype)) a_dtype = DType::q8_32;
        out_sizes = a_sizes;
        out_sizes.back() = b_sizes[b_sizes.size() - (transpose_b ? 2 : 1)];
        a = backend().allocate(std::size_t(tensor(a_dtype, a_sizes).bytes()), "a");
        std::memcpy(a.data(), weights().data(), a.bytes());
        out = backend().allocate(std::size_t(tensor(out_dtype(), out_sizes).bytes()), "out");
        visit([&](Call& call) { scratch = backend().allocate(kernel().scratch(call), "scratch"); });
    }

    DType out_dtype() const { return is_rounded(a_dtype) ? DType::f32 : a_dtype; }
    const OpDef& op() const { return is_packed(b_dtype) ? kLinear : kMatmul; }
    const KernelDef& kernel() const { return *find_kernel(cpu_kernels(), op().name); }

    static Tensor tensor(DType dtype, const std::vector<std::int64_t>& sizes, void* data = nullptr) {
        return {dtype, sizes, data};
    }

    template <class Body>
    void visit(Body&& body) {
        auto* b = const_cast<std::byte*>(weights().data() + at);
        const Tensor given[] = {tensor(a_dtype, a_sizes, a.data()), tensor(b_dtype, b_sizes, b)};
        const std::vector<Tensor> inputs = with_absent(op(), std::span<const Tensor>(given), Tensor::none());
        const Tensor outputs[] = {tensor(out_dtype(), out_sizes, out.data())};
        const Attributes attributes = is_packed(b_dtype) ? Attributes(Linear{}) : Attributes(Matmul{transpose_b});
        Call call{inputs, outputs, attributes, backend(), {scratch.data(), scratch.bytes()}};
        body(call);
    }

    void run() {
        visit([&](Call& call) { kernel().run(call); });
        benchmark::DoNotOptimize(out.data());
        const std::size_t bytes = std::size_t(tensor(b_dtype, b_sizes).bytes());
        at += bytes;
        if (at + bytes > kPoolBytes) at = 0;
    }

    Cost cost() {
        Cost result;
        visit([&](Call& call) { result = op().cost(call); });
        return result;
    }
};

/// Runs `limit()` (a rate) and the product by turns; reports the product's rate, `amount` a call, and its share of the
/// limit, by the wall's clock and by the processors' time, which holds on a machine that others use too.
template <class Limit>
void compare(benchmark::State& state, Product& product, double amount, const char* unit, Limit&& limit) {
    std::vector<double> rates, limits, shares, cpu_shares;
    const auto cpu = [] { return double(std::clock()) / CLOCKS_PER_SEC; };  // of all threads
    product.run();
    for (auto _ : state) {
        const double begin = cpu();
        const double limit_time = seconds([&] { limits.push_back(limit()); });
        const double middle = cpu();
        const double time = seconds([&] { product.run(); });
        const double product_cpu = cpu() - middle, limit_cpu = middle - begin;
        rates.push_back(amount / time);
        shares.push_back(rates.back() / limits.back());
        cpu_shares.push_back(amount / product_cpu / (limits.back() * limit_time / limit_cpu));
        state.SetIterationTime(time);
    }
    state.counters[unit] = median(rates) * 1e-9;
    state.counters["limit"] = median(limits) * 1e-9;
    state.counters["of_limit"] = median(shares);
    state.counters["of_limit_cpu"] = median(cpu_shares);
}

/// args: M, K, N
void linear(benchmark::State& state, DType a_dtype, DType b_dtype) {
    const std::int64_t m = state.range(0), k = state.range(1), n = state.range(2);
    Product product({m, k}, a_dtype, {n, k}, b_dtype, true);
    const Cost cost = product.cost();
    if (m < 16) {
        std::size_t at = kPoolBytes / 2;
        compare(state, product, double(cost.bytes), "GB/s", [&] {
            const std::size_t bytes = std::size_t{48} << 20;
            at = at + 2 * bytes > kPoolBytes ? 0 : at + bytes;
            return cpu_limits().read_bandwidth(backend().pool(), weights().subspan(at, bytes));
        });
    } else if (is_packed(b_dtype)) {
        compare(state, product, double(cost.flops), "GOP/s",
                [] { return cpu_limits().integer_peak(backend().pool()); });
    } else {
        compare(state, product, double(cost.flops), "GFLOP/s", [] { return cpu_limits().fma_peak(backend().pool()); });
    }
}

/// args: heads, T, C, head dimension. Scores: [H, T, d] x [H, C, d]^T; values: [H, T, C] x [H, C, d].
void attention(benchmark::State& state, bool scores) {
    const std::int64_t h = state.range(0), t = state.range(1), c = state.range(2), d = state.range(3);
    Product product({h, t, scores ? d : c}, DType::f32, {h, c, d}, DType::f32, scores);
    compare(state, product, double(product.cost().flops), "GFLOP/s",
            [] { return cpu_limits().fma_peak(backend().pool()); });
}

void shapes(benchmark::internal::Benchmark* b, std::initializer_list<std::int64_t> rows) {
    b->ArgNames({"M", "K", "N"})->UseManualTime()->MinTime(1)->Unit(benchmark::kMillisecond);
    for (const std::int64_t m : rows) {
        for (const auto& [k, n] : {std::pair{3072, 9216}, {3072, 3072}, {3072, 16384}, {8192, 3072}})
            b->Args({m, k, n});
    }
}

void heads(benchmark::internal::Benchmark* b) {
    b->ArgNames({"H", "T", "C", "d"})->UseManualTime()->MinTime(0.5)->Unit(benchmark::kMillisecond);
    for (const std::int64_t t : {1, 128}) b->Args({32, t, 1024, 96});
}

void read_bandwidth_limit(benchmark::State& state) {
    std::vector<double> rates;
    for (auto _ : state) rates.push_back(cpu_limits().read_bandwidth(backend().pool(), weights()));
    state.counters["GB/s"] = median(rates) * 1e-9;
}

void fma_peak_limit(benchmark::State& state) {
    std::vector<double> rates;
    for (auto _ : state) rates.push_back(cpu_limits().fma_peak(backend().pool()));
    state.counters["GFLOP/s"] = median(rates) * 1e-9;
}

BENCHMARK(read_bandwidth_limit)->Unit(benchmark::kMillisecond);
void integer_peak_limit(benchmark::State& state) {
    std::vector<double> rates;
    for (auto _ : state) rates.push_back(cpu_limits().integer_peak(backend().pool()));
    state.counters["GOP/s"] = median(rates) * 1e-9;
}

BENCHMARK(integer_peak_limit)->Unit(benchmark::kMillisecond);
BENCHMARK(fma_peak_limit)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(linear, decode_f32_bf16, DType::f32, DType::bf16)->Apply([](auto* b) { shapes(b, {1}); });
BENCHMARK_CAPTURE(linear, decode_bf16_bf16, DType::bf16, DType::bf16)->Apply([](auto* b) { shapes(b, {1}); });
BENCHMARK_CAPTURE(linear, batch_f32_bf16, DType::f32, DType::bf16)->Apply([](auto* b) { shapes(b, {2, 4, 8}); });
BENCHMARK_CAPTURE(linear, prefill_f32_bf16, DType::f32, DType::bf16)->Apply([](auto* b) { shapes(b, {16, 128}); });
/// Decode, a few sequences together, and prefill with weights of a packed type.
template <DType dtype>
void packed_linear(benchmark::State& state) {
    linear(state, DType::f32, dtype);
}
void packed_shapes(benchmark::internal::Benchmark* b) { shapes(b, {1, 4, 8, 16, 128}); }
BENCHMARK(packed_linear<DType::q8_0_r16>)->Name("q8_0")->Apply(packed_shapes);
BENCHMARK(packed_linear<DType::q6_k_r16>)->Name("q6_k")->Apply(packed_shapes);
BENCHMARK(packed_linear<DType::q5_k_r16>)->Name("q5_k")->Apply(packed_shapes);
BENCHMARK(packed_linear<DType::q4_k_r16>)->Name("q4_k")->Apply(packed_shapes);
BENCHMARK(packed_linear<DType::q4_0_r16>)->Name("q4_0")->Apply(packed_shapes);
BENCHMARK_CAPTURE(attention, scores, true)->Apply(heads);
BENCHMARK_CAPTURE(attention, values, false)->Apply(heads);

}  // namespace
}  // namespace vitro::bench
