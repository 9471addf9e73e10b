#include "runtime/open_model.h"

#include <algorithm>
#include <set>

namespace vitro {
namespace {

/// Whether a weight is what was asked for. Rows that are no whole blocks of a type become q8_0.
bool has_weights_of(const Program& program, DType wanted) {
    const auto is_wanted = [&](const ValueInfo& value) {
        const DType dtype = value.type.dtype;
        return dtype == wanted || (is_block_quantized(wanted) && dtype == DType::q8_0);
    };
    const auto& values = program.graph.values;
    return std::any_of(program.load.values.begin(), program.load.values.end(), is_wanted) ||
           std::any_of(values.begin(), values.end(),
                       [&](const ValueInfo& value) { return value.kind == ValueKind::weight && is_wanted(value); });
}

/// Whether an input of the node has one number for each row of another: the bias of matrices.
bool is_bias(const Graph& graph, const Node& node, const Shape& shape) {
    for (const ValueId id : present(node.inputs)) {
        const Shape& matrices = graph.value(id).type.shape;
        if (matrices.size() == shape.size() + 1 && std::equal(shape.begin(), shape.end(), matrices.begin()))
            return true;
    }
    return false;
}

/// The matrices, also those of experts, that stay floats where blocks were asked for: their paths.
std::set<std::string> float_matrices(const Program& program) {
    const Graph& graph = program.graph;
    std::set<std::string> out;
    for (const Node& node : graph.nodes)
        for (const ValueId id : present(node.inputs)) {
            const ValueInfo& value = graph.value(id);
            const TensorType& type = value.type;
            if (value.kind == ValueKind::weight && type.rank() >= 2 && type.dim(-2).size > 1 && is_float(type.dtype) &&
                !is_bias(graph, node, type.shape))
                out.insert(value.path);
        }
    return out;
}

/// What did not become as it was asked for; empty if all did.
std::string weights_warning(const Program& program, DType wanted, const Backend& backend) {
    if (!has_weights_of(program, wanted))
        return fmt::format(
            "no weight became {0}, so all stay as they are stored: {1} has no kernel for {0}, or no matrix has rows "
            "that could",
            name(wanted), backend.name());
    const std::set<std::string> left = is_block_quantized(wanted) ? float_matrices(program) : std::set<std::string>();
    if (left.empty()) return {};
    return fmt::format(
        "{} of the matrices did not become {} and stay floats, such as {}: {} has no kernel for their shapes in "
        "blocks, or their rows are no whole blocks",
        left.size(), name(wanted), *left.begin(), backend.name());
}

}  // namespace

LanguageModelOptions model_options(const OpenOptions& options, const ModelConfig& config, const Devices& devices) {
    LanguageModelOptions out = options.model;
    const bool on_host = devices.targets.front().backend.is_host();
    out.activation = options.activation.value_or(on_host ? DType::f32 : config.dtype.value_or(DType::bf16));
    // Where no token follows, no later step reads what is cached: bytes would be saved for nothing.
    const bool writes = config.is_causal && config.head == Head::language_model;
    out.cache = options.cache.value_or(on_host && writes ? DType::f16 : out.activation);
    if (!on_host && is_block_quantized(out.cache))
        fail("the KV cache: {} has no kernels for {}: choose f16, bf16 or fp8, or the CPU",
             devices.targets.front().backend.name(), name(out.cache));
    out.choose_tokens = !on_host && !out.all_logits && config.head == Head::language_model;
    if (options.weights == DType::f8e4m3) out.passes.enabled.emplace("quantize_weights");
    if (options.weights && is_block_quantized(*options.weights)) {
        out.passes.enabled.emplace("weights_to_blocks");
        out.passes.block_type = *options.weights;
    }
    return out;
}

OpenModel open_model(const std::filesystem::path& directory, const OpenOptions& options) {
    ModelConfig config = read_model_config(directory);
    GenerationConfig generation = read_generation_config(directory, config);
    Devices devices = open_devices(options.device, options.threads, options.kernels);
    auto model =
        std::make_unique<LanguageModel>(directory, config, devices.targets, model_options(options, config, devices));
    if (options.weights) {
        std::string warning =
            weights_warning(model->program(Phase::prefill), *options.weights, devices.targets.front().backend);
        if (!warning.empty()) devices.warnings.push_back(std::move(warning));
    }
    return {std::move(config), std::move(generation), std::move(devices), std::move(model)};
}

std::optional<Checkpoint> checkpoint_if_any(const std::filesystem::path& directory) {
    std::error_code ignored;
    if (is_gguf(directory)) return Checkpoint::open(directory);
    if (!std::filesystem::exists(directory / "model.safetensors", ignored) &&
        !std::filesystem::exists(directory / "model.safetensors.index.json", ignored))
        return {};
    return Checkpoint::open(directory);
}

}  // namespace vitro
