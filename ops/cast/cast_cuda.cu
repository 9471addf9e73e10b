#include "ops/cast/cast.h"

#include "ops/common/map_cuda.h"
#include "ops/common/refuse_blocks.h"

namespace vitro::VITRO_DEVICE {
namespace {

struct Same {
    __device__ float operator()(float x) const { return x; }
};

}  // namespace

extern const KernelDef kCastCuda{
    .op = "cast", .run = [](const Call& call) { map_cuda(call, "cast", Same{}); }, .refuses = refuse_blocks};

}  // namespace vitro::VITRO_DEVICE
