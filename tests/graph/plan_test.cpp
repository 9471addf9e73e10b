#include "graph/check_plan.h"

#include "graph/text.h"
#include "ops/op_list.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

namespace vitro {
namespace {

constexpr std::string_view kHead = "graph \"g\"\nsymbol T <= 8\n%x = input f32 [T, 16]\n";

Program program_of(std::string_view lines) {
    static CpuBackend backend(1);
    return compile(parse(std::string(kHead) + std::string(lines), "g", find_op), {backend, cpu_kernels()});
}

const Place& place(const Program& program, std::string_view path) {
    const ValueId id = program.graph.find(path);
    REQUIRE(id >= 0);
    return program.plan.place(id);
}

bool same_place(const Program& program, std::string_view a, std::string_view b) {
    return place(program, a).region == place(program, b).region && place(program, a).offset == place(program, b).offset;
}

void check_sound(const Program& program) {
    for (const std::string& complaint : check_plan(program)) FAIL_CHECK(complaint);
}

constexpr std::size_t kBytes = 8 * 16 * 4;  // of f32 [T, 16]

}  // namespace

TEST_CASE("no step of a golden's programs reads what another value has overwritten") {
    std::size_t arena = 0, lower_bound = 0;
    for (const std::string& name : test::golden_names()) {
        CAPTURE(name);
        const test::LoadedModel loaded = test::load_golden(name, {.max_sequences = 2, .chunk = 32});
        for (const Program* program : {&loaded.model.program(Phase::prefill), &loaded.model.program(Phase::decode)}) {
            check_sound(*program);
            const Plan& plan = program->plan;
            CHECK(plan.bytes(Region::arena) >= plan.arena_lower_bound());
            CHECK(static_cast<double>(plan.bytes(Region::arena)) <=
                  1.05 * static_cast<double>(plan.arena_lower_bound()));
            arena += plan.bytes(Region::arena);
            lower_bound += plan.arena_lower_bound();
        }
    }
    const double ratio = static_cast<double>(arena) / static_cast<double>(lower_bound);
    MESSAGE("arena over lower bound, all goldens: " << ratio);
    CHECK(ratio <= 1.05);
}

TEST_CASE("the checker complains when two live values share memory") {
    Program program = program_of(
        "%a = matmul(%x, %x) {transpose_b = true} : f32 [T, T]\n%b = matmul(%a, %x) : f32 [T, 16]\n"
        "%c = matmul(%a, %b) : f32 [T, 16]\n%d = add(%c, %b) : f32 [T, 16]\nreturn %d\n");
    check_sound(program);
    const auto move = [&](std::string_view path, std::string_view to) {
        Program changed = program;
        changed.plan.values[static_cast<std::size_t>(program.graph.find(path))] = place(program, to);
        return check_plan(changed).size();
    };
    CHECK(move("c", "b") > 0);  // matmul may not write over its input, and %d wants %b
    CHECK(move("b", "a") > 0);
    CHECK(move("d", "x") == 0);  // nothing reads %x any more …
    CHECK(move("c", "x") == 0);
    CHECK(move("b", "x") == 1);  // … but matmul may not write where it reads
    Program past = program;
    past.plan.values[static_cast<std::size_t>(program.graph.find("c"))].offset += 64;
    CHECK(check_plan(past).size() > 0);
}

TEST_CASE("an in-place op writes over its input when nothing reads it afterwards") {
    const Program chain = program_of(
        "%a = add(%x, %x) : f32 [T, 16]\n%b = silu(%a) : f32 [T, 16]\n%c = mul(%b, %x) : f32 [T, 16]\n"
        "%d = softmax(%c) : f32 [T, 16]\n%e = add(%d, %d) : f32 [T, 16]\nreturn %e\n");
    check_sound(chain);
    CHECK(same_place(chain, "a", "b"));
    CHECK(same_place(chain, "b", "c"));
    CHECK(same_place(chain, "c", "d"));
    CHECK(chain.plan.bytes(Region::arena) >= kBytes);
    CHECK(place(chain, "e").region == Region::io);  // results outlive the step

    const Program read_later = program_of(
        "%a = add(%x, %x) : f32 [T, 16]\n%b = silu(%a) : f32 [T, 16]\n%c = mul(%b, %a) : f32 [T, 16]\n"
        "%d = silu(%c) : f32 [T, 16]\nreturn %d\n");
    check_sound(read_later);
    CHECK_FALSE(same_place(read_later, "a", "b"));
    CHECK(same_place(read_later, "b", "c"));
}

TEST_CASE("an in-place op leaves inputs, constants and results of the step alone") {
    const Program program = program_of(
        "%k = constant f32 [1] {2}\n%i = input f32 [1]\n%a = silu(%x) : f32 [T, 16]\n%b = relu(%a) : f32 [T, 16]\n"
        "%c = mul(%k, %i) : f32 [1]\n%d = add(%b, %c) : f32 [T, 16]\nreturn %a\nreturn %d\n");
    check_sound(program);
    CHECK_FALSE(same_place(program, "x", "a"));
    CHECK_FALSE(same_place(program, "a", "b"));
    CHECK_FALSE(same_place(program, "k", "c"));
}

TEST_CASE("an in-place op does not write over an input of another type") {
    const Program program = program_of(
        "%a = silu(%x) : f32 [T, 16]\n%b = cast(%a) {dtype = f16} : f16 [T, 16]\n%c = relu(%b) : f16 [T, 16]\n"
        "%d = cast(%c) : f32 [T, 16]\nreturn %d\n");
    check_sound(program);
    CHECK_FALSE(same_place(program, "a", "b"));
    CHECK(same_place(program, "b", "c"));
}

TEST_CASE("a view is its input's memory, which lives as long as the view") {
    const Program program = program_of(
        "%a = silu(%x) : f32 [T, 16]\n%v = reshape(%a) {shape = [T, 4, 4]} : f32 [T, 4, 4]\n"
        "%b = relu(%x) : f32 [T, 16]\n%w = reshape(%v) {shape = [T, 16]} : f32 [T, 16]\n"
        "%c = mul(%b, %w) : f32 [T, 16]\n%d = add(%c, %a) : f32 [T, 16]\nreturn %d\n");
    check_sound(program);
    CHECK(same_place(program, "a", "v"));
    CHECK(same_place(program, "a", "w"));
    CHECK_FALSE(same_place(program, "a", "b"));

    // A view of an input stays with the inputs, a returned view with the results.
    const Program ends = program_of(
        "%v = reshape(%x) {shape = [T, 4, 4]} : f32 [T, 4, 4]\n%a = silu(%v) : f32 [T, 4, 4]\n"
        "%w = reshape(%a) {shape = [T, 16]} : f32 [T, 16]\nreturn %w\n");
    check_sound(ends);
    CHECK(same_place(ends, "x", "v"));
    CHECK(same_place(ends, "a", "w"));
    CHECK(place(ends, "a").region == Region::io);
}

TEST_CASE("the next state of a cache is the cache's memory") {
    const Program program = program_of(
        "symbol S <= 2\n%k = input f32 [T, 2, 4]\n%p = input i32 [T]\n%s = input i32 [T]\n%t = input i32 [S, 3]\n"
        "%l = input i32 [S]\nsymbol C <= 24\n%cache = state f32 [6, 4, 2, 4]\n"
        "%next = kv_append(%cache, %k, %p, %s, %t) : f32 [6, 4, 2, 4]\nupdate %cache = %next\nreturn %x\n");
    check_sound(program);
    CHECK(same_place(program, "cache", "next"));
    CHECK(place(program, "next").region == Region::states);
    CHECK(program.plan.bytes(Region::states) == 6 * 4 * 2 * 4 * 4);
}

TEST_CASE("memory is used again when nothing reads it any more") {
    std::string lines, before = "x";
    for (int i = 0; i < 20; ++i) {
        lines += fmt::format("%a{} = matmul(%{}, %x) {{transpose_b = true}} : f32 [T, T]\n", i, before);
        lines += fmt::format("%b{} = matmul(%a{}, %x) : f32 [T, 16]\n", i, i);
        before = fmt::format("b{}", i);
    }
    const Program program = program_of(lines + "return %" + before + "\n");
    check_sound(program);
    CHECK(program.plan.bytes(Region::arena) == program.plan.arena_lower_bound());
    std::size_t scratch = 0;
    for (const Place& p : program.plan.scratch) scratch = std::max(scratch, p.bytes);
    CHECK(program.plan.bytes(Region::arena) <= kBytes + 8 * 8 * 4 + scratch);
}

}  // namespace vitro
