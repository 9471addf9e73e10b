#include "runtime/weights.h"

#include "base/checked.h"
#include "runtime/memory_use.h"
#include "runtime/quantize.h"

#include <algorithm>
#include <set>

namespace vitro {
namespace {

std::string shape_text(const std::vector<std::int64_t>& sizes) {
    Shape shape;
    for (const std::int64_t size : sizes) shape.emplace_back(size);
    return to_string(shape);
}

bool may_be_left_over(std::string_view name) {
    return name.ends_with("rotary_emb.inv_freq") || name == "lm_head.weight";
}

}  // namespace

DType Weights::dtype(std::string_view name) const {
    const DType dtype = checkpoint_.at(name).dtype;
    if (!is_float(dtype))
        fail("{}: tensor \"{}\": expected f32, f16 or bf16, found {}", checkpoint_.name(), name, vitro::name(dtype));
    return dtype;
}

void Weights::check_sources(const Graph& graph) const {
    for (const ValueId id : graph.values_of(ValueKind::weight)) {
        const ValueInfo& weight = graph.value(id);
        const bool is_stored = weight.form == WeightForm::stored;
        std::int64_t rows = 0;
        for (const std::string& source : weight.sources) {
            const TensorView& found = checkpoint_.at(source);
            const auto& shape = found.shape;
            // Of a reformed weight the rows alone are known: what they were made of stands in the checkpoint.
            if (!is_stored && (shape.size() != 2 || !is_float(found.dtype)))
                fail("{}: tensor \"{}\": expected a matrix of floats, found {} {}", checkpoint_.name(), source,
                     vitro::name(found.dtype), shape_text(shape));
            rows += shape.empty() ? 0 : shape[0];
            if (!is_stored) continue;
            Shape expected = weight.type.shape;
            if (weight.sources.size() > 1 && !shape.empty()) expected[0] = shape[0];
            if (to_string(expected) != shape_text(shape))
                fail("{}: tensor \"{}\": expected shape {} from config.json, found {}", checkpoint_.name(), source,
                     to_string(expected), shape_text(shape));
            if (found.dtype != weight.type.dtype)
                fail("{}: tensor \"{}\": expected {}, found {}", checkpoint_.name(), source,
                     vitro::name(weight.type.dtype), vitro::name(found.dtype));
        }
        if ((weight.sources.size() > 1 || !is_stored) && Dim(rows) != weight.type.dim(0))
            fail("{}: weight {}: expected {} rows, found {}", checkpoint_.name(), weight.path,
                 to_string(weight.type.dim(0)), rows);
    }
}

void Weights::check(const Graph& graph) const {
    check_sources(graph);
    std::set<std::string, std::less<>> wanted;
    for (const ValueId id : graph.values_of(ValueKind::weight))
        wanted.insert(graph.value(id).sources.begin(), graph.value(id).sources.end());
    for (const std::string& name : checkpoint_.names()) {
        if (!wanted.contains(name) && !may_be_left_over(name))
            fail("{}: tensor \"{}\": expected only the weights of {}, found one it does not have", checkpoint_.name(),
                 name, graph.name);
    }
}

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
