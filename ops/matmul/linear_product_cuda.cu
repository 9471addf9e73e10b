// Few tokens: one kernel, at the speed of the memory that holds the weights. Many: the norm, a Gemm, the rest.
#include "ops/matmul/linear_product_cuda.h"

#include "ops/common/activations_cuda.h"
#include "ops/matmul/large_product_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

__device__ inline float activate(ProductActivation activation, float x) {
    switch (activation) {
        case ProductActivation::silu:
            return Silu{}(x);
        case ProductActivation::gelu:
            return GeluErf{}(x);
        case ProductActivation::gelu_tanh:
            return GeluTanh{}(x);
        case ProductActivation::relu:
            return Relu{}(x);
        default:
            return x;
    }
}

/// Bias, activation, gate and residual. Gated: a row of the gate and its up; else 16 rows in order.
struct LinearEpilogue {
    Elements out, bias, residual;  // [tokens, m], [n], [tokens, m]; the latter two may be null
    int m;
    ProductActivation activation;
    bool gated;

    int units() const { return gated ? (m + 7) / 8 : (m + 15) / 16; }
    __device__ RowGroups rows(int unit) const {
        if (gated) {
            const int count = min(8, m - 8 * unit);
            return {{8 * unit, m + 8 * unit}, {count, count}};
        }
        const int first = 16 * unit;
        return {{first, first + 8}, {min(8, m - first), max(0, min(8, m - first - 8))}};
    }

    struct Loaded {
        float bias[2], residual[2];
    };
    __device__ Loaded load(const OutputRows& output) const {
        Loaded loaded{};
        for (int r = 0; r < 2; ++r) {
            if (output.i >= output.rows.count[r]) continue;
            const int row = output.rows.first[r] + output.i;
            if (bias.data) loaded.bias[r] = cuda_load(bias, row);
            if (residual.data && !(gated && r == 1)) loaded.residual[r] = cuda_load(residual, at(output, row));
        }
        return loaded;
    }
    __device__ void finish(const OutputRows& output, const Loaded& loaded, float first, float second) const {
        first += loaded.bias[0];
        second += loaded.bias[1];
        const int row = output.rows.first[0] + output.i;
        if (gated) {
            cuda_store(out, at(output, row), activate(activation, first) * second + loaded.residual[0]);
            return;
        }
        if (output.i < output.rows.count[0])
            cuda_store(out, at(output, row), activate(activation, first) + loaded.residual[0]);
        if (output.i < output.rows.count[1])
            cuda_store(out, at(output, row + 8), activate(activation, second) + loaded.residual[1]);
    }

private:
    __device__ std::int64_t at(const OutputRows& output, int row) const { return std::int64_t(output.token) * m + row; }
    __device__ static float cuda_load(const Elements& x, std::int64_t i) { return VITRO_DEVICE::load<1>(x, i).at[0]; }
    __device__ static void cuda_store(const Elements& x, std::int64_t i, float value) { store<1>(x, i, {{value}}); }
};

/// The same for sums in memory, z [tokens, n]; a thread for 8 elements of out in a row, or 1.
template <int kCount>
__global__ void finish_linear_kernel(Elements z, const Product p, const LinearEpilogue e) {
    const int column = int(blockIdx.y * blockDim.x + threadIdx.x) * kCount;
    allow_next_kernel();
    wait_for_previous_kernel();
    if (column >= e.m) return;
    const std::int64_t row = blockIdx.x, at = row * e.m + column;
    auto y = load<kCount>(z, row * p.n + column);
    Floats<kCount> bias{}, up_bias{}, up, residual{};
    if (e.bias.data) bias = load<kCount>(e.bias, column);
    if (e.gated) up = load<kCount>(z, row * p.n + e.m + column);
    if (e.gated && e.bias.data) up_bias = load<kCount>(e.bias, e.m + column);
    if (e.residual.data) residual = load<kCount>(e.residual, at);
    for (int i = 0; i < kCount; ++i) {
        float value = activate(e.activation, y.at[i] * p.scale_of(column + i) + bias.at[i]);
        if (e.gated) value *= up.at[i] * p.scale_of(e.m + column + i) + up_bias.at[i];
        y.at[i] = value + residual.at[i];
    }
    store(e.out, at, y);
}

void launch_finish_linear(const Elements& z, const Product& p, const LinearEpilogue& e, bool wide,
                          LaunchStream stream) {
    constexpr unsigned kThreads = 256;
    const auto with = [&](auto kernel, int count) {
        launch(kernel,
               {.name = "finish_linear",
                .grid = {unsigned(p.tokens), blocks_for((e.m + count - 1) / count, kThreads)},
                .block = kThreads,
                .stream = stream,
                .programmatic = true},
               z, p, e);
    };
    wide ? with(finish_linear_kernel<kWide>, kWide) : with(finish_linear_kernel<1>, 1);
}

/// Whether Gemm leaves something to do.
bool needs_finish(const LinearProduct& p) {
    const auto differs = [&](const Tensor& tensor) { return !tensor.absent && tensor.dtype != p.out.dtype; };
    return !p.weight_scale.absent || p.gated || p.activation != ProductActivation::none || differs(p.bias) ||
           differs(p.residual);
}

LargeProductScratch scratch_of(const LinearProduct& p) {
    return {p.x, p.weight, !p.norm_weight.absent, needs_finish(p)};
}

}  // namespace

bool LinearProduct::is_large() const { return is_large_product(x.dim(0), x.dtype, weight.dtype); }

std::size_t LinearProduct::scratch() const { return is_large() ? scratch_of(*this).all() : 0; }

void LinearProduct::run(const Call& call) const {
    if (out.elements() == 0) return;
    const Product p{.x = elements_of(x),
                    .weight = elements_of(weight),
                    .scale = elements_of(weight_scale),
                    .norm = elements_of(norm_weight),
                    .eps = eps,
                    .tokens = kernel_int(x.dim(0)),
                    .n = kernel_int(weight.dim(0)),
                    .k = kernel_int(x.dim(1)),
                    .fixed_weights = fixed_weights};
    const LinearEpilogue epilogue{.out = elements_of(out),
                                  .bias = elements_of(bias),
                                  .residual = elements_of(residual),
                                  .m = kernel_int(out.dim(1)),
                                  .activation = activation,
                                  .gated = gated};
    CudaBackend& backend = backend_of(call);
    if (!is_large()) {
        launch_product("linear", p, epilogue.units(), epilogue, backend);
        return;
    }
    const bool finish = needs_finish(*this);
    const Elements z =
        launch_large_product(p, scratch_of(*this), call.scratch.data(), finish ? nullptr : out.data,
                             finish ? nullptr : epilogue.bias.data, finish ? nullptr : epilogue.residual.data, backend);
    if (!finish) return;
    bool wide = takes_wide({&out}, out.dim(1));
    for (const Tensor* tensor : {&bias, &residual}) wide = wide && (tensor->absent || takes_wide({tensor}, out.dim(1)));
    launch_finish_linear(z, p, epilogue, wide, backend.stream());
}

}  // namespace vitro::VITRO_DEVICE
