// What holds for every op in the list, by its own examples.
#include "backends/cpu/cpu_backend.h"
#include "graph/builder.h"
#include "graph/interpret.h"
#include "graph/text.h"
#include "ops/add/add.h"
#include "ops/check/kernel_check.h"
#include "ops/mul/mul.h"
#include "ops/op_list.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace vitro::check {
namespace {

constexpr int kDraws = 3;

const KernelDef* kernel_of(const OpDef& op) {
    for (const KernelDef& kernel : cpu_kernels())
        if (kernel.op == op.name) return &kernel;
    return nullptr;
}

/// Calls body(op, case) for every op's every case.
template <class Body>
void for_every_case(Body&& body) {
    for (const OpDef* op : all_ops()) for_each_case(*op, kDraws, [&](OpCase& each) { body(*op, each); });
}

/// A graph of the op alone. Its values: the inputs, then the outputs.
Graph graph_of(const OpDef& op, const std::vector<TensorType>& inputs, const Attributes& attributes) {
    Builder builder("one_op");
    for (char symbol = 'A'; symbol <= 'Z'; ++symbol) builder.symbol(symbol, 1 << 12);
    std::vector<Value> values;
    for (std::size_t i = 0; i < inputs.size(); ++i)
        values.push_back(builder.input(fmt::format("input{}", i), inputs[i]));
    for (const Value value : builder.apply(op, values, attributes, "", {"model.cpp", 7})) builder.result(value);
    return builder.finish();
}

bool refuses(const OpDef& op, const std::vector<TensorType>& inputs, const Attributes& attributes) {
    try {
        graph_of(op, inputs, attributes);
        return false;
    } catch (const Error&) {
        return true;
    }
}

/// The op's decomposition, run with references, gives what its own reference gives. Empty, or the difference.
std::string decomposition_difference(const OpDef& op, OpCase& each) {
    Builder builder("decomposition");
    for (char symbol = 'A'; symbol <= 'Z'; ++symbol) builder.symbol(symbol, 1 << 12);
    std::vector<Value> values;
    for (const TensorType& type : each.input_types()) values.push_back(builder.input("input", type));
    for (const Value value : op.decompose(builder, values, each.attributes())) builder.result(value);
    const Graph graph = builder.finish();
    const OpCase::Outputs expected = each.reference();
    if (expected.size() != graph.results.size()) return "another number of outputs";
    CpuBackend host(1);
    std::size_t next = 0;
    const std::vector<Elements> all =
        interpret(graph, each.symbols(), host, [&](const ValueInfo&, const Tensor& tensor) {
            std::memcpy(tensor.data, each.inputs()[next++].data, static_cast<std::size_t>(tensor.bytes()));
        });
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const TensorType& type = each.output_types()[i];
        if (types_of(graph, graph.results).at(i) != type)
            return fmt::format("expected {}, found {}", to_string(type), to_string(types_of(graph, graph.results)[i]));
        const std::string difference =
            first_difference(type, expected[i], all[static_cast<std::size_t>(graph.results[i])],
                             decomposition_tolerance(type.dtype, expected[i]));
        if (!difference.empty()) return difference;
    }
    return {};
}

TEST_CASE("kernels agree with the reference, in every dtype and size, whatever stood in the memory") {
    CpuBackend three(3);
    for (const KernelDef& kernel : cpu_kernels()) {
        const KernelReport report = check_kernel(*find_op(kernel.op), kernel, three, kDraws);
        CHECK(report.cases > 0);
        for (const std::string& complaint : report.complaints) FAIL_CHECK(complaint);
    }
}

TEST_CASE("kernels give the same bits with one thread and with three") {
    CpuBackend one(1), three(3);
    for_every_case([&](const OpDef& op, OpCase& each) {
        const KernelDef* kernel = kernel_of(op);
        if (op.is_view || kernel == nullptr) return;
        CHECK_MESSAGE(each.kernel(*kernel, one, 0xff) == each.kernel(*kernel, three, 0xff), each.describe());
    });
}

TEST_CASE("a wrong kernel is noticed") {
    const auto complaints = [](void (*run)(const Call& call)) {
        CpuBackend backend(1);
        return check_kernel(kAdd, {.op = "add", .run = run}, backend, 1).complaints;
    };
    CHECK(complaints(kAdd.reference).empty());
    CHECK(!complaints([](const Call&) {}).empty());
    CHECK(!complaints([](const Call& call) {
               kAdd.reference(call);
               call.out().as<std::byte>()[call.out().bytes()] = std::byte{0};
           }).empty());
    CHECK(!complaints([](const Call& call) {
               kAdd.reference(call);
               if (call.in(0).bytes() > 0) call.in(0).as<std::byte>()[0] ^= std::byte{1};
           }).empty());
    CHECK(!complaints([](const Call&) { fail("it does not work"); }).empty());
}

TEST_CASE("references of views leave the memory as it is") {
    for_every_case([&](const OpDef& op, OpCase& each) {
        if (!op.is_view) return;
        REQUIRE(op.aliases.size() == 1);
        const Tensor& input = each.inputs()[op.aliases[0].input];
        const std::vector<std::byte> bytes(input.as<std::byte>(), input.as<std::byte>() + input.bytes());
        CHECK_MESSAGE(each.reference().at(0) == bytes, each.describe());
    });
}

TEST_CASE("a decomposition gives what the reference gives") {
    for_every_case([&](const OpDef& op, OpCase& each) {
        if (op.decompose == nullptr) return;
        const std::string difference = decomposition_difference(op, each);
        CHECK_MESSAGE(difference.empty(), each.describe(), ": ", difference);
    });
}

TEST_CASE("a decomposition that means something else is noticed") {
    OpDef doubled = kAdd;  // x + y as x·2 + y would be
    Random random(1);
    const Example example = kAdd.examples(random).front();
    OpCase each(kAdd, example, example.inputs, 1);
    doubled.decompose = [](Builder& builder, std::span<const Value> inputs, const Attributes&) {
        return std::vector<Value>{add(builder, inputs[0], inputs[1])};
    };
    CHECK(decomposition_difference(doubled, each) == "");
    doubled.decompose = [](Builder& builder, std::span<const Value> inputs, const Attributes&) {
        const Value two = builder.constant(2.0f);
        return std::vector<Value>{add(builder, mul(builder, inputs[0], two), inputs[1])};
    };
    CHECK(decomposition_difference(doubled, each) != "");
}

TEST_CASE("attributes and a graph of the op go through text and back") {
    for_every_case([&](const OpDef& op, OpCase& each) {
        AttributeTexts texts;
        for (const auto& [name, text] : each.attributes().texts()) texts.emplace(name, text);
        const Attributes parsed = op.parse_attributes(texts);
        CHECK_MESSAGE(parsed.texts() == each.attributes().texts(), each.describe());

        const Graph graph = graph_of(op, each.input_types(), each.attributes());
        const std::string text = print(graph);
        const Graph again = parse(text, "test", find_op);
        CHECK_MESSAGE(print(again) == text, each.describe());
        CHECK(again.nodes.at(0).op == &op);
        CHECK(types_of(again, again.results) == types_of(graph, graph.results));
    });
}

TEST_CASE("an unknown attribute is refused by name") {
    for (const OpDef* op : all_ops()) {
        try {
            op->parse_attributes({{"colour", "1"}});
            FAIL_CHECK(op->name << " takes an attribute that it does not have");
        } catch (const Error& error) {
            CHECK(std::string(error.what()).find("'colour'") != std::string::npos);
        }
    }
}

TEST_CASE("the list is sorted by unique names; docs and input names are there") {
    std::set<std::string_view> names;
    std::string_view last;
    for (const OpDef* op : all_ops()) {
        CAPTURE(op->name);
        CHECK(names.insert(op->name).second);
        CHECK(last < op->name);
        last = op->name;
        CHECK(op->doc.size() > 20);
        CHECK(op->doc.find("out") != std::string_view::npos);
        CHECK(!op->inputs.empty());
        for (const std::string_view input : op->inputs) {
            CHECK(!input.empty());
            CHECK(std::count(op->inputs.begin(), op->inputs.end(), input) == 1);
        }
        CHECK(find_op(op->name) == op);
    }
    CHECK(find_op("no_such_op") == nullptr);
}

TEST_CASE("every op has a CPU kernel but views and what is meant for other devices; every kernel has an op") {
    const std::set<std::string_view> for_other_devices = {"qkv_projection"};  // decomposed on the CPU
    for (const OpDef* op : all_ops())
        CHECK_MESSAGE((kernel_of(*op) == nullptr) == (op->is_view || for_other_devices.contains(op->name)), op->name);
    for (const KernelDef& kernel : cpu_kernels()) CHECK_MESSAGE(find_op(kernel.op) != nullptr, kernel.op);
}

TEST_CASE("wrong numbers of inputs are refused") {
    for (const OpDef* op : all_ops()) {
        Random random(1);
        for (const Example& example : op->examples(random)) {
            CHECK_MESSAGE(!refuses(*op, example.inputs, example.attributes), op->name);
            CHECK_MESSAGE(refuses(*op, {}, example.attributes), op->name);
            std::vector<TensorType> more = example.inputs;
            while (more.size() <= op->inputs.size()) more.push_back(more.back());
            if (!op->variadic) CHECK_MESSAGE(refuses(*op, more, example.attributes), op->name);
            const std::vector<TensorType> fewer(
                example.inputs.begin(),
                example.inputs.begin() + static_cast<std::ptrdiff_t>(std::min(op->optional_from, op->inputs.size())) -
                    1);
            CHECK_MESSAGE(refuses(*op, fewer, example.attributes), op->name);
        }
    }
}

TEST_CASE("i32 in a float's place and a float in an i32's are refused, but where the first input may be of any dtype") {
    const std::set<std::string_view> any_dtype = {"cast",    "concat", "gather_rows", "repeat",
                                                  "reshape", "slice",  "split",       "transpose"};
    for (const OpDef* op : all_ops()) {
        Random random(1);
        for (const Example& example : op->examples(random)) {
            for (std::size_t i = 0; i < example.inputs.size(); ++i) {
                if (i == 0 && any_dtype.contains(op->name)) continue;
                std::vector<TensorType> types = example.inputs;
                types[i].dtype = is_stored_float(types[i].dtype) ? DType::i32 : DType::f32;
                CHECK_MESSAGE(refuses(*op, types, example.attributes), op->name, " input ", i);
            }
        }
    }
}

TEST_CASE("a call moves bytes, at most those of its inputs and outputs") {
    for_every_case([&](const OpDef& op, OpCase& each) {
        const Cost cost = each.cost();
        std::int64_t all = 0;
        for (const auto* types : {&each.input_types(), &each.output_types()})
            for (const TensorType& type : *types) all += bytes_of(type, each.symbols());
        CHECK_MESSAGE(cost.bytes <= 2 * all, each.describe());
        CHECK_MESSAGE((cost.bytes > 0) == !op.is_view, each.describe(), " moves ", cost.bytes, " bytes");
        CHECK(cost.flops >= 0);
    });
}

}  // namespace
}  // namespace vitro::check
