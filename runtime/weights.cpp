#include "runtime/weights.h"

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
    if (dtype == DType::i32)
        fail("{}: tensor \"{}\": expected dtype F32, F16 or BF16, found I32", checkpoint_.name(), name);
    return dtype;
}

void Weights::check_sources(const Graph& graph) const {
    for (const ValueId id : graph.values_of(ValueKind::weight)) {
        const ValueInfo& weight = graph.value(id);
        const TensorView& found = checkpoint_.at(weight.source);
        if (to_string(weight.type.shape) != shape_text(found.shape))
            fail("{}: tensor \"{}\": expected shape {} from config.json, found {}", checkpoint_.name(), weight.source,
                 to_string(weight.type.shape), shape_text(found.shape));
        if (found.dtype != weight.type.dtype)
            fail("{}: tensor \"{}\": expected {}, found {}", checkpoint_.name(), weight.source,
                 vitro::name(weight.type.dtype), vitro::name(found.dtype));
    }
}

void Weights::check(const Graph& graph) const {
    check_sources(graph);
    std::set<std::string, std::less<>> wanted;
    for (const ValueId id : graph.values_of(ValueKind::weight)) wanted.insert(graph.value(id).source);
    for (const std::string& name : checkpoint_.names()) {
        if (!wanted.contains(name) && !may_be_left_over(name))
            fail("{}: tensor \"{}\": expected only the weights of {}, found one it does not have", checkpoint_.name(),
                 name, graph.name);
    }
}

void Weights::load(const Progress& progress) {
    prepared_.emplace(*load_program_, targets_);
    prepared_->make({[this](const ValueInfo& weight) { return checkpoint_.tensor(weight.source).data; },
                     [this](const ValueInfo& weight) { checkpoint_.release(weight.source); }},
                    progress);
}

}  // namespace vitro
