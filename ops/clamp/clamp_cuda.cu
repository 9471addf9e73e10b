#include "ops/clamp/clamp.h"

#include "ops/common/map_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

struct Between {
    float low, high;
    __device__ float operator()(float x) const { return x < low ? low : x > high ? high : x; }
};

void run(const Call& call) {
    const auto& clamp = call.attributes.as<Clamp>();
    map_cuda(call, "clamp", Between{clamp.low, clamp.high});
}

}  // namespace

extern const KernelDef kClampCuda{.op = "clamp", .run = run};

}  // namespace vitro::VITRO_DEVICE
