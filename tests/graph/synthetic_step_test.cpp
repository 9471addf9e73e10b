#include "graph/synthetic_step.h"

#include "backends/cpu/cpu_backend.h"
#include "graph/interpret.h"
#include "graph/text.h"
#include "ops/op_list.h"

#include <doctest/doctest.h>

#include <set>

namespace vitro {
namespace {

/// Two sequences' tokens, looked up, turned, appended and attended to; the rows wanted are gathered.
constexpr std::string_view kStep = R"(graph "a ragged step"
symbol C <= 64
symbol R <= 4
symbol S <= 3
symbol T <= 12
%tokens = input i32 [T]
%positions = input i32 [T]
%sequences = input i32 [T]
%page_table = input i32 [S, 4]
%lengths = input i32 [S]
%rows = input i32 [R]
%table = weight bf16 [7, 12]
%k_cache = state f32 [14, 4, 2, 6]
%x = embed(%tokens, %table) : f32 [T, 12]
%heads = reshape(%x) {shape = [T, 2, 6]} : f32 [T, 2, 6]
%turned = rope(%heads, %positions) : f32 [T, 2, 6]
%next = kv_append(%k_cache, %turned, %positions, %sequences, %page_table) : f32 [14, 4, 2, 6]
%all = kv_gather(%next, %page_table, %lengths) : f32 [C, 2, 6]
%mask = attention_mask(%positions, %sequences, %lengths) : f32 [T, C]
%wanted = gather_rows(%x, %rows) : f32 [R, 12]
return %all
return %mask
return %wanted
update %k_cache = %next
)";

Graph step_graph() { return parse(kStep, "step", find_op); }

std::vector<std::int32_t> numbers(const SyntheticStep& step, const Graph& graph, std::string_view path) {
    const ValueInfo& value = graph.value(graph.find(path));
    const Elements elements = leaf_elements(
        value, step.symbols(), [&](const ValueInfo& leaf, const Tensor& tensor) { step.fill(leaf, tensor); });
    const auto* data = reinterpret_cast<const std::int32_t*>(elements.data());
    return {data, data + elements.size() / sizeof(std::int32_t)};
}

SymbolValues sizes(std::initializer_list<std::pair<char, std::int64_t>> list) {
    SymbolValues out;
    for (const auto& [symbol, size] : list) out[symbol] = size;
    return out;
}

void check_valid(const SyntheticStep& step, const Graph& graph) {
    const auto tokens = numbers(step, graph, "tokens"), positions = numbers(step, graph, "positions"),
               sequences = numbers(step, graph, "sequences"), pages = numbers(step, graph, "page_table"),
               lengths = numbers(step, graph, "lengths"), rows = numbers(step, graph, "rows");
    for (const std::int32_t token : tokens) CHECK((token >= 0 && token < 7));
    for (const std::int32_t row : rows) CHECK((row >= 0 && row < step.symbols()['T']));
    std::set<std::pair<std::int32_t, std::int32_t>> places;  // page, slot
    std::int64_t cached = 0;
    for (const std::int32_t length : lengths) cached += length;
    CHECK(cached == step.symbols()['C']);
    for (std::size_t t = 0; t < tokens.size(); ++t) {
        const auto s = static_cast<std::size_t>(sequences[t]);
        CHECK(s < lengths.size());
        CHECK(positions[t] < lengths.at(s));
        const std::int32_t page = pages.at(s * 4 + static_cast<std::size_t>(positions[t]) / 4);
        CHECK((page >= 0 && page < 14));
        CHECK_MESSAGE(places.emplace(page, positions[t] % 4).second, "two tokens at one place");
    }
    for (std::size_t s = 0; s < lengths.size(); ++s)  // no sequence has another's page
        for (std::size_t i = 0; i < static_cast<std::size_t>(lengths[s] + 3) / 4; ++i)
            for (std::size_t other = 0; other < s; ++other)
                for (std::size_t j = 0; j < static_cast<std::size_t>(lengths[other] + 3) / 4; ++j)
                    CHECK(pages.at(s * 4 + i) != pages.at(other * 4 + j));
}

TEST_CASE("a made-up step is valid, and runs") {
    const Graph graph = step_graph();
    CpuBackend host(1);
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        for (const SymbolValues& wanted :
             {SymbolValues{}, sizes({{'T', 12}, {'S', 1}}), sizes({{'T', 1}, {'S', 3}}), sizes({{'C', 40}, {'S', 3}}),
              sizes({{'T', 12}, {'S', 3}, {'C', 12}}), sizes({{'T', 2}, {'S', 2}, {'C', 32}})}) {
            const SyntheticStep step(graph, wanted, seed);
            for (const char symbol : {'T', 'S', 'C'})
                if (wanted[symbol] > 0) CHECK(step.symbols()[symbol] == wanted[symbol]);
            check_valid(step, graph);
            interpret(graph, step.symbols(), host,
                      [&](const ValueInfo& value, const Tensor& tensor) { step.fill(value, tensor); });
        }
    }
}

TEST_CASE("sizes that cannot be are refused with the size that could") {
    const Graph graph = step_graph();
    const auto make = [&](std::initializer_list<std::pair<char, std::int64_t>> list) {
        SyntheticStep(graph, sizes(list), 1);
    };
    CHECK_THROWS_WITH_AS(make({{'T', 13}}), "symbol T: expected a value in [1, 12], found 13", Error);
    CHECK_THROWS_WITH_AS(make({{'T', 9}, {'C', 5}}), "symbol C: expected at least the 9 tokens of the step, found 5",
                         Error);
    CHECK_THROWS_WITH_AS(make({{'T', 2}, {'S', 2}, {'C', 33}}), doctest::Contains("symbol C: expected at most 32"),
                         Error);
}

TEST_CASE("numbers that no reader takes are refused, naming it") {
    const Graph graph = step_graph();
    const auto rules = input_rules(graph);
    SymbolValues symbols = sizes({{'T', 2}, {'S', 1}, {'C', 9}, {'R', 1}});
    const auto check = [&](const std::string& path, std::vector<std::int32_t> data) {
        const std::int64_t size = std::ssize(data);
        for (const IndexRule& rule : rules.at(path))
            check_indices("input " + path, {DType::i32, {&size, 1}, data.data()}, rule, symbols);
    };
    CHECK_NOTHROW(check("tokens", {0, 6}));
    CHECK_NOTHROW(check("lengths", {9}));
    CHECK_THROWS_WITH_AS(check("tokens", {0, 7}),
                         doctest::Contains("input tokens: element 1: expected a number in [0, 7)"), Error);
    CHECK_THROWS_WITH_AS(check("tokens", {-1}), doctest::Contains("tokens of embed at x"), Error);
    CHECK_THROWS_WITH_AS(check("rows", {2}), doctest::Contains("[0, 2)"), Error);
    CHECK_THROWS_WITH_AS(check("positions", {16}), doctest::Contains("[0, 16)"), Error);
    CHECK_THROWS_WITH_AS(check("page_table", {14}), doctest::Contains("[0, 14)"), Error);
    CHECK_THROWS_WITH_AS(check("lengths", {8}), doctest::Contains("add up to C = 9"), Error);
}

TEST_CASE("what readers want is found through long chains and many ways, once") {
    const std::string head = "graph \"g\"\n%x = input f32 [9, 1]\n%v0 = input i32 [4]\n";
    const auto rules_of = [&](const std::string& lines) {
        return input_rules(parse(head + lines, "g", find_op)).at("v0");
    };
    std::string chain;  // deep: what follows it must not call itself
    for (int i = 1; i <= 20'000; ++i)
        chain += fmt::format("%v{} = slice(%v{}) {{axis = 0, begin = 0, end = 4}} : i32 [4]\n", i, i - 1);
    chain += "%y = gather_rows(%x, %v20000) : f32 [4, 1]\nreturn %y\n";
    REQUIRE(rules_of(chain).size() == 1);
    CHECK(rules_of(chain)[0].below == Dim(9));

    std::string ways;  // 2^40 of them
    for (int i = 1; i <= 80; i += 2)
        ways += fmt::format(
            "%v{1} = concat(%v{0}, %v{0}) {{axis = 0}} : i32 [8]\n"
            "%v{2} = slice(%v{1}) {{axis = 0, begin = 2, end = 6}} : i32 [4]\n",
            i - 1, i, i + 1);
    CHECK(rules_of(ways + "%y = gather_rows(%x, %v80) : f32 [4, 1]\nreturn %y\n").size() == 1);

    std::string readers;  // of as many sizes at the end of a chain: the least of them says it all
    for (int i = 1; i <= 3000; ++i)
        readers += fmt::format("%v{} = slice(%v{}) {{axis = 0, begin = 0, end = 4}} : i32 [4]\n", i, i - 1);
    for (int i = 20; i < 3020; ++i)
        readers += fmt::format(
            "%x{0} = input f32 [{0}, 1]\n%y{0} = gather_rows(%x{0}, %v3000) : f32 [4, 1]\n"
            "return %y{0}\n",
            i);
    REQUIRE(rules_of(readers).size() == 1);
    CHECK(rules_of(readers)[0].below == Dim(20));
}

TEST_CASE("a weight is filled by the seed and its checkpoint tensor, wherever it stands") {
    const Graph graph = parse(
        "graph \"g\"\n%x = input f32 [4]\n%a = weight f32 [4]\n%b = weight f32 [4]\n"
        "%again = weight f32 [4] from a\n%y = add(%x, %a) : f32 [4]\nreturn %y\n",
        "g", find_op);
    const auto elements = [&](const char* path, std::uint64_t seed) {
        const SyntheticStep step(graph, {}, seed);
        return leaf_elements(graph.value(graph.find(path)), step.symbols(),
                             [&](const ValueInfo& leaf, const Tensor& tensor) { step.fill(leaf, tensor); });
    };
    CHECK(elements("again", 3) == elements("a", 3));
    CHECK(elements("b", 3) != elements("a", 3));
    CHECK(elements("a", 4) != elements("a", 3));
}

}  // namespace
}  // namespace vitro
