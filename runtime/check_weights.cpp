#include "runtime/check_weights.h"

#include <algorithm>
#include <set>

namespace vitro {
namespace {

std::string shape_text(const std::vector<std::int64_t>& sizes) {
    Shape shape;
    for (const std::int64_t size : sizes) shape.emplace_back(size);
    return to_string(shape);
}

}  // namespace

DType weight_dtype(const Checkpoint& checkpoint, std::string_view name) {
    const DType dtype = checkpoint.at(name).dtype;
    if (!is_float(dtype))
        fail("{}: tensor \"{}\": expected f32, f16 or bf16, found {}", checkpoint.name(), name, vitro::name(dtype));
    return dtype;
}

void check_weight_sources(const Checkpoint& checkpoint, const Graph& graph) {
    for (const ValueId id : graph.values_of(ValueKind::weight)) {
        const ValueInfo& weight = graph.value(id);
        const bool is_stored = weight.form == WeightForm::stored;
        std::int64_t rows = 0;
        for (const std::string& source : weight.sources) {
            const TensorView& found = checkpoint.at(source);
            const auto& shape = found.shape;
            // Of a reformed weight the rows alone are known: what they were made of stands in the checkpoint.
            if (!is_stored && (shape.size() != 2 || !is_float(found.dtype)))
                fail("{}: tensor \"{}\": expected a matrix of floats, found {} {}", checkpoint.name(), source,
                     vitro::name(found.dtype), shape_text(shape));
            rows += shape.empty() ? 0 : shape[0];
            if (!is_stored) continue;
            Shape expected = weight.type.shape;
            if (weight.sources.size() > 1 && !shape.empty()) expected[0] = shape[0];
            if (to_string(expected) != shape_text(shape))
                fail("{}: tensor \"{}\": expected shape {} from config.json, found {}", checkpoint.name(), source,
                     to_string(expected), shape_text(shape));
            if (found.dtype != weight.type.dtype)
                fail("{}: tensor \"{}\": expected {}, found {}", checkpoint.name(), source,
                     vitro::name(weight.type.dtype), vitro::name(found.dtype));
        }
        if ((weight.sources.size() > 1 || !is_stored) && Dim(rows) != weight.type.dim(0))
            fail("{}: weight {}: expected {} rows, found {}", checkpoint.name(), weight.path,
                 to_string(weight.type.dim(0)), rows);
    }
}

void check_weights(const Checkpoint& checkpoint, const Graph& graph, std::span<const std::string_view> spare) {
    check_weight_sources(checkpoint, graph);
    std::set<std::string, std::less<>> wanted;
    for (const ValueId id : graph.values_of(ValueKind::weight))
        wanted.insert(graph.value(id).sources.begin(), graph.value(id).sources.end());
    for (const std::string& name : checkpoint.names()) {
        const bool is_spare = std::any_of(spare.begin(), spare.end(), [&](auto end) { return name.ends_with(end); });
        if (!wanted.contains(name) && !is_spare)
            fail("{}: tensor \"{}\": expected only the weights of {}, found one it does not have", checkpoint.name(),
                 name, graph.name);
    }
}

}  // namespace vitro
