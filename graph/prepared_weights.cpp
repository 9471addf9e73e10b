#include "graph/prepared_weights.h"

#include "graph/executor.h"

#include <numeric>

namespace vitro {
namespace {

std::size_t index(std::int32_t id) { return static_cast<std::size_t>(id); }

/// One run of a load program.
class Loading {
public:
    Loading(const LoadProgram& load, const PreparedWeights::Tensors& tensors, const PreparedWeights::Progress& progress,
            std::vector<Memory> memory, std::span<const void* const> leaves)
        : load_(load),
          program_(load.program()),
          tensors_(tensors),
          progress_(progress),
          memory_(std::move(memory)),
          executor_(program_, memory_, leaves),
          origin_(program_.graph.values.size()),
          readers_(program_.graph.values.size()) {
        std::iota(origin_.begin(), origin_.end(), 0);
        for (const Node& each : program_.graph.nodes)
            for (const auto& [output, input] : each.op->aliases)
                origin_[index(each.outputs[output])] = origin_[index(each.inputs[input])];
        for (std::size_t i = 0; i < program_.steps.size(); ++i) {
            all_ += bytes_made(i);
            for (const ValueId id : present(node(i).inputs)) ++readers_[index(origin_[index(id)])];
        }
    }

    void run() {
        upload_tensors();
        for (std::size_t i = 0; i < program_.steps.size(); ++i) {
            if (is_upload(i)) continue;
            executor_.run_steps({&i, 1});
            finished(i);
            tell(done_ += bytes_made(i));
        }
        for (const Memory& memory : memory_) {
            memory.backend.synchronize();
            memory.backend.end_uploads();
        }
    }

private:
    const Node& node(std::size_t step) const { return program_.graph.node(program_.steps[step].node); }
    std::size_t bytes_made(std::size_t step) const {
        std::size_t bytes = 0;
        for (const ValueId id : node(step).outputs)
            bytes += static_cast<std::size_t>(bytes_of(program_.graph.value(id).type, {}));
        return bytes;
    }

    /// Whether a step only copies a tensor to where it stays.
    bool is_upload(std::size_t step) const {
        return program_.steps[step].run == nullptr &&
               program_.graph.value(node(step).inputs[0]).kind == ValueKind::weight &&
               program_.plan.place(node(step).outputs[0]).region == Region::io;
    }

    void upload_tensors() {
        for (std::size_t device = 0; device < memory_.size(); ++device) {
            std::vector<Upload> uploads;
            std::vector<std::size_t> steps;
            for (std::size_t i = 0; i < program_.steps.size(); ++i) {
                if (!is_upload(i) || program_.steps[i].device != device) continue;
                const Call call = executor_.call(i);
                uploads.push_back({call.out().data, call.in(0).data, static_cast<std::size_t>(call.out().bytes())});
                steps.push_back(i);
            }
            if (uploads.empty()) continue;
            memory_[device].backend.upload_all(uploads, [&](std::size_t uploaded) { tell(done_ + uploaded); });
            for (const std::size_t i : steps) {
                finished(i);
                done_ += bytes_made(i);
            }
        }
    }

    void finished(std::size_t step) {
        for (const ValueId input : present(node(step).inputs)) {
            const ValueId id = origin_[index(input)];
            const ValueInfo& value = program_.graph.value(id);
            if (--readers_[index(id)] > 0 || value.kind != ValueKind::weight) continue;
            const auto& done = load_.is_mapped(id) ? tensors_.unload : tensors_.release;
            if (done) done(value);
        }
    }

    void tell(std::size_t done) const {
        if (progress_) progress_(done, all_);
    }

    const LoadProgram& load_;
    const Program& program_;
    const PreparedWeights::Tensors& tensors_;
    const PreparedWeights::Progress& progress_;
    std::vector<Memory> memory_;  // by device
    Executor executor_;
    std::vector<ValueId> origin_;  // by ValueId: the value whose memory it is a view of, or itself
    std::vector<int> readers_;     // by ValueId of those: steps that have not run
    std::size_t done_ = 0, all_ = 0;
};

}  // namespace

void PreparedWeights::make(const Tensors& tensors, const Progress& progress) {
    const Program& program = load_.program();
    const Graph& graph = program.graph;
    std::vector<Buffer> arenas;
    std::vector<Memory> memory;
    for (std::size_t device = 0; device < targets_.size(); ++device) {
        Backend& backend = targets_[device].backend;
        blocks_.push_back(backend.allocate(program.plan.bytes(Region::io, device), "the weights"));
        arenas.push_back(backend.allocate(program.plan.bytes(Region::arena, device), "preparing the weights"));
        memory.push_back({backend, nullptr, blocks_.back().data(), arenas.back().data()});
    }
    addresses_.resize(graph.values.size());
    std::vector<const void*> leaves;
    for (const ValueId id : graph.values_of(ValueKind::weight)) {
        leaves.push_back(tensors.find(graph.value(id)));
        addresses_[index(id)] = leaves.back();
    }
    for (const ValueId id : graph.results)
        addresses_[index(id)] = blocks_[program.plan.place(id).device].data() + program.plan.place(id).offset;
    Loading(load_, tensors, progress, std::move(memory), leaves).run();
}

std::vector<const void*> PreparedWeights::addresses(const Program& step) const {
    std::vector<const void*> out;
    for (const ValueId id : load_.weights_of(step)) out.push_back(addresses_[index(id)]);
    return out;
}

}  // namespace vitro
