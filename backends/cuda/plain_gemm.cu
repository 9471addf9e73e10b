// gemm.h by a plain kernel: tiles of 16 x 16 sums, in fp32, a thread for each.
#include "backends/cuda/floats.h"
#include "backends/cuda/gemm.h"
#include "backends/cuda/launch.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kTile = 16;

template <class In, class Out>
__global__ void plain_gemm_kernel(const GemmCall call) {
    VITRO_SHARED(float, a_tile, kTile*(kTile + 1));
    VITRO_SHARED(float, b_tile, kTile*(kTile + 1));
    const int x = int(threadIdx.x), y = int(threadIdx.y);
    const std::int64_t row = std::int64_t(blockIdx.x) * kTile + y, column = std::int64_t(blockIdx.y) * kTile + x,
                       b_row = std::int64_t(blockIdx.y) * kTile + y;
    const auto* a = static_cast<const In*>(call.a);
    const auto* b = static_cast<const In*>(call.b);
    float sum = 0.0f;
    for (std::int64_t begin = 0; begin < call.k; begin += kTile) {
        const std::int64_t k = begin + x;
        a_tile[y * (kTile + 1) + x] = row < call.m && k < call.k ? to_float(a[row * call.a_stride + k]) : 0.0f;
        b_tile[y * (kTile + 1) + x] = b_row < call.n && k < call.k ? to_float(b[b_row * call.b_stride + k]) : 0.0f;
        __syncthreads();
        for (int i = 0; i < kTile; ++i) sum += a_tile[y * (kTile + 1) + i] * b_tile[x * (kTile + 1) + i];
        __syncthreads();
    }
    if (row >= call.m || column >= call.n) return;
    const std::int64_t at = row * call.c_stride + column;
    if (call.residual != nullptr) sum += to_float(static_cast<const Out*>(call.residual)[at]);
    if (call.bias != nullptr) sum += to_float(static_cast<const Out*>(call.bias)[column]);
    static_cast<Out*>(call.c)[at] = from_float<Out>(sum);
}

template <class In, class Out>
void launch_plain(const GemmCall& call, cudaStream_t stream) {
    launch(plain_gemm_kernel<In, Out>,
           {.name = "plain_gemm",
            .grid = {unsigned((call.m + kTile - 1) / kTile), unsigned((call.n + kTile - 1) / kTile)},
            .block = {kTile, kTile},
            .stream = stream},
           call.with_strides());
}

}  // namespace

std::string GemmCall::description() const {
    return fmt::format("m = {}, n = {}, k = {} in {} to {}", m, n, k, name(input), name(output));
}

void plain_gemm(const GemmCall& call, cudaStream_t stream) {
    if (call.m == 0 || call.n == 0) return;
    const auto with_input = [&]<class In>(In) {
        call.output == DType::f32 ? launch_plain<In, float>(call, stream) : launch_plain<In, In>(call, stream);
    };
    if (call.output == DType::f32 || call.output == call.input) {
        if (call.input == DType::f32) return with_input(float{});
        if (call.input == DType::f16) return with_input(__half{});
        if (call.input == DType::bf16) return with_input(__nv_bfloat16{});
    }
    fail("gemm: no product of {}", call.description());
}

}  // namespace vitro::VITRO_DEVICE
