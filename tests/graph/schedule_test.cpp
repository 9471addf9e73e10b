#include "graph/schedule.h"

#include "backends/cpu/cpu_backend.h"
#include "graph/check_plan.h"
#include "graph/text.h"
#include "ops/op_list.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace vitro {
namespace {

constexpr std::string_view kHead = "graph \"g\"\nsymbol T <= 8\n%x = input f32 [T, 16]\n";
constexpr std::string_view kCache =
    "symbol S <= 2\nsymbol C <= 24\n%k = input f32 [T, 2, 8]\n%p = input i32 [T]\n%s = input i32 [T]\n"
    "%t = input i32 [S, 3]\n%n = input i32 [S]\n%cache = state f32 [6, 4, 2, 8]\n";

Program program_of(std::string_view lines) {
    static CpuBackend backend(1);
    Program program = compile(parse(std::string(kHead) + std::string(lines), "g", find_op), {backend, cpu_kernels()});
    for (const std::string& complaint : check_plan(program)) FAIL_CHECK(complaint);
    return program;
}

/// Paths of the first outputs of all nodes, in order.
std::vector<std::string> order_of(const Program& program) {
    std::vector<std::string> out;
    for (const Node& node : program.graph.nodes) out.push_back(program.graph.value(node.outputs[0]).path);
    return out;
}

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("an order that keeps fewer bytes live is taken") {
    // Written breadth first: four wide values at once. Each branch ends in a narrow one.
    std::string lines;
    for (int i = 0; i < 4; ++i) lines += fmt::format("%v{} = concat(%x, %x, %x, %x) {{axis = 1}} : f32 [T, 64]\n", i);
    for (int i = 0; i < 4; ++i)
        lines += fmt::format("%n{} = slice(%v{}) {{axis = 1, begin = 0, end = 4}} : f32 [T, 4]\n", i, i);
    lines += "%y = concat(%n0, %n1, %n2, %n3) {axis = 1} : f32 [T, 16]\nreturn %y\n";
    const Program program = program_of(lines);
    CHECK(order_of(program) == Paths{"v0", "n0", "v1", "n1", "v2", "n2", "v3", "n3", "y"});
    CHECK(program.plan.bytes(Region::arena) == 8 * 64 * 4 + 4 * 8 * 4 * 4);
}

TEST_CASE("an order that is as good as any stays as it was written") {
    const Program program = program_of(
        "%a = relu(%x) : f32 [T, 16]\n%b = silu(%x) : f32 [T, 16]\n%c = mul(%a, %b) : f32 [T, 16]\n"
        "%d = relu(%c) : f32 [T, 16]\nreturn %d\n");
    CHECK(order_of(program) == Paths{"a", "b", "c", "d"});
}

TEST_CASE("a state is read before it is written over, wherever the reader was written") {
    const Program program = program_of(
        std::string(kCache) +
        "%next = kv_append(%cache, %k, %p, %s, %t) : f32 [6, 4, 2, 8]\n%old = kv_gather(%cache, %t, %n) : f32 [C, 2, "
        "8]\n"
        "%new = kv_gather(%next, %t, %n) : f32 [C, 2, 8]\nreturn %old\nreturn %new\nupdate %cache = %next\n");
    CHECK(order_of(program) == Paths{"old", "next", "new"});
}

TEST_CASE("what cannot be ordered is refused") {
    const auto refusal = [](std::string_view lines) -> std::string {
        try {
            program_of(std::string(kCache) + std::string(lines));
        } catch (const Error& error) {
            return error.what();
        }
        return "accepted";
    };
    // It reads the old state and the new one: possible, the old one first.
    CHECK(refusal("%next = kv_append(%cache, %k, %p, %s, %t) : f32 [6, 4, 2, 8]\n"
                  "%new = kv_gather(%next, %t, %n) : f32 [C, 2, 8]\n%old = kv_gather(%cache, %t, %n) : f32 [C, 2, 8]\n"
                  "%both = add(%old, %new) : f32 [C, 2, 8]\nreturn %both\nupdate %cache = %next\n") == "accepted");
    CHECK(refusal("%next = kv_append(%cache, %k, %p, %s, %t) : f32 [6, 4, 2, 8]\n"
                  "%late = kv_append(%cache, %k, %p, %s, %t) : f32 [6, 4, 2, 8]\nreturn %x\nupdate %cache = %next\n") ==
          "kv_append at late: kv_append at next writes over cache, too");
    CHECK(refusal("%next = kv_append(%cache, %k, %p, %s, %t) : f32 [6, 4, 2, 8]\nreturn %cache\n"
                  "update %cache = %next\n") == "result cache: kv_append at next writes over it");
    CHECK(refusal("%next = kv_append(%cache, %k, %p, %s, %t) : f32 [6, 4, 2, 8]\n"
                  "%sum = add(%cache, %next) : f32 [6, 4, 2, 8]\nreturn %sum\nupdate %cache = %next\n") ==
          "kv_append at next: it, or what it depends on, reads a value after an op has written over it");
    CHECK(refusal("%sum = add(%cache, %cache) : f32 [6, 4, 2, 8]\nreturn %x\nupdate %cache = %sum\n") ==
          "update of cache: expected a value that an op writes into it, found sum");
}

TEST_CASE("thousands of nodes, in a row or side by side, compile") {
    std::string row, wide;
    for (int i = 0; i < 3000; ++i) {
        row += fmt::format("%r{} = add(%{}, %x) : f32 [T, 16]\n", i, i == 0 ? "x" : fmt::format("r{}", i - 1));
        wide += fmt::format("%w{} = relu(%x) : f32 [T, 16]\n", i);
    }
    for (int i = 0; i < 2999; ++i)
        wide +=
            fmt::format("%s{} = add(%{}, %w{}) : f32 [T, 16]\n", i, i == 0 ? "w0" : fmt::format("s{}", i - 1), i + 1);
    CHECK(program_of(row + "return %r2999\n").plan.bytes(Region::arena) == 8 * 16 * 4);
    CHECK(program_of(wide + "return %s2998\n").plan.bytes(Region::arena) == 2 * 8 * 16 * 4);
}

}  // namespace vitro
