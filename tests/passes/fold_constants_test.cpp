// Folding computes what the graph would: of every op, also of those that write into what they are given.
#include "backends/cpu/cpu_backend.h"
#include "graph/builder.h"
#include "graph/interpret.h"
#include "ops/check/kernel_check.h"
#include "ops/op_list.h"
#include "passes/passes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace vitro::check {
namespace {

bool can_be_constant(const TensorType& type) { return type.dtype == DType::f32 || type.dtype == DType::i32; }

/// One call of an op whose inputs are all constants, with sizes in place of symbols, but for those of attributes. Error
/// where an attribute asks for a symbol that the inputs then do not have, as a shape of reshape does.
Graph constant_call(const OpDef& op, const OpCase& each) {
    Builder b("one op");
    for (char symbol = 'A'; symbol <= 'Z'; ++symbol)
        if (each.symbols()[symbol] > 0) b.symbol(symbol, each.symbols()[symbol]);
    std::vector<Value> values;
    for (std::size_t i = 0; i < each.input_types().size(); ++i) {
        TensorType type = each.input_types()[i];
        if (type.absent) {
            values.emplace_back();
            continue;
        }
        for (Dim& dim : type.shape) dim = each.symbols()(dim);
        ValueInfo info{ValueKind::constant, type, fmt::format("input{}", i)};
        const Tensor& tensor = each.inputs()[i];
        info.data.assign(tensor.as<std::byte>(), tensor.as<std::byte>() + tensor.bytes());
        values.push_back({b.graph().add_value(std::move(info))});
    }
    b.result(b.apply(op, values, each.attributes(), "out", {})[0]);
    return b.finish();
}

TEST_CASE("what is folded is what the graph computes, of every op") {
    CpuBackend host(1);
    const Target target{host, cpu_kernels()};
    const Pass pass{"fold_constants", "", fold_constants};
    std::set<std::string> folded;
    for (const OpDef* op : all_ops())
        for_each_case(*op, 1, [&](OpCase& each) {
            const bool are_constants = std::ranges::all_of(
                each.input_types(), [](const TensorType& type) { return type.absent || can_be_constant(type); });
            const bool are_empty = std::ranges::any_of(
                each.inputs(), [](const Tensor& tensor) { return !tensor.absent && tensor.elements() == 0; });
            if (!are_constants || are_empty || each.output_types().size() != 1) return;
            CAPTURE(op->name);
            Graph graph;
            try {
                graph = constant_call(*op, each);
            } catch (const Error&) {
                CHECK(op->name == "reshape");
                return;
            }
            const auto no_leaf = [](const ValueInfo&, const Tensor&) { FAIL("no value is to be made up"); };
            const std::vector<Elements> expected = interpret(graph, each.symbols(), host, no_leaf);
            const ValueId was = graph.results[0];
            run_passes(graph, {&pass, 1}, {&target, 1});
            const ValueInfo& now = graph.value(graph.results[0]);
            if (now.kind != ValueKind::constant) return;  // of a type, or of a size, that does not stand in graphs
            folded.emplace(op->name);
            CHECK(now.data == expected[static_cast<std::size_t>(was)]);
        });
    for (const char* name : {"add", "reshape", "kv_append", "attention", "gather_rows", "linear"}) {
        CAPTURE(name);
        CHECK(folded.contains(name));
    }
}

}  // namespace
}  // namespace vitro::check
