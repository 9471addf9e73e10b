#include "runtime/weights.h"

#include "base/checked.h"
#include "runtime/memory_use.h"
#include "runtime/quantize.h"

#include <algorithm>

namespace vitro {

void Weights::lay_out(std::span<const Program* const> programs) {
    bytes_.assign(targets_.size(), 0);
    for (const Program* program : programs) {
        for (const ValueId id : program->graph.values_of(ValueKind::weight)) {
            const ValueInfo& weight = program->graph.value(id);
            const std::size_t device = program->plan.place(id).device;
            const auto [at, is_new] = items_.try_emplace({device, weight.sources, weight.form}, Item{weight.type});
            if (!is_new) continue;
            const Backend& backend = targets_[device].backend;
            if (is_mapped(weight, backend.is_host())) {
                at->second.address = checkpoint_.tensor(weight.sources[0]).data;
                continue;
            }
            at->second.offset = bytes_[device];
            bytes_[device] += round_up(static_cast<std::size_t>(bytes_of(weight.type, {})), backend.alignment());
        }
    }
}

void Weights::load(const Progress& progress) {
    std::size_t all = 0, done = 0;
    for (std::size_t device = 0; device < targets_.size(); ++device) {
        blocks_.push_back(targets_[device].backend.allocate(bytes_[device], "the weights"));
        allocated_bytes_ += bytes_[device];
    }
    for (const auto& [key, item] : items_)
        if (item.address == nullptr) all += static_cast<std::size_t>(bytes_of(item.type, {}));
    for (std::size_t device = 0; device < targets_.size(); ++device) {
        std::vector<Upload> uploads;
        for (auto& [key, item] : items_) {
            if (std::get<0>(key) != device || item.address != nullptr) continue;
            item.address = blocks_[device].data() + item.offset;
            done += write(key, item, uploads);
            if (progress) progress(done, all);
        }
        targets_[device].backend.upload_all(uploads, [&](std::size_t uploaded) {
            if (progress) progress(done + uploaded, all);
        });
        for (const Upload& upload : uploads) done += upload.bytes;
    }
}

/// Lists the copies from the checkpoint; what has to be computed is written at once: that many bytes.
std::size_t Weights::write(const Key& key, const Item& item, std::vector<Upload>& uploads) {
    const auto& [device, sources, form] = key;
    std::byte* to = blocks_[device].data() + item.offset;
    std::size_t written = 0;
    const auto row_bytes =
        static_cast<std::size_t>(bytes_of(item.type, {})) / static_cast<std::size_t>(item.type.dim(0).size);
    for (const std::string& source : sources) {
        const TensorView& view = checkpoint_.at(source);
        if (form == WeightForm::stored) {
            uploads.push_back({to, view.data, view.bytes});
            to += view.bytes;
            continue;
        }
        std::vector<std::byte> reformed(row_bytes * static_cast<std::size_t>(view.shape[0]));
        reform(checkpoint_.tensor(source), form, reformed.data(),
               static_cast<CpuBackend&>(targets_.back().backend).pool());
        targets_[device].backend.upload(to, reformed.data(), reformed.size());
        to += reformed.size();
        written += reformed.size();
    }
    return written;
}

std::vector<const void*> Weights::addresses(const Program& program) const {
    std::vector<const void*> out;
    for (const ValueId id : program.graph.values_of(ValueKind::weight)) {
        const ValueInfo& weight = program.graph.value(id);
        out.push_back(items_.at({program.plan.place(id).device, weight.sources, weight.form}).address);
    }
    return out;
}

}  // namespace vitro
