// vitro exec: runs a graph that stands in a file, once.
#include "base/half.h"
#include "base/json_text.h"
#include "frontend/check_weights.h"
#include "frontend/file.h"
#include "frontend/safetensors.h"
#include "graph/check_plan.h"
#include "graph/executor.h"
#include "graph/interpret.h"
#include "graph/statistics.h"
#include "runtime/weights.h"
#include "tools/common.h"
#include "tools/pass_flags.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <numeric>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
    std::filesystem::path file;
    std::filesystem::path inputs;
    std::filesystem::path model;  // empty: random weights
    std::filesystem::path output;
    ModelFlags device;
    SyntheticFlags synthetic;
    bool json = false;
};

/// What --inputs gives, checked against the graph.
class GivenInputs {
public:
    GivenInputs(const std::filesystem::path& path, const Graph& graph, SymbolValues& symbols) {
        if (path.empty()) return;
        file_ = SafetensorsFile::open(path);
        for (const std::string& name : file_->names()) {
            const ValueId id = graph.find(name);
            const ValueKind kind = id < 0 ? ValueKind::result : graph.value(id).kind;
            if (kind != ValueKind::input && kind != ValueKind::state)
                fail("{}: tensor \"{}\": {} has no input or state of that name", file_->name(), name, graph.name);
            bind(name, graph.value(id).type, graph, symbols);
        }
    }

    bool contains(const std::string& path) const { return file_ && file_->contains(path); }
    /// What the file gives for a value that it contains.
    std::span<const std::byte> bytes(const std::string& path) const { return file_->raw(path)->data; }
    /// The i32 numbers of an input; it must be there.
    std::vector<std::int32_t> numbers(const std::string& path) const {
        const std::span<const std::byte> data = bytes(path);
        std::vector<std::int32_t> out(data.size() / sizeof(std::int32_t));
        std::memcpy(out.data(), data.data(), data.size());
        return out;
    }

private:
    /// Takes the symbols' sizes from the tensor's shape.
    void bind(const std::string& name, const TensorType& type, const Graph& graph, SymbolValues& symbols) {
        const SafetensorsFile::Raw raw = *file_->raw(name);
        const std::string_view dtype = safetensors_dtype(type.dtype);
        const Shape shape = shape_in_file(type);
        const auto refuse = [&] {
            const std::string stands_for =
                info(type.dtype).storage == Storage::plain ? "" : fmt::format(", the bytes of {}", to_string(type));
            fail("{}: tensor \"{}\": expected {} {}{}, found {} [{}]", file_->name(), name, dtype, to_string(shape),
                 stands_for, raw.dtype, fmt::join(raw.shape, ", "));
        };
        if (raw.dtype != dtype || raw.shape.size() != shape.size()) refuse();
        for (std::size_t i = 0; i < shape.size(); ++i) {
            const Dim dim = shape[i];
            if (!dim.is_symbol()) {
                if (raw.shape[i] != dim.size) refuse();
                continue;
            }
            std::int64_t& size = symbols[dim.symbol];
            if (size == 0) size = raw.shape[i];
            if (raw.shape[i] != size)
                fail("{}: tensor \"{}\": expected {} = {}, as elsewhere, found {}", file_->name(), name, dim.symbol,
                     size, raw.shape[i]);
            if (size < 1 || size > graph.bounds.at(dim.symbol))
                fail("{}: tensor \"{}\": expected {} in [1, {}], found {}", file_->name(), name, dim.symbol,
                     graph.bounds.at(dim.symbol), size);
        }
    }

    /// Of blocks their bytes; a symbol is not among the dimensions that blocks cut up.
    static Shape shape_in_file(const TensorType& type) {
        std::vector<std::int64_t> sizes;
        for (const Dim dim : type.shape) sizes.push_back(dim.size);
        sizes = shape_of_blocks(type.dtype, sizes);
        Shape out = type.shape;
        for (std::size_t i = 0; i < sizes.size(); ++i)
            if (!out[i].is_symbol()) out[i] = sizes[i];
        return out;
    }

    std::optional<SafetensorsFile> file_;
};

/// Positions, sequences, pages and lengths fit together only as a whole.
void check_completeness(const GivenInputs& given, const std::map<std::string, std::vector<IndexRule>>& rules) {
    std::vector<std::string> there, missing;
    for (const auto& [path, readers] : rules)
        for (const IndexRule& rule : readers)
            if (rule.role == InputRole::positions || rule.role == InputRole::sequences ||
                rule.role == InputRole::pages || rule.role == InputRole::lengths) {
                (given.contains(path) ? there : missing).push_back(path);
                break;
            }
    if (!there.empty() && !missing.empty())
        fail("--inputs: found {}, but not {}: they describe one step together", fmt::join(there, ", "),
             fmt::join(missing, ", "));
}

/// Lengths say how many tokens are cached, which is what `symbol` stands for.
std::int64_t sum_of_lengths(const GivenInputs& given, const Graph& graph, const std::string& path, char symbol) {
    const std::vector<std::int32_t> lengths = given.numbers(path);
    const std::int64_t sum = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    const std::int64_t bound = graph.bounds.at(symbol);
    if (sum < 1 || sum > bound)
        fail("input {}: expected lengths that add up to {}, a number from 1 to {}, found {}", path, symbol, bound, sum);
    return sum;
}

/// Where the tokens of the given step stand in the caches that the graph writes.
void check_given_rows(const GivenInputs& given, const Graph& graph, const SymbolValues& symbols) {
    for (const Node& node : graph.nodes) {
        const auto rows = written_rows(node);
        if (!rows) continue;
        std::vector<std::vector<std::int32_t>> numbers;
        std::vector<Tensor> tensors;
        for (const std::size_t i : {rows->positions, rows->sequences, rows->pages}) {
            const ValueInfo& value = graph.value(node.inputs[i]);
            if (value.kind != ValueKind::input || !given.contains(value.path)) break;
            tensors.push_back(tensor_of(value.type, symbols));
            tensors.back().data = numbers.emplace_back(given.numbers(value.path)).data();
        }
        if (tensors.size() == 3)
            check_written_rows(describe(graph, node), tensors[0], tensors[1], tensors[2],
                               symbols(graph.value(node.inputs[rows->cache]).type.dim(1)));
    }
}

/// A program with memory of its own.
class Run {
public:
    Run(const Graph& graph, std::span<const Target> targets, const SymbolValues& symbols, bool verify_plan)
        : targets_(targets), symbols_(symbols), program_(compile(graph, targets)) {
        if (verify_plan) require_sound(program_);
    }

    const Graph& graph() const { return program_.graph; }

    void load(const Flags& flags, const Graph& source, const SyntheticStep& synthetic) {
        const Program* const programs[] = {&program_};
        std::vector<const void*> addresses;
        if (!flags.model.empty()) {
            checkpoint_.emplace(Checkpoint::open(flags.model));
            weights_.emplace(*checkpoint_, targets_);
            check_weight_sources(*checkpoint_, source);
            weights_->lay_out(programs);
            if (flags.device.verify_plan) require_sound(weights_->load_program().program());
            weights_->load();
            addresses = weights_->addresses(program_);
        } else {
            load_.emplace(programs, targets_);
            if (flags.device.verify_plan) require_sound(load_->program());
            random_.emplace(*load_, targets_);
            random_->make(
                {[&](const ValueInfo& weight) { return (tensors_[weight.source] = made_up(weight, synthetic)).data(); },
                 [&](const ValueInfo& weight) { tensors_.erase(weight.source); }});
            addresses = random_->addresses(program_);
        }
        std::vector<Memory> memory;
        for (std::size_t device = 0; device < targets_.size(); ++device) {
            const auto allocate = [&](Region region, std::string_view what) {
                buffers_.push_back(targets_[device].backend.allocate(program_.plan.bytes(region, device), what));
                return buffers_.back().data();
            };
            memory.push_back({targets_[device].backend, allocate(Region::states, "the states"),
                              allocate(Region::io, "inputs and results"), allocate(Region::arena, "the arena")});
        }
        executor_.emplace(program_, std::move(memory), addresses);
    }

    void fill(const GivenInputs& given, const SyntheticStep& synthetic) {
        for (std::size_t i = 0; i < graph().values.size(); ++i) {
            const ValueInfo& value = graph().values[i];
            if (value.kind != ValueKind::input && value.kind != ValueKind::state) continue;
            Elements elements;
            if (given.contains(value.path)) {
                const std::span<const std::byte> bytes = given.bytes(value.path);
                elements.assign(bytes.begin(), bytes.end());
            } else {
                elements = made_up(value, synthetic);
            }
            executor_->write(static_cast<ValueId>(i), elements.data(), symbols_);
        }
    }

    void run() { executor_->run(symbols_); }

    Elements read(ValueId id) const {
        Elements elements(static_cast<std::size_t>(bytes_of(graph().value(id).type, symbols_)));
        executor_->read(id, elements.data(), symbols_);
        return elements;
    }

private:
    Elements made_up(const ValueInfo& value, const SyntheticStep& synthetic) const {
        return leaf_elements(value, symbols_,
                             [&](const ValueInfo& leaf, const Tensor& tensor) { synthetic.fill(leaf, tensor); });
    }

    std::span<const Target> targets_;
    SymbolValues symbols_;
    Program program_;
    std::optional<Checkpoint> checkpoint_;
    std::optional<Weights> weights_;
    std::optional<LoadProgram> load_;          // without a model
    std::map<std::string, Elements> tensors_;  // likewise: weights by their sources
    std::optional<PreparedWeights> random_;    // likewise
    std::vector<Buffer> buffers_;
    std::optional<Executor> executor_;
};

struct Output {
    std::string path, kind;  // "result" or "update"
    TensorType type;         // without symbols
    Elements elements;
};

/// What is printed of an output.
struct Summary {
    double least = INFINITY, most = -INFINITY, mean = 0;  // of the numbers, if there are any
    std::int64_t numbers = 0, not_numbers = 0;            // the others are NaN
    std::vector<double> values;                           // if they are few
};

Summary summary(const Output& output) {
    constexpr std::int64_t kFew = 8;
    Tensor blocks = tensor_of(output.type, {});
    blocks.data = const_cast<std::byte*>(output.elements.data());
    std::vector<float> memory;
    const Tensor tensor = without_blocks(blocks, memory);
    Summary out;
    double sum = 0;
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
        const double x = element(tensor.dtype, tensor.as<const std::byte>(), i);
        if (tensor.elements() <= kFew) out.values.push_back(x);
        ++(std::isnan(x) ? out.not_numbers : out.numbers);
        out.least = std::fmin(out.least, x);
        out.most = std::fmax(out.most, x);
        sum += std::isnan(x) ? 0 : x;
    }
    out.mean = sum / static_cast<double>(out.numbers);
    return out;
}

Json json_of(const Output& output, const Summary& summary) {
    std::vector<std::int64_t> shape;
    for (const Dim dim : output.type.shape) shape.push_back(dim.size);
    Json out{{"path", output.path}, {"kind", output.kind}, {"dtype", name(output.type.dtype)}, {"shape", shape}};
    if (summary.numbers > 0) {
        out["min"] = json_number<Json>(summary.least);
        out["max"] = json_number<Json>(summary.most);
        out["mean"] = json_number<Json>(summary.mean);
    }
    out["nan"] = summary.not_numbers;
    for (const double x : summary.values) out["values"].push_back(json_number<Json>(x));
    return out;
}

void print_summary(const Output& output, const Summary& summary) {
    print_out("{} {}", output.path, to_string(output.type));
    if (output.kind == "update") print_out(", the next state");
    if (!summary.values.empty())
        print_out(": {:.6g}", fmt::join(summary.values, ", "));
    else if (summary.numbers > 0)
        print_out(": min {:.6g}, max {:.6g}, mean {:.6g}", summary.least, summary.most, summary.mean);
    print_out("{}\n", summary.not_numbers > 0 ? fmt::format(", {} NaN", summary.not_numbers) : "");
}

std::vector<Output> outputs_of(const Run& run, const Graph& graph, const SymbolValues& symbols) {
    std::vector<Output> outputs;
    const auto add = [&](ValueId named, ValueId computed, const char* kind) {
        for (const Output& output : outputs)
            if (output.path == graph.value(named).path) return;
        TensorType type = graph.value(named).type;
        for (Dim& dim : type.shape) dim = symbols(dim);
        outputs.push_back({graph.value(named).path, kind, type, run.read(computed)});
    };
    for (std::size_t i = 0; i < graph.results.size(); ++i) add(graph.results[i], run.graph().results[i], "result");
    for (std::size_t i = 0; i < graph.updates.size(); ++i)
        add(graph.updates[i].next, run.graph().updates[i].next, "update");
    return outputs;
}

void exec(const Flags& flags) {
    const Graph graph = read_graph(flags.file);
    SymbolValues symbols = symbol_values(flags.synthetic, graph);
    const GivenInputs given(flags.inputs, graph, symbols);
    const auto rules = input_rules(graph);
    check_completeness(given, rules);
    for (const auto& [path, readers] : rules)
        for (const IndexRule& rule : readers)
            if (rule.sum && rule.sum->is_symbol() && symbols(*rule.sum) == 0 && given.contains(path))
                symbols[rule.sum->symbol] = sum_of_lengths(given, graph, path, rule.sum->symbol);
    const SyntheticStep synthetic(graph, symbols, flags.synthetic.seed);
    for (const auto& [path, readers] : rules) {
        if (!given.contains(path)) continue;
        std::vector<std::int32_t> numbers = given.numbers(path);
        const std::int64_t size = std::ssize(numbers);
        const Tensor tensor(DType::i32, {&size, 1}, numbers.data());
        for (const IndexRule& rule : readers)
            check_indices(fmt::format("input {}", path), tensor, rule, synthetic.symbols());
    }
    check_given_rows(given, graph, synthetic.symbols());

    const Devices devices = open_devices(flags.device);
    Run run(graph, devices.targets, synthetic.symbols(), flags.device.verify_plan);
    run.load(flags, graph, synthetic);
    run.fill(given, synthetic);
    run.run();
    const std::vector<Output> outputs = outputs_of(run, graph, synthetic.symbols());

    if (!flags.output.empty()) {
        std::vector<NamedTensor> tensors;
        for (const Output& output : outputs) {
            Tensor tensor = tensor_of(output.type, {});
            tensor.data = const_cast<std::byte*>(output.elements.data());
            tensors.push_back({output.path, tensor});
        }
        write_safetensors(flags.output, tensors);
    }
    if (flags.json) {
        Json all = Json::array();
        for (const Output& output : outputs) all.push_back(json_of(output, summary(output)));
        print_out("{}\n", json_text(all, 2));
        return;
    }
    for (const Output& output : outputs) print_summary(output, summary(output));
}

}  // namespace

void add_exec(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add("exec",
                                     "run a graph file once, with random numbers for all inputs that are not "
                                     "given\nExample: vitro exec g.vt --symbol T=4 --seed 7",
                                     [flags] {
                                         exec(*flags);
                                         return 0;
                                     });
    command.option("file", flags->file, "a graph as `vitro graph` prints it; - reads it from stdin", "GRAPH")
        .required();
    command.option("--inputs", flags->inputs,
                   "values of inputs and states, by their paths; their shapes set the sizes of symbols",
                   "FILE.safetensors");
    command.checked(
        "-m,--model", [flags](const std::string& text) { flags->model = named_model(text); },
        "model to read the weights from (default: random weights)", "MODEL");
    add_synthetic_flags(command, flags->synthetic);
    add_device_flags(command, flags->device);
    command.output("-o,--output", flags->output,
                   "write the results and the states after the step to a safetensors file");
    command.flag("--json", flags->json, "print JSON");
}

}  // namespace vitro
