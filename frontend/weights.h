// The weights of a model on its devices: mapped where the backend reads host memory, uploaded otherwise.
#pragma once

#include "frontend/checkpoint.h"
#include "graph/program.h"

#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace vitro {

class Weights {
public:
    /// All must outlive it. `targets` as the programs are compiled for.
    Weights(Checkpoint& checkpoint, std::span<const Target> targets) : checkpoint_(checkpoint), targets_(targets) {}

    /// The dtype of a checkpoint tensor; Error when there is none of that name, or when it is no float.
    DType dtype(std::string_view name) const;

    /// Refuses a checkpoint whose tensors are not exactly the weights of `graph`, by name and shape. Buffers of old
    /// checkpoints that are computed here (rotary_emb.inv_freq) and the copy of a tied head may be left over.
    void check(const Graph& graph) const;

    /// Refuses weights of `graph` that the checkpoint does not have, or not in their shape and dtype; it may have more.
    void check_sources(const Graph& graph) const;

    /// Addresses of the program's weights in their order; loads those that are not on their device yet.
    std::vector<const void*> addresses(const Program& program);

    /// Bytes this object copied or uploaded (none for plainly mapped weights).
    std::size_t allocated_bytes() const { return allocated_bytes_; }

private:
    const void* load(const ValueInfo& weight, std::size_t device);

    Checkpoint& checkpoint_;
    std::span<const Target> targets_;
    /// By device, what a weight is made of, and how.
    std::map<std::tuple<std::size_t, std::vector<std::string>, WeightForm>, const void*> loaded_;
    std::vector<Buffer> buffers_;
    std::size_t allocated_bytes_ = 0;
};

}  // namespace vitro
