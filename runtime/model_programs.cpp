#include "runtime/model_programs.h"

#include "graph/check_plan.h"
#include "runtime/compile_model.h"
#include "runtime/errors.h"
#include "runtime/memory_use.h"

#include <algorithm>

namespace vitro {
namespace {

/// On each device, a block as large as the larger of both programs' regions.
std::vector<Buffer> shared_memory(std::span<const Target> targets, const Program& a, const Program& b, Region region,
                                  std::string_view what) {
    std::vector<Buffer> out;
    for (std::size_t device = 0; device < targets.size(); ++device)
        out.push_back(targets[device].backend.allocate(
            std::max(a.plan.bytes(region, device), b.plan.bytes(region, device)), what));
    return out;
}

std::vector<Buffer> io_memory(std::span<const Target> targets, const Program& program) {
    return shared_memory(targets, program, program, Region::io, "inputs and results");
}

/// The memory of a program on each device.
std::vector<Memory> memory_of(std::span<const Target> targets, const std::vector<Buffer>& states,
                              const std::vector<Buffer>& io, const std::vector<Buffer>& arena) {
    std::vector<Memory> out;
    for (std::size_t device = 0; device < targets.size(); ++device)
        out.push_back({targets[device].backend, states[device].data(), io[device].data(), arena[device].data()});
    return out;
}

/// Bytes of one page of a state, [pages, page_size, n_kv_heads, head_dim].
std::size_t page_bytes(const ValueInfo& state) {
    return static_cast<std::size_t>(bytes_of(state.type, {}) / state.type.dim(0).size);
}

}  // namespace

ModelPrograms::Runner::Runner(Program compiled, const ModelPrograms& model)
    : program(std::move(compiled)),
      io(io_memory(model.targets_, program)),
      executor(program, memory_of(model.targets_, model.states_, io, model.arena_), model.weights_.addresses(program)),
      inputs(program.graph),
      results(program.graph) {}

ModelPrograms::ModelPrograms(const std::filesystem::path& directory, const ModelConfig& config,
                             std::vector<Target> targets, const LanguageModelOptions& options)
    : targets_(std::move(targets)), checkpoint_(Checkpoint::open(directory)), weights_(checkpoint_, targets_) {
    std::vector<Program> compiled =
        compile_model(config, {Phase::prefill, Phase::decode}, options, targets_, &checkpoint_).programs;
    Program &prefill = compiled[0], &decode = compiled[1];
    const Program* const programs[] = {&prefill, &decode};
    weights_.lay_out(programs);
    if (options.verify_plan) require_sound(weights_.load_program().program());
    check_memory(programs);
    weights_.load(options.progress);
    states_ = shared_memory(targets_, prefill, decode, Region::states, "the KV cache");
    arena_ = shared_memory(targets_, prefill, decode, Region::arena, "the arena");
    prefill_ = std::make_unique<Runner>(std::move(prefill), *this);
    decode_ = std::make_unique<Runner>(std::move(decode), *this);
}

void ModelPrograms::check_memory(std::span<const Program* const> programs) const {
    const std::vector<MemoryUse> uses = memory_use(programs, weights_.load_program());
    for (std::size_t device = 0; device < targets_.size(); ++device) {
        const Backend& backend = targets_[device].backend;
        const MemoryUse& use = uses[device];
        const auto free = backend.free_bytes();
        if (use.is_host || !free || needed_bytes(use, backend) <= *free) continue;
        const auto gigabytes = [](std::size_t bytes) { return static_cast<double>(bytes) / 1e9; };
        throw MemoryError(fmt::format(
            "{}: not enough memory: expected {:.2f} GB (weights {:.2f}, KV cache {:.2f}, arena {:.2f}, inputs and "
            "results {:.2f}, reserve {:.2f}), found {:.2f} GB free",
            backend.description(), gigabytes(needed_bytes(use, backend)), gigabytes(use.weights), gigabytes(use.states),
            gigabytes(use.arena), gigabytes(use.io), gigabytes(backend.reserve_bytes()), gigabytes(*free)));
    }
}

void ModelPrograms::copy_pages(std::span<const PagePool::Copy> copies) {
    const Program& program = prefill_->program;
    for (std::size_t i = 0; !copies.empty() && i < program.graph.values.size(); ++i) {
        const ValueInfo& value = program.graph.values[i];
        if (value.kind != ValueKind::state) continue;
        const Place& place = program.plan.values[i];
        const std::size_t bytes = page_bytes(value);
        std::byte* const pages = states_[place.device].data() + place.offset;
        for (const PagePool::Copy copy : copies) {
            Backend& backend = targets_[place.device].backend;
            backend.queue_copy(pages + static_cast<std::size_t>(copy.to) * bytes,
                               pages + static_cast<std::size_t>(copy.from) * bytes, bytes);
        }
    }
}

}  // namespace vitro
