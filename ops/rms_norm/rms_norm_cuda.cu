#include "ops/rms_norm/rms_norm.h"

#include "backends/cuda/ptx.h"
#include "ops/rms_norm/rms_norm_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

__global__ void rms_norm_kernel(Elements x, Elements weight, Elements out, int n, float eps, bool wide) {
    VITRO_SHARED(float, partial, 32);
    allow_next_kernel();
    wait_for_previous_kernel();
    const std::int64_t row = std::int64_t(blockIdx.x) * n;
    float squares = 0.0f;
    each_in_row(n, wide, [&](int i, auto count) {
        for (const float value : load<count.value>(x, row + i).at) squares += value * value;
    });
    store_normed(x, weight, out, row, n, squares, partial, eps, wide);
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &weight = call.in(1), &out = call.out();
    if (x.elements() == 0) return;
    const int n = kernel_int(x.dim(-1));
    launch_rms_norm(elements_of(x), elements_of(weight), elements_of(out), x.rows(), n,
                    call.attributes.as<RmsNorm>().eps, takes_wide({&x, &weight, &out}, n), stream_of(call));
}

}  // namespace

void launch_rms_norm(const Elements& x, const Elements& weight, const Elements& out, std::int64_t rows, int n,
                     float eps, bool wide, LaunchStream stream) {
    launch(rms_norm_kernel,
           {.name = "rms_norm",
            .grid = unsigned(kernel_int(rows)),
            .block = row_threads(n, wide),
            .stream = stream,
            .programmatic = true},
           x, weight, out, n, eps, wide);
}

extern const KernelDef kRmsNormCuda{.op = "rms_norm", .run = run};

}  // namespace vitro::VITRO_DEVICE
