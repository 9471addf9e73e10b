#include "ops/add_mask/add_mask.h"
#include "ops/common/map_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

struct MaskedSum {
    __device__ float operator()(float x, float mask) const { return mask == -INFINITY ? mask : x + mask; }
};

}  // namespace

extern const KernelDef kAddMaskCuda{.op = "add_mask",
                                    .run = [](const Call& call) { broadcast_cuda(call, "add_mask", MaskedSum{}); }};

}  // namespace vitro::VITRO_DEVICE
