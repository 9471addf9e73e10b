#include "ops/check/op_check.h"

#include "backends/cpu/cpu_backend.h"
#include "base/blocks.h"
#include "graph/builder.h"
#include "graph/interpret.h"
#include "graph/text.h"
#include "ops/check/kernel_check.h"
#include "ops/op_list.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace vitro::check {
namespace {

/// Collects one check's cases and complaints.
class Check {
public:
    Check(std::string name, std::vector<CheckResult>& results) : results_(results) { result_.name = std::move(name); }
    Check(const Check&) = delete;
    Check& operator=(const Check&) = delete;
    ~Check() {
        if (result_.cases > 0 || !result_.complaints.empty()) results_.push_back(std::move(result_));
    }

    /// Counts a case, and complains of what `body` throws.
    template <class Body>
    void run(const std::string& at, Body&& body) {
        ++result_.cases;
        try {
            body();
        } catch (const std::exception& error) {
            result_.complaints.push_back(fmt::format("{}: {}", at, error.what()));
        }
    }
    void take(const KernelReport& report) {
        result_.cases += report.cases;
        result_.complaints = report.complaints;
        if (report.cases == 0) result_.complaints.emplace_back("the kernel takes none of the examples");
    }

private:
    std::vector<CheckResult>& results_;
    CheckResult result_;
};

Builder builder_of_anything(const char* name) {
    Builder builder(name);
    for (char symbol = 'A'; symbol <= 'Z'; ++symbol) builder.symbol(symbol, 1 << 12);
    return builder;
}

/// A graph of the op alone. Its values: the inputs, then the outputs.
Graph graph_of(const OpDef& op, const std::vector<TensorType>& inputs, const Attributes& attributes) {
    Builder builder = builder_of_anything("one_op");
    std::vector<Value> values;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::string name = fmt::format("input{}", i);
        const bool is_written =
            std::any_of(op.aliases.begin(), op.aliases.end(), [&](const Alias& alias) { return alias.input == i; });
        const bool is_weight = (is_block_quantized(inputs[i].dtype) || is_packed(inputs[i].dtype)) && !is_written;
        values.push_back(inputs[i].absent ? Value{}
                         : is_weight      ? builder.weight(name, inputs[i])
                                          : builder.input(name, inputs[i]));
    }
    for (const Value value : builder.apply(op, values, attributes, "", {"model.cpp", 7})) builder.result(value);
    return builder.finish();
}

bool accepts(const OpDef& op, const std::vector<TensorType>& inputs, const Attributes& attributes) {
    try {
        graph_of(op, inputs, attributes);
        return true;
    } catch (const Error&) {
        return false;
    }
}

void check_words(const OpDef& op, Check& check) {
    check.run("the definition", [&] {
        if (op.doc.size() <= 20 || op.doc.find("out") == std::string_view::npos)
            fail("doc: expected the meaning of `out`, found '{}'", op.doc);
        if (op.inputs.empty()) fail("inputs: expected their names, found none");
        bool optional = false;
        for (const InputDef& input : op.inputs) {
            const auto names = input_names(op);
            if (input.name.empty() || std::count(names.begin(), names.end(), input.name) != 1)
                fail("inputs: expected names that differ, found '{}'", input.name);
            if (std::exchange(optional, input.is_optional) && !input.is_optional)
                fail("inputs: expected the optional ones last, found {} behind one", input.name);
            const bool points =
                input.role == InputRole::rows || input.role == InputRole::sequences || input.role == InputRole::pages;
            if (points != (input_index(op, input.of) >= 0))
                fail("input {}: expected the input that its numbers are indices into, found '{}'", input.name,
                     input.of);
        }
        op.parse_attributes({}).check();
        if (find_op(op.name) != &op) fail("the list of ops has another op of this name");
    });
    check.run("an attribute that there is not", [&] {
        try {
            op.parse_attributes({{"colour", "1"}});
        } catch (const Error& error) {
            if (std::string_view(error.what()).find("'colour'") == std::string_view::npos)
                fail("expected an error that names it, found: {}", error.what());
            return;
        }
        fail("it was taken");
    });
}

void check_text(OpCase& each, const OpDef& op) {
    AttributeTexts texts;
    for (const auto& [name, text] : each.attributes().texts()) texts.emplace(name, text);
    if (op.parse_attributes(texts).texts() != each.attributes().texts())
        fail("attributes change when they are written as text and read again");
    const Graph graph = graph_of(op, each.input_types(), each.attributes());
    const std::string text = print(graph);
    const Graph again = parse(text, "text", find_op);
    if (print(again) != text || again.nodes.at(0).op != &op ||
        types_of(again, again.results) != types_of(graph, graph.results))
        fail("a graph with it changes when it is written as text and read again");
}

void check_refusals(const OpDef& op, const Example& example) {
    const auto expect_refusal = [&](const std::vector<TensorType>& types, std::string_view what) {
        if (accepts(op, types, example.attributes)) fail("takes {}", what);
    };
    graph_of(op, example.inputs, example.attributes);
    expect_refusal({}, "no inputs");
    std::vector<TensorType> more = example.inputs;
    while (more.size() <= op.inputs.size()) more.push_back(more.front());
    if (!op.variadic) expect_refusal(more, "too many inputs");
    const auto least = static_cast<std::ptrdiff_t>(required_inputs(op));
    expect_refusal({example.inputs.begin(), example.inputs.begin() + least - 1}, "too few inputs");
    for (std::size_t i = 0; i < example.inputs.size(); ++i) {
        if (example.inputs[i].absent) continue;
        std::vector<TensorType> types = example.inputs;
        const bool is_wrong_as_i32 = is_stored_float(types[i].dtype) || info(types[i].dtype).storage != Storage::plain;
        types[i].dtype = is_wrong_as_i32 ? DType::i32 : DType::f32;
        // Ops that only move elements take those of any dtype, and cast reads any.
        if (i == 0 && accepts(op, types, example.attributes) && (op.name == "cast" || op.locality == Locality::moves))
            continue;
        expect_refusal(types, fmt::format("{} for input {}", to_string(types[i]), i));
    }
}

void check_cost(OpCase& each, const OpDef& op) {
    const Cost cost = each.cost();
    std::int64_t all = 0;
    for (const auto* types : {&each.input_types(), &each.output_types()})
        for (const TensorType& type : *types) all += bytes_of(type, each.symbols());
    if (cost.bytes > 2 * all || (cost.bytes > 0) == op.is_view || cost.flops < 0)
        fail("expected to move at most twice its {} bytes, none for a view, found {} bytes and {} operations", all,
             cost.bytes, cost.flops);
}

void check_view(OpCase& each, const OpDef& op) {
    if (op.aliases.size() != 1) fail("a view is the memory of one input");
    const Tensor& input = each.inputs()[op.aliases[0].input];
    if (each.reference().at(0) != Elements(input.as<std::byte>(), input.as<std::byte>() + input.bytes()))
        fail("the reference of a view changes the memory");
}

}  // namespace

std::string decomposition_difference(const OpDef& op, OpCase& each) {
    Builder builder = builder_of_anything("decomposition");
    std::vector<Value> values;
    for (const TensorType& type : each.input_types())
        values.push_back(type.absent ? Value{} : builder.input("input", type));
    for (const Value value : op.decompose(builder, values, each.attributes())) builder.result(value);
    const Graph graph = builder.finish();
    const OpCase::Outputs expected = each.reference();
    if (types_of(graph, graph.results) != each.output_types()) return "the types of its outputs are others";
    CpuBackend host(1);
    std::size_t next = 0;
    const std::vector<Elements> all =
        interpret(graph, each.symbols(), host, [&](const ValueInfo&, const Tensor& tensor) {
            while (each.inputs()[next].absent) ++next;
            std::memcpy(tensor.data, each.inputs()[next++].data, static_cast<std::size_t>(tensor.bytes()));
        });
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const TensorType& type = each.output_types()[i];
        const std::string difference = first_difference(type, expected[i], all[std::size_t(graph.results[i])],
                                                        decomposition_tolerance(type.dtype, expected[i]));
        if (!difference.empty()) return difference;
    }
    return {};
}

std::vector<CheckResult> check_op(const OpDef& op, std::span<const Target> targets, int draws) {
    std::vector<CheckResult> results;
    const auto for_each = [&](const char* name, auto&& body) {
        Check check(name, results);
        for_each_case(op, draws, [&](OpCase& each) { check.run(each.describe(), [&] { body(each, op); }); });
    };
    {
        Check check("words", results);
        check_words(op, check);
    }
    {
        Check check("refusals", results);
        Random random(1);
        for (const Example& example : op.examples(random))
            check.run(std::string(op.name), [&] { check_refusals(op, example); });
    }
    for_each("text", check_text);
    for_each("cost", check_cost);
    if (op.is_view) for_each("view", check_view);
    if (op.decompose != nullptr) {
        for_each("decomposition", [](OpCase& each, const OpDef& fused) {
            const std::string difference = decomposition_difference(fused, each);
            if (!difference.empty()) fail("{}", difference);
        });
    }
    for (const Target& target : targets) {
        const KernelDef* kernel = op.is_view ? nullptr : find_kernel(target.kernels, op.name);
        if (kernel == nullptr) continue;
        Check check(fmt::format("kernel on {}", target.backend.name()), results);
        check.take(check_kernel(op, *kernel, target.backend, draws));
    }
    if (const KernelDef* kernel = find_kernel(cpu_kernels(), op.name); kernel != nullptr && !op.is_view) {
        CpuBackend one(1), three(3);
        for_each("threads", [&](OpCase& each, const OpDef&) {
            if (each.refused_by(*kernel).empty() &&
                each.kernel(*kernel, one, 0xff) != each.kernel(*kernel, three, 0xff))
                fail("three threads give other results than one");
        });
    }
    return results;
}

}  // namespace vitro::check
