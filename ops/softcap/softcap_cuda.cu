#include "ops/common/map_cuda.h"
#include "ops/softcap/softcap.h"

namespace vitro::VITRO_DEVICE {
namespace {

struct Cap {
    float cap;
    __device__ float operator()(float x) const { return cap * tanhf(x / cap); }
};

}  // namespace

extern const KernelDef kSoftcapCuda{.op = "softcap", .run = [](const Call& call) {
                                        map_cuda(call, "softcap", Cap{call.attributes.as<Softcap>().cap});
                                    }};

}  // namespace vitro::VITRO_DEVICE
