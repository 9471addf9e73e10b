// Indices that are data: whatever computes or holds them, a number that is none is an error before any kernel reads it.
#include "backends/cpu/cpu_backend.h"
#include "backends/cuda/devices.h"
#include "graph/executor.h"
#include "graph/index_check.h"
#include "graph/interpret.h"
#include "graph/text.h"
#include "ops/check/kernel_check.h"
#include "ops/cuda_kernels.h"
#include "ops/op_list.h"
#include "ops/transpose/transpose.h"
#include "passes/passes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <utility>

namespace vitro::check {
namespace {

/// How the indices come into a graph.
enum class Source { constant, weight, state, computed };

/// One call of an op as a graph in which only its input `at` comes as `source` says. Sizes are those of the case.
class Single {
public:
    Single(const OpDef& op, const OpCase& each, std::size_t at, Source source) : symbols_(each.symbols()) {
        Builder b("one op");
        for (char symbol = 'A'; symbol <= 'Z'; ++symbol)
            if (symbols_[symbol] > 0) b.symbol(symbol, symbols_[symbol]);
        std::vector<Value> values;
        for (std::size_t i = 0; i < each.input_types().size(); ++i) {
            TensorType type = each.input_types()[i];
            for (Dim& dim : type.shape) dim = symbols_(dim);
            const std::string name(input_def(op, i).name);
            const Tensor& tensor = each.inputs()[i];
            const bool is_written =
                std::any_of(op.aliases.begin(), op.aliases.end(), [&](const Alias& alias) { return alias.input == i; });
            if (type.absent)
                values.emplace_back();
            else if (is_written || (i == at && (source == Source::state || source == Source::computed)))
                values.push_back(b.state(name, type));
            else if (i == at && source == Source::weight)
                values.push_back(b.weight(name, type));
            else if (i == at && source == Source::constant)
                values.push_back(constant(b, name, type, tensor));
            else
                values.push_back(b.input(name, type));
            if (!type.absent) data_[name].assign(tensor.as<std::byte>(), tensor.as<std::byte>() + tensor.bytes());
        }
        if (source == Source::computed)
            values[at] = transpose(b.named("moved"), values[at], identity(b.type(values[at]).rank()));
        const std::vector<Value> outputs = b.apply(op, values, each.attributes(), "out", {});
        for (std::size_t o = 0; o < outputs.size(); ++o) {
            const auto alias =
                std::find_if(op.aliases.begin(), op.aliases.end(), [&](const Alias& one) { return one.output == o; });
            if (alias == op.aliases.end())
                b.result(outputs[o]);
            else
                b.update(values[alias->input], outputs[o]);
        }
        graph_ = b.finish();
    }

    const Graph& graph() const { return graph_; }

    void interpret() const {
        CpuBackend host(1);
        vitro::interpret(graph_, symbols_, host, [&](const ValueInfo& value, const Tensor& tensor) {
            std::memcpy(tensor.data, data_.at(value.path).data(), static_cast<std::size_t>(tensor.bytes()));
        });
    }

    void execute(const Target& target) const {
        const Program program = compile(graph_, target);
        std::vector<Buffer> buffers;
        const auto allocate = [&](std::size_t bytes) {
            return buffers.emplace_back(target.backend.allocate(bytes, "a test")).data();
        };
        std::vector<const void*> weights;
        for (const ValueId id : program.graph.values_of(ValueKind::weight)) {
            const std::vector<std::byte>& data = data_.at(program.graph.value(id).path);
            weights.push_back(allocate(data.size()));
            target.backend.upload(buffers.back().data(), data.data(), data.size());
        }
        Executor executor(program,
                          {{target.backend, allocate(program.plan.bytes(Region::states)),
                            allocate(program.plan.bytes(Region::io)), allocate(program.plan.bytes(Region::arena))}},
                          weights);
        for (const ValueKind kind : {ValueKind::input, ValueKind::state})
            for (const ValueId id : program.graph.values_of(kind))
                executor.write(id, data_.at(program.graph.value(id).path).data(), symbols_);
        executor.run(symbols_);
        target.backend.synchronize();
    }

private:
    static std::vector<std::int64_t> identity(int rank) {
        std::vector<std::int64_t> axes;
        for (int axis = 0; axis < rank; ++axis) axes.push_back(axis);
        return axes;
    }

    static Value constant(Builder& b, const std::string& name, const TensorType& type, const Tensor& tensor) {
        ValueInfo info{ValueKind::constant, type, name};
        info.data.assign(tensor.as<std::byte>(), tensor.as<std::byte>() + tensor.bytes());
        return {b.graph().add_value(std::move(info))};
    }

    SymbolValues symbols_;
    std::map<std::string, std::vector<std::byte>> data_;
    Graph graph_;
};

/// The error of running it, or "none".
template <class Body>
std::string error_of(Body&& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.what();
    }
    return "none";
}

/// Numbers that the rule excludes.
std::vector<std::int32_t> bad_numbers(const IndexRule& rule, const SymbolValues& symbols) {
    std::vector<std::int32_t> bad{-1, INT32_MIN};
    std::optional<std::int64_t> limit = rule.room(symbols);
    if (limit && rule.role == InputRole::lengths) ++*limit;
    if (rule.below != Dim(0)) limit = symbols(rule.below);
    if (limit && *limit <= INT32_MAX) bad.insert(bad.end(), {static_cast<std::int32_t>(*limit), INT32_MAX});
    return bad;
}

TEST_CASE("an index that is none is an error, of every op that takes indices, wherever it comes from") {
    CpuBackend cpu(2);
    const std::unique_ptr<Backend> cuda = cuda_emulated::make_backend();
    const Target targets[] = {{cpu, cpu_kernels()}, {*cuda, cuda_emulated::kernels()}};
    std::set<std::string> ops;
    Random random(1);
    for (const OpDef* op : all_ops()) {
        const auto is_number = [](const InputDef& input) {
            return input.role == InputRole::values || input.role == InputRole::shared;
        };
        if (std::ranges::all_of(op->inputs, is_number)) continue;
        std::set<std::string> seen;  // each input as often as there are sources, in cases of other sizes
        for_each_case(*op, 1, [&](OpCase& each) {
            for (std::size_t i = 0; i < op->inputs.size(); ++i)
                for (const Source source : {Source::constant, Source::weight, Source::state, Source::computed}) {
                    const Tensor& tensor = each.inputs()[i];
                    if (is_number(op->inputs[i]) || tensor.absent || tensor.elements() == 0) continue;
                    const Single good(*op, each, i, source);
                    const auto rule = index_rule(good.graph(), good.graph().nodes.back(), i);
                    if (!rule || !seen.insert(fmt::format("{} {}", i, int(source))).second) continue;
                    ops.emplace(op->name);
                    CAPTURE(op->name);
                    CAPTURE(op->inputs[i].name);
                    CAPTURE(int(source));
                    CHECK(error_of([&] { good.interpret(); }) == "none");
                    for (const Target& target : targets)
                        if (target.backend.is_host() || find_kernel(target, good.graph(), good.graph().nodes.back()))
                            CHECK(error_of([&] { good.execute(target); }) == "none");
                    auto* numbers = tensor.as<std::int32_t>();
                    const auto at = random.integer(0, tensor.elements() - 1);
                    const std::int32_t was = numbers[at];
                    for (const std::int32_t number : bad_numbers(*rule, each.symbols())) {
                        CAPTURE(number);
                        numbers[at] = number;
                        const Single bad(*op, each, i, source);
                        const std::string expected = fmt::format(", found {}", number);
                        const auto names_it = [&](const std::string& error) {
                            return error.find(expected) != std::string::npos &&
                                   error.find("expected a number in [0, ") != std::string::npos;
                        };
                        CHECK(names_it(error_of([&] { bad.interpret(); })));
                        for (const Target& target : targets)
                            if (target.backend.is_host() || find_kernel(target, bad.graph(), bad.graph().nodes.back()))
                                CHECK(names_it(error_of([&] { bad.execute(target); })));
                    }
                    numbers[at] = was;
                    if (!rule->sum) continue;
                    for (std::int64_t s = 0; s < tensor.elements(); ++s) {  // a sum that is not the one
                        if (numbers[s] == 0) continue;
                        --numbers[s];
                        const Single bad(*op, each, i, source);
                        CHECK(error_of([&] { bad.interpret(); }).find("add up to") != std::string::npos);
                        CHECK(error_of([&] { bad.execute(targets[0]); }).find("add up to") != std::string::npos);
                        ++numbers[s];
                        break;
                    }
                }
        });
    }
    CHECK(ops == std::set<std::string>{"attention", "attention_mask", "embed", "gather_rows", "kv_append", "kv_gather",
                                       "qkv_projection", "qkv_rope_append", "rope"});
}

TEST_CASE("two tokens in one row of a cache are an error, wherever their places come from") {
    CpuBackend cpu(2);
    const std::unique_ptr<Backend> cuda = cuda_emulated::make_backend();
    const Target targets[] = {{cpu, cpu_kernels()}, {*cuda, cuda_emulated::kernels()}};
    std::set<std::string> ops;
    Random random(2);
    for (const OpDef* op : all_ops())
        for_each_case(*op, 1, [&](OpCase& each) {
            for (const Source source : {Source::constant, Source::state, Source::computed}) {
                const int positions = input_index(*op, "positions");
                if (positions < 0) continue;
                const auto at = static_cast<std::size_t>(positions);
                const Single good(*op, each, at, source);
                const auto rows = written_rows(good.graph().nodes.back());
                const std::int64_t tokens = each.inputs()[at].elements();
                if (!rows || tokens < 2) continue;
                ops.emplace(op->name);
                CAPTURE(op->name);
                CAPTURE(int(source));
                CHECK(unchecked_writes(good.graph()).size() == 1);
                CHECK(error_of([&] { good.interpret(); }) == "none");
                const std::int64_t first = random.integer(0, tokens - 2),
                                   second = random.integer(first + 1, tokens - 1);
                std::vector<std::int32_t> was;
                for (const std::size_t input : {rows->positions, rows->sequences}) {
                    auto* numbers = each.inputs()[input].as<std::int32_t>();
                    was.push_back(std::exchange(numbers[second], numbers[first]));
                }
                const Single bad(*op, each, at, source);
                const std::string expected = fmt::format("found tokens {} and {} in slot ", first, second);
                const auto names_them = [&](const std::string& error) {
                    return error.find(expected) != std::string::npos;
                };
                CHECK(names_them(error_of([&] { bad.interpret(); })));
                for (const Target& target : targets)
                    if (target.backend.is_host() || find_kernel(target, bad.graph(), bad.graph().nodes.back()))
                        CHECK(names_them(error_of([&] { bad.execute(target); })));
                each.inputs()[rows->positions].as<std::int32_t>()[second] = was[0];
                each.inputs()[rows->sequences].as<std::int32_t>()[second] = was[1];
            }
        });
    CHECK(ops == std::set<std::string>{"kv_append", "qkv_projection", "qkv_rope_append"});
}

TEST_CASE("tokens that a step computes are checked when it runs") {
    constexpr std::string_view kText = R"(graph "a token, and its row"
%logits = input f32 [1, 9]
%table = weight f32 [4, 3]
%token = argmax(%logits) : i32 [1]
%out = embed(%token, %table) : f32 [1, 3]
return %out
)";
    const Graph graph = parse(kText, "g", find_op);
    CHECK(unchecked_indices(graph).size() == 1);
    CpuBackend host(1);
    const Program program = compile(graph, {host, cpu_kernels()});
    std::vector<Buffer> buffers;
    for (const Region region : {Region::io, Region::arena})
        buffers.push_back(host.allocate(program.plan.bytes(region), "a test"));
    const std::vector<float> table(12, 1.0f);
    Executor executor(program, {{host, nullptr, buffers[0].data(), buffers[1].data()}},
                      std::vector<const void*>{table.data()});
    for (const std::size_t token : {3, 4, 8}) {
        std::vector<float> logits(9);
        logits[token] = 1;
        executor.write(graph.find("logits"), logits.data(), {});
        const std::string error = error_of([&] { executor.run({}); });
        if (token < 4)
            CHECK(error == "none");
        else
            CHECK(error ==
                  fmt::format("token: element 0: expected a number in [0, 4) for tokens of embed at out, found {}",
                              token));
    }
}

TEST_CASE("what only moves numbers hands on what its readers want of the graph's input") {
    constexpr std::string_view kText = R"(graph "moved"
symbol T <= 4
%rows = input i32 [T, 2]
%x = input f32 [5, 3]
%first = slice(%rows) {axis = 1, begin = 0, end = 1} : i32 [T, 1]
%flat = reshape(%first) {shape = [T]} : i32 [T]
%out = gather_rows(%x, %flat) : f32 [T, 3]
return %out
)";
    const Graph graph = parse(kText, "g", find_op);
    CHECK(unchecked_indices(graph).empty());
    const auto rules = input_rules(graph).at("rows");
    REQUIRE(rules.size() == 1);
    CHECK(rules[0].below == Dim(5));
    CHECK(rules[0].reader == "rows of gather_rows at out");
}

TEST_CASE("a chain of 20,000 moves, and one that doubles 40 times, are followed at once") {
    std::string text = "graph \"g\"\n%rows = input i32 [4]\n%x = input f32 [5]\n", last = "rows";
    for (int i = 0; i < 20000; ++i) {
        text += fmt::format("%v{} = reshape(%{}) {{shape = [4]}} : i32 [4]\n", i, last);
        last = fmt::format("v{}", i);
    }
    for (int i = 0; i < 40; ++i) {
        text += fmt::format("%d{0} = concat(%{1}, %{1}) {{axis = 0}} : i32 [8]\n", i, last);
        text += fmt::format("%h{0} = slice(%d{0}) {{axis = 0, begin = 2, end = 6}} : i32 [4]\n", i);
        last = fmt::format("h{}", i);
    }
    text += fmt::format("%out = gather_rows(%x, %{}) : f32 [4]\nreturn %out\n", last);
    const Graph graph = parse(text, "g", find_op);
    CHECK(input_rules(graph).at("rows").size() == 1);
    CHECK(unchecked_indices(graph).empty());
}

TEST_CASE("folding refuses constants that are no indices") {
    Graph graph = parse(
        "graph \"g\"\n%x = constant f32 [4] {1, 2, 3, 4}\n%i = constant i32 [6] {3, 3, 3, 3, -1, -2}\n"
        "%y = gather_rows(%x, %i) : f32 [6]\nreturn %y\n",
        "g", find_op);
    CpuBackend host(1);
    const Target target{host, cpu_kernels()};
    CHECK(error_of([&] {
              optimize(graph, {&target, 1}, {});
          }) == "i: element 4: expected a number in [0, 4) for rows of gather_rows at y, found -1");
}

}  // namespace
}  // namespace vitro::check
