#include "ops/qkv_rope_append/qkv_rope_append.h"

#include "backends/cuda/ptx.h"
#include "ops/common/refuse_blocks.h"
#include "ops/qkv_rope_append/qkv_rope_append_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr unsigned kThreads = 128;

/// gridDim.y blocks share a token's heads. No lengths: lengths is null.
__global__ void qkv_rope_append_kernel(const QkvHeads heads, const std::int32_t* positions,
                                       const std::int32_t* sequences, const std::int32_t* lengths,
                                       const DevicePages pages, bool wide, const __grid_constant__ RopeTable table) {
    VITRO_SHARED(float2, memory, RopeTable::kMaxPairs);
    allow_next_kernel();
    wait_for_previous_kernel();
    const int token = int(blockIdx.x), pairs = table.pairs, d = heads.d, sequence = sequences[token];
    const bool is_long = lengths != nullptr && lengths[sequence] > table.long_from;
    const std::int64_t qkv_row = std::int64_t(token) * (heads.n_heads + 2 * heads.n_kv_heads) * d,
                       q_row = std::int64_t(token) * heads.n_heads * d,
                       cache_row = pages.row(sequence, positions[token]) * heads.n_kv_heads * d;
    const int first = int(blockIdx.y * blockDim.x + threadIdx.x), step = int(gridDim.y * blockDim.x);
    const int turned = heads.n_heads + heads.n_kv_heads;
    const auto each_head = [&](auto count) {
        const SharedTurns<count.value> turns(table, positions[token], is_long, memory);
        const auto target = [&](int head) { return head < heads.n_heads ? heads.q : heads.k_cache; };
        const auto target_at = [&](int head) {
            return head < heads.n_heads ? q_row + std::int64_t(head) * d
                                        : cache_row + std::int64_t(head - heads.n_heads) * d;
        };
        for (int group = first; group < turned * turns.groups(); group += step) {
            const int head = group / turns.groups();
            turns.turn(group % turns.groups(), heads.qkv, qkv_row + std::int64_t(head) * d, target(head),
                       target_at(head));
        }
        const int rest = (d - 2 * pairs) / count.value;  // groups of a head that do not turn
        for (int group = first; group < turned * rest; group += step) {
            const int head = group / rest, i = 2 * pairs + group % rest * count.value;
            store(target(head), target_at(head) + i,
                  load<count.value>(heads.qkv, qkv_row + std::int64_t(head) * d + i));
        }
        for (int i = first * count.value; i < heads.n_kv_heads * d; i += step * count.value)
            store(heads.v_cache, cache_row + i, load<count.value>(heads.qkv, qkv_row + std::int64_t(turned) * d + i));
    };
    if (wide)
        each_head(Count<kWide>{});
    else
        each_head(Count<1>{});
}

void run(const Call& call) {
    const Tensor &qkv = call.in(QkvRopeAppend::kQkv), &q = call.out(0), &k_cache = call.out(1), &v_cache = call.out(2);
    VITRO_CHECK(
        k_cache.data == call.in(QkvRopeAppend::kKCache).data && v_cache.data == call.in(QkvRopeAppend::kVCache).data,
        "a next state stands elsewhere");
    const auto& rope = call.attributes.as<QkvRopeAppend>().rope;
    launch_qkv_rope_append(
        "qkv_rope_append", qkv, q, k_cache, v_cache,
        {.positions = call.in(QkvRopeAppend::kPositions).as<std::int32_t>(),
         .sequences = call.in(QkvRopeAppend::kSequences).as<std::int32_t>(),
         .lengths = rope.by_length() ? call.in(QkvRopeAppend::kRopeLengths).as<std::int32_t>() : nullptr,
         .pages = DevicePages(k_cache, call.in(QkvRopeAppend::kPageTable))},
        rope, backend_of(call));
}

std::string refuses(std::span<const TensorType> inputs, std::span<const TensorType> outputs,
                    const Attributes& attributes) {
    if (std::string reason = refuse_blocks(inputs, outputs, attributes); !reason.empty()) return reason;
    if (!inputs[QkvRopeAppend::kK].absent || !inputs[QkvRopeAppend::kV].absent)
        return "it reads q, k and v of one projection, found k or v apart";
    return RopeTable::refuses(attributes.as<QkvRopeAppend>().rope, outputs[0].dim(2).size);
}

}  // namespace

void launch_qkv_rope_append(const char* name, const Tensor& qkv, const Tensor& q, const Tensor& k_cache,
                            const Tensor& v_cache, const QkvRows& rows, const RopeAttributes& rope,
                            CudaBackend& backend) {
    if (qkv.elements() == 0) return;
    const QkvHeads heads{elements_of(qkv),     elements_of(q),       elements_of(k_cache),
                         elements_of(v_cache), kernel_int(q.dim(1)), kernel_int(k_cache.dim(2)),
                         kernel_int(q.dim(2))};
    const RopeTable table(rope, heads.d);
    const bool wide = turns_wide({&qkv, &q, &k_cache, &v_cache}, heads.d, table.pairs);
    const std::int64_t groups = std::int64_t{heads.n_heads + heads.n_kv_heads} * table.pairs / (wide ? kWide : 1);
    launch(qkv_rope_append_kernel,
           {.name = name,
            .grid = {unsigned(kernel_int(q.dim(0))), blocks_a_token(backend, q.dim(0), groups, kThreads)},
            .block = kThreads,
            .stream = backend.stream(),
            .programmatic = true},
           heads, rows.positions, rows.sequences, rows.lengths, rows.pages, wide, table);
}

extern const KernelDef kQkvRopeAppendCuda{.op = "qkv_rope_append", .run = run, .refuses = refuses};

}  // namespace vitro::VITRO_DEVICE
