// The weights of a model on a device: mapped where the backend reads host memory, uploaded otherwise.
#pragma once

#include "backends/backend.h"
#include "frontend/checkpoint.h"
#include "graph/graph.h"

#include <map>
#include <string>
#include <vector>

namespace vitro {

class Weights {
public:
    /// Both must outlive it.
    Weights(Checkpoint& checkpoint, Backend& backend) : checkpoint_(checkpoint), backend_(backend) {}

    /// The dtype of a checkpoint tensor; Error when there is none of that name, or when it is no float.
    DType dtype(std::string_view name) const;

    /// Refuses a checkpoint whose tensors are not exactly the weights of `graph`, by name and shape. Buffers of old
    /// checkpoints that are computed here (rotary_emb.inv_freq) and the copy of a tied head may be left over.
    void check(const Graph& graph) const;

    /// Addresses of the graph's weights in their order; loads those that are not on the device yet.
    std::vector<const void*> addresses(const Graph& graph);

    /// Bytes this object copied or uploaded (none for plainly mapped weights).
    std::size_t allocated_bytes() const { return allocated_bytes_; }

private:
    const void* load(const ValueInfo& weight);

    Checkpoint& checkpoint_;
    Backend& backend_;
    std::map<std::pair<std::vector<std::string>, WeightForm>, const void*>
        loaded_;  // by what a weight is made of, and how
    std::vector<Buffer> buffers_;
    std::size_t allocated_bytes_ = 0;
};

}  // namespace vitro
