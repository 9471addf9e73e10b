#include "ops/rope/rope_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr unsigned kThreads = 128;

/// out = x [T, n, d] turned; gridDim.y blocks share a token's heads. out may be x. No lengths: sequences is null.
__global__ void rope_kernel(Elements x, Elements out, const std::int32_t* positions, const std::int32_t* sequences,
                            const std::int32_t* lengths, int n, int d, bool wide,
                            const __grid_constant__ RopeTable table) {
    VITRO_SHARED(float2, memory, RopeTable::kMaxPairs);
    const int token = int(blockIdx.x), pairs = table.pairs;
    const bool is_long = sequences != nullptr && lengths[sequences[token]] > table.long_from;
    const int first = int(blockIdx.y * blockDim.x + threadIdx.x), step = int(gridDim.y * blockDim.x);
    const auto turn = [&](auto count) {
        const SharedTurns<count.value> turns(table, positions[token], is_long, memory);
        for (int group = first; group < n * turns.groups(); group += step) {
            const std::int64_t head = (std::int64_t(token) * n + group / turns.groups()) * d;
            turns.turn(group % turns.groups(), x, head, out, head);
        }
        const int rest = (d - 2 * pairs) / count.value;  // groups of a head that do not turn
        for (int group = first; group < n * rest; group += step) {
            const std::int64_t at =
                (std::int64_t(token) * n + group / rest) * d + 2 * pairs + group % rest * count.value;
            store(out, at, load<count.value>(x, at));
        }
    };
    if (wide)
        turn(Count<kWide>{});
    else
        turn(Count<1>{});
}

void run(const Call& call) {
    const Tensor &x = call.in(RopeAttributes::kX), &out = call.out();
    if (x.elements() == 0) return;
    const auto& rope = call.attributes.as<RopeAttributes>();
    const int n = kernel_int(x.dim(1)), d = kernel_int(x.dim(2));
    const RopeTable table(rope, d);
    const bool wide = turns_wide({&x, &out}, d, table.pairs);
    const std::int64_t groups = std::int64_t{n} * table.pairs / (wide ? kWide : 1);
    launch(rope_kernel,
           {.name = "rope",
            .grid = {unsigned(kernel_int(x.dim(0))), blocks_a_token(backend_of(call), x.dim(0), groups, kThreads)},
            .block = kThreads,
            .stream = stream_of(call)},
           elements_of(x), elements_of(out), call.in(RopeAttributes::kPositions).as<std::int32_t>(),
           rope.by_length() ? call.in(RopeAttributes::kSequences).as<std::int32_t>() : nullptr,
           rope.by_length() ? call.in(RopeAttributes::kRopeLengths).as<std::int32_t>() : nullptr, n, d, wide, table);
}

std::string refuses(std::span<const TensorType> inputs, std::span<const TensorType>, const Attributes& attributes) {
    return RopeTable::refuses(attributes.as<RopeAttributes>(), inputs[RopeAttributes::kX].dim(2).size);
}

}  // namespace

extern const KernelDef kRopeCuda{.op = "rope", .run = run, .refuses = refuses};

}  // namespace vitro::VITRO_DEVICE
