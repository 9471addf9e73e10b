// The part of the pass that depends on the CPU: a kernel that wants activations in bf16, and which does.
#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/isa.h"
#include "graph/text.h"
#include "ops/linear/linear.h"
#include "ops/op_list.h"
#include "passes/passes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace vitro;

namespace {

DType wants_bf16(std::size_t input, std::span<const TensorType> inputs, const Attributes&) {
    return input == Linear::kX && inputs[Linear::kWeight].dtype == DType::bf16 ? DType::bf16 : inputs[input].dtype;
}

/// The graph after the passes for a device whose kernel wants x in bf16, and what they tell.
std::string optimized(std::string_view text, bool exact = false) {
    Graph graph = parse(text, "test", find_op);
    CpuBackend backend(1);
    const KernelDef kernel{.op = "linear", .run = nullptr, .prefers = wants_bf16};
    const Target targets[] = {{backend, {&kernel, 1}}, {backend, cpu_kernels()}};
    std::string told;
    for (const Finding& finding : optimize(graph, targets, {.exact = exact}).journal.findings)
        if (finding.pass == "quantize_activations")
            told += fmt::format("# {} {}: {}\n", finding.fired ? "fired" : "refused", finding.path, finding.reason);
    return print(graph) + told;
}

constexpr std::string_view kGraph = R"(graph "two products of one input, by bf16 and by f16"
symbol T <= 8
%x = input f32 [T, 64]
%a.weight = weight bf16 [6, 64]
%a.bias = weight f32 [6]
%b.weight = weight bf16 [8, 64]
%c.weight = weight f16 [5, 64]
%dot = matmul(%x, %a.weight) {transpose_b = true} : f32 [T, 6]
%a = add(%dot, %a.bias) : f32 [T, 6]
%b = linear(%x, %b.weight) {activation = "silu", gated = true} : f32 [T, 4]
%c = linear(%x, %c.weight) : f32 [T, 5]
return %a
return %b
return %c
)";

}  // namespace

TEST_CASE(
    "activations are rounded to bf16 once for all that multiply them with weights of bf16, where a kernel wants it") {
    const std::string text = optimized(kGraph);
    CAPTURE(text);
    const auto has = [&](std::string_view line) { return text.find(line) != std::string::npos; };
    CHECK(has("%x.bf16 = cast(%x) {dtype = bf16} : bf16 [T, 64]"));
    CHECK(text.find("cast(") == text.rfind("cast("));
    CHECK(has("%a = linear(%x.bf16, %a.weight, bias = %a.bias) {x_rounded = true} : f32 [T, 6]"));
    CHECK(has("%b = linear(%x.bf16, %b.weight) {activation = \"silu\", gated = true, x_rounded = true} : f32 [T, 4]"));
    CHECK(has("%c = linear(%x, %c.weight) : f32 [T, 5]"));
    CHECK(has("# fired a: x rounded to bf16"));
    CHECK(has("# fired b: x rounded to bf16"));
}

TEST_CASE("with exact, and where x is bf16 already, no activation is rounded") {
    CHECK(optimized(kGraph, true).find("cast(") == std::string::npos);
    std::string narrow(kGraph);
    for (std::size_t at; (at = narrow.find(": f32 [T")) != std::string::npos;) narrow.replace(at, 5, ": bf16");
    narrow.replace(narrow.find("input f32"), 9, "input bf16");
    const std::string text = optimized(narrow);
    CAPTURE(text);
    CHECK(text.find("cast(") == std::string::npos);
    CHECK(text.find("x_rounded") == std::string::npos);
}

TEST_CASE("linear's kernel wants activations in bf16 for weights of bf16, in pairs, where the CPU multiplies them") {
#ifdef __x86_64__
    const bool has_pairs = __builtin_cpu_supports("avx512bf16") && !__builtin_cpu_is("intel");
#else
    const bool has_pairs = false;
#endif
    if (!has_pairs && !runs(Isa::avx512_amx)) MESSAGE("this CPU has no fast products of bf16: no kernel wants it");
    for (const IsaKernels& set : isa_kernels()) {
        if (!runs(set.isa)) continue;
        CAPTURE(name(set.isa));
        const auto kernels = set.kernels();
        const auto linear = std::ranges::find(kernels, std::string_view("linear"), &KernelDef::op);
        REQUIRE(linear != kernels.end());
        const auto preferred = [&](DType x, DType weight, std::int64_t k) {
            std::vector<TensorType> inputs(kLinear.inputs.size(), TensorType::none());
            inputs[Linear::kX] = {x, {'T', k}};
            inputs[Linear::kWeight] = {weight, {8, k}};
            return linear->prefers(Linear::kX, inputs, Linear{});
        };
        const bool wants = set.isa == Isa::avx512_amx || (has_pairs && set.isa == Isa::avx512_vnni);
        CHECK(preferred(DType::f32, DType::bf16, 64) == (wants ? DType::bf16 : DType::f32));
        CHECK(preferred(DType::f32, DType::bf16, 63) == DType::f32);
        CHECK(preferred(DType::f32, DType::f16, 64) == DType::f32);
        CHECK(preferred(DType::f32, DType::f32, 64) == DType::f32);
        CHECK(preferred(DType::f32, DType::q8_0, 64) == DType::q8_32);
    }
}
