#include "frontend/weights.h"

#include "frontend/memory_use.h"
#include "frontend/quantize.h"

#include <algorithm>
#include <set>
#include <thread>

namespace vitro {
namespace {

std::string shape_text(const std::vector<std::int64_t>& sizes) {
    Shape shape;
    for (const std::int64_t size : sizes) shape.emplace_back(size);
    return to_string(shape);
}

int threads() { return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u)); }

bool may_be_left_over(std::string_view name) {
    return name.ends_with("rotary_emb.inv_freq") || name == "lm_head.weight";
}

}  // namespace

DType Weights::dtype(std::string_view name) const {
    const DType dtype = checkpoint_.at(name).dtype;
    if (dtype == DType::i32)
        fail("{}: tensor \"{}\": expected dtype F32, F16 or BF16, found I32", checkpoint_.name(), name);
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

std::vector<const void*> Weights::addresses(const Program& program) {
    std::vector<const void*> out;
    for (const ValueId id : program.graph.values_of(ValueKind::weight))
        out.push_back(load(program.graph.value(id), program.plan.place(id).device));
    return out;
}

const void* Weights::load(const ValueInfo& weight, std::size_t device) {
    const void*& loaded = loaded_[{device, weight.sources, weight.form}];
    if (loaded != nullptr) return loaded;
    Backend& backend = targets_[device].backend;
    if (is_mapped(weight, backend.is_host())) return loaded = checkpoint_.tensor(weight.sources[0]).data;

    const auto bytes = static_cast<std::size_t>(bytes_of(weight.type, {}));
    const auto rows = static_cast<std::size_t>(weight.type.dim(0).size);
    Buffer buffer = backend.allocate(bytes, weight.path);
    std::size_t at = 0;
    for (const std::string& source : weight.sources) {
        const TensorView& view = checkpoint_.at(source);
        if (weight.form == WeightForm::stored) {
            backend.upload(buffer.data() + at, view.data, view.bytes);
            at += view.bytes;
            continue;
        }
        std::vector<std::byte> reformed(bytes / rows * static_cast<std::size_t>(view.shape[0]));
        reform(checkpoint_.tensor(source), weight.form, reformed.data(), threads());
        backend.upload(buffer.data() + at, reformed.data(), reformed.size());
        at += reformed.size();
    }
    allocated_bytes_ += bytes;
    buffers_.push_back(std::move(buffer));
    return loaded = buffers_.back().data();
}

}  // namespace vitro
