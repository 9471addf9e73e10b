#include "frontend/check_weights.h"

#include "base/blocks.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace vitro {
namespace {

std::string shape_text(const std::vector<std::int64_t>& sizes) {
    Shape shape;
    for (const std::int64_t size : sizes) shape.emplace_back(size);
    return to_string(shape);
}

/// Error when there is no tensor of that name, or when it is not of a float type.
DType weight_dtype(const Checkpoint& checkpoint, std::string_view name) {
    const DType dtype = checkpoint.at(name).dtype;
    if (!is_float(dtype) && !is_block_quantized(dtype))
        fail("{}: tensor \"{}\": expected f32, f16 or bf16, found {}", checkpoint.name(), name, vitro::name(dtype));
    return dtype;
}

/// Error when there is a tensor `head` beside the embedding `table` that it should be, and it is another.
void check_tied_head(const Checkpoint& checkpoint, std::string_view table, std::string_view head) {
    const TensorView *rows = checkpoint.find(table), *other = checkpoint.find(head);
    if (rows == nullptr || other == nullptr) return;
    const bool have_data = rows->data != nullptr && other->data != nullptr;
    if (have_data && rows->dtype == other->dtype && rows->bytes == other->bytes &&
        std::memcmp(rows->data, other->data, rows->bytes) == 0)
        return;
    fail("{}: tensor \"{}\": expected {}, since config.json has \"tie_word_embeddings\": true, found other numbers",
         checkpoint.name(), head, table);
}

}  // namespace

void check_weight_sources(const Checkpoint& checkpoint, const Graph& graph) {
    for (const ValueId id : graph.values_of(ValueKind::weight)) {
        const ValueInfo& weight = graph.value(id);
        const TensorView& found = checkpoint.at(weight.source);
        if (to_string(weight.type.shape) != shape_text(found.shape))
            fail("{}: tensor \"{}\": expected shape {} from config.json, found {}", checkpoint.name(), weight.source,
                 to_string(weight.type.shape), shape_text(found.shape));
        if (found.dtype != weight.type.dtype)
            fail("{}: tensor \"{}\": expected {}, found {}", checkpoint.name(), weight.source,
                 vitro::name(weight.type.dtype), vitro::name(found.dtype));
    }
}

void check_weights(const Checkpoint& checkpoint, const Graph& graph, std::span<const std::string_view> spare) {
    check_weight_sources(checkpoint, graph);
    std::set<std::string, std::less<>> wanted;
    for (const ValueId id : graph.values_of(ValueKind::weight))
        wanted.insert(checkpoint.own_name(graph.value(id).source));
    for (const std::string& name : checkpoint.names()) {
        const bool is_spare = std::any_of(spare.begin(), spare.end(), [&](auto end) { return name.ends_with(end); });
        if (!wanted.contains(name) && !is_spare)
            fail("{}: tensor \"{}\": expected only the weights of {}, found one it does not have", checkpoint.name(),
                 name, graph.name);
    }
}

Graph checked_graph(const ModelConfig& config, BuildOptions options, const Checkpoint& checkpoint) {
    options.weight_dtype = [&](std::string_view name) { return weight_dtype(checkpoint, name); };
    Graph graph = build_model(config, options);
    const Architecture& architecture = *named_architecture(config.architecture)->architecture;
    check_weights(checkpoint, graph, architecture.spare_tensors);
    if (config.tie_word_embeddings && config.head == Head::language_model)
        check_tied_head(checkpoint, architecture.table, architecture.head);
    return graph;
}

}  // namespace vitro
