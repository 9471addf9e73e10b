#include "ops/common/map_cuda.h"
#include "ops/mul/mul.h"

namespace vitro::VITRO_DEVICE {
namespace {

struct Times {
    __device__ float operator()(float x, float y) const { return x * y; }
};

}  // namespace

extern const KernelDef kMulCuda{.op = "mul", .run = [](const Call& call) { broadcast_cuda(call, "mul", Times{}); }};

}  // namespace vitro::VITRO_DEVICE
