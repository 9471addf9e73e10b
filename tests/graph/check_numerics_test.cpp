#include "graph/check_numerics.h"

#include "backends/cpu/cpu_backend.h"
#include "graph/text.h"
#include "ops/op_list.h"

#include <doctest/doctest.h>

namespace vitro {
namespace {

std::string graph_text(std::string_view lines) {
    return fmt::format(
        "graph \"g\"\nsymbol T <= 8\n%x = input f32 [T, 4]\n%w = weight f32 [4]\n%s = state f32 [2, 4]\n{}", lines);
}

/// The error of a check that goes from one graph to another, or "".
std::string difference(std::string_view before, std::string_view after) {
    CpuBackend host(1);
    NumericsCheck check(host, {}, 1);
    check.check("the graph as given", parse(graph_text(before), "before", find_op));
    try {
        check.check("the_pass", parse(graph_text(after), "after", find_op));
        return "";
    } catch (const Error& error) {
        return error.what();
    }
}

constexpr std::string_view kBefore = "%a = add(%x, %w) : f32 [T, 4]\n%b = silu(%a) : f32 [T, 4]\nreturn %b\n";

TEST_CASE("a pass that changes what a value is, is told with the value") {
    CHECK(difference(kBefore, kBefore) == "");
    const std::string text =
        difference(kBefore, "%a = mul(%x, %w) : f32 [T, 4]\n%b = silu(%a) : f32 [T, 4]\nreturn %b\n");
    CHECK(text.find("the_pass changed a: element 0 of f32 [T, 4]: expected ") == 0);
    // Only the value that is wrong is told, not what follows from it.
    CHECK(difference(kBefore, "%a = add(%x, %w) : f32 [T, 4]\n%b = relu(%a) : f32 [T, 4]\nreturn %b\n")
              .find("the_pass changed b:") == 0);
}

TEST_CASE("what is computed another way under new names may take a value's place") {
    CHECK(difference(kBefore, "%c = add(%x, %w) : f32 [T, 4]\n%b = silu(%c) : f32 [T, 4]\nreturn %b\n") == "");
    CHECK(difference(kBefore, "%c = add(%x, %w) : f32 [T, 4]\n%d = silu(%c) : f32 [T, 4]\nreturn %d\n") == "");
    CHECK(difference(kBefore, "%c = mul(%x, %w) : f32 [T, 4]\n%d = silu(%c) : f32 [T, 4]\nreturn %d\n")
              .find("the_pass changed b (now d): element") == 0);
}

TEST_CASE("NaN is as it was where it is NaN still, and nothing else") {
    constexpr std::string_view kNaN = "%c = constant f32 [4] {nan, 1, inf, 2}\n";
    const auto with = [&](std::string_view lines) { return std::string(kNaN) + std::string(lines); };
    const std::string product = with("%y = mul(%x, %c) : f32 [T, 4]\nreturn %y\n");
    CHECK(difference(product, with("%z = mul(%x, %c) : f32 [T, 4]\nreturn %z\n")) == "");
    CHECK(difference(product, "%y = mul(%x, %w) : f32 [T, 4]\nreturn %y\n")
              .find("the_pass changed y: element 0 of f32 [T, 4]: expected nan, found ") == 0);
    CHECK(difference("%y = mul(%x, %w) : f32 [T, 4]\nreturn %y\n", product)
              .find("the_pass changed y: element 0 of f32 [T, 4]: expected ") == 0);
}

TEST_CASE("results and updates are compared, also where another value takes their place") {
    const std::string_view both =
        "%a = add(%x, %w) : f32 [T, 4]\n%n = add(%s, %w) : f32 [2, 4]\nreturn %a\nupdate %s = %n\n";
    CHECK(difference(both, both) == "");
    CHECK(difference(both, "%a = add(%x, %w) : f32 [T, 4]\n%n = add(%s, %w) : f32 [2, 4]\nreturn %x\nupdate %s = %n\n")
              .find("the_pass changed a (now x):") == 0);
    CHECK(difference(both, "%a = add(%x, %w) : f32 [T, 4]\n%m = mul(%s, %w) : f32 [2, 4]\nreturn %a\nupdate %s = %m\n")
              .find("the_pass changed the update of s (now m):") == 0);
    CHECK(difference(both, "%a = add(%x, %w) : f32 [T, 4]\nreturn %a\n").find("changed the updates") !=
          std::string::npos);
}

TEST_CASE("values that would not fit are refused before they are made") {
    CpuBackend host(1);
    NumericsCheck check(host, {}, 1);
    const Graph graph = parse(
        "graph \"large\"\n%s = state f32 [65536, 65536]\n%y = silu(%s) : f32 [65536, 65536]\n"
        "return %y\n",
        "large", find_op);
    CHECK_THROWS_WITH_AS(check.check("the graph as given", graph), doctest::Contains("do not fit the 8 GiB"), Error);
}

}  // namespace
}  // namespace vitro
