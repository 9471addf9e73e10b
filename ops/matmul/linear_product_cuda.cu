// Up to 64 tokens: one kernel, at the speed of the memory that holds the weights. More: the norm, a Gemm, the rest.
#include "ops/matmul/linear_product_cuda.h"

#include "ops/matmul/block_product_cuda.h"
#include "ops/matmul/large_product_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// LinearEpilogue for sums in memory, z [tokens, n]; a thread for 8 elements of out in a row, or 1.
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

Product product_of(const LinearProduct& p) {
    return {.x = elements_of(p.x),
            .weight = elements_of(p.weight),
            .scale = elements_of(p.weight_scale),
            .norm = elements_of(p.norm_weight),
            .has_norm = !p.norm_weight.absent,
            .eps = p.eps,
            .tokens = kernel_int(p.x.dim(0)),
            .n = kernel_int(p.weight.dim(0)),
            .k = kernel_int(p.x.dim(1)),
            .fixed_weights = p.fixed_weights};
}

LinearEpilogue epilogue_of(const LinearProduct& p) {
    return {.out = elements_of(p.out),
            .bias = elements_of(p.bias),
            .residual = elements_of(p.residual),
            .m = kernel_int(p.out.dim(1)),
            .activation = p.activation,
            .gated = p.gated};
}

}  // namespace

bool LinearProduct::is_large(const Call& call) const { return is_large_product(product_of(*this), backend_of(call)); }

std::size_t LinearProduct::scratch(const Call& call) const {
    if (is_large(call)) return scratch_of(*this).any(product_of(*this), epilogue_of(*this).units(), backend_of(call));
    return is_packed(weight.dtype) ? static_cast<std::size_t>(x.bytes()) : 0;
}

void LinearProduct::run(const Call& call) const {
    if (out.elements() == 0) return;
    const Product p = product_of(*this);
    const LinearEpilogue epilogue = epilogue_of(*this);
    CudaBackend& backend = backend_of(call);
    if (!is_large(call)) {
        if (is_packed(weight.dtype))
            launch_block_product(p, call.scratch.data(), epilogue, backend);
        else
            launch_product("linear", p, epilogue.units(), epilogue, backend);
        return;
    }
    if (is_tiled(p) && launch_tiled("linear", p, epilogue.units(), epilogue, call.scratch, backend)) return;
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
