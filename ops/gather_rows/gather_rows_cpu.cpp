#include "ops/common/parallel.h"
#include "ops/gather_rows/gather_rows.h"

#include <cstring>

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Tensor &x = call.in(0), &rows = call.in(1), &out = call.out();
    const std::int64_t n = x.count(1, x.rank);
    const auto bytes = static_cast<std::size_t>(bytes_of(x.dtype, n));
    parallel_rows(call, rows.dim(0), n, [&](std::int64_t r) {
        const std::int64_t row = rows.as<std::int32_t>()[r];
        std::memcpy(out.as<std::byte>() + static_cast<std::size_t>(r) * bytes,
                    x.as<std::byte>() + static_cast<std::size_t>(row) * bytes, bytes);
    });
}

}  // namespace

extern const KernelDef kGatherRowsCpu{.op = "gather_rows", .run = run};

}  // namespace vitro::inline VITRO_ISA
