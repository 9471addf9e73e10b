// The weights of a model on its devices: mapped where the backend reads host memory, uploaded otherwise.
#pragma once

#include "frontend/checkpoint.h"
#include "graph/program.h"

#include <functional>
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

    /// Decides where the weights of these programs will stand: on each device that holds copies, in one block.
    void lay_out(std::span<const Program* const> programs);
    /// Bytes of the block on a device.
    std::size_t bytes(std::size_t device) const { return bytes_[device]; }
    /// Allocates the blocks and fills them. `progress` is told the bytes done and all bytes, now and then.
    using Progress = std::function<void(std::size_t done, std::size_t all)>;
    void load(const Progress& progress = nullptr);

    /// Addresses of the program's weights in their order.
    std::vector<const void*> addresses(const Program& program) const;

    /// Bytes this object copied or uploaded (none for plainly mapped weights).
    std::size_t allocated_bytes() const { return allocated_bytes_; }

private:
    /// By device, what a weight is made of, and how.
    using Key = std::tuple<std::size_t, std::vector<std::string>, WeightForm>;
    struct Item {
        TensorType type;
        std::size_t offset = 0;         // in the device's block
        const void* address = nullptr;  // once it is loaded
    };
    std::size_t write(const Key& key, const Item& item, std::vector<Upload>& uploads);

    Checkpoint& checkpoint_;
    std::span<const Target> targets_;
    std::map<Key, Item> items_;
    std::vector<std::size_t> bytes_;  // by device
    std::vector<Buffer> blocks_;      // likewise
    std::size_t allocated_bytes_ = 0;
};

}  // namespace vitro
