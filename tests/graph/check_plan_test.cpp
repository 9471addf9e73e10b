// The checker refuses plans that are wrong: each case breaks a sound program in one way.
#include "graph/check_plan.h"

#include "graph/text.h"
#include "ops/op_list.h"
#include "tests/graph/far_device.h"

#include <doctest/doctest.h>

#include <functional>

namespace vitro::test {
namespace {

/// A bit of everything: a cache, views, in-place ops, a constant, a weight, scratch, several results.
constexpr std::string_view kText = R"(graph "g"
symbol T <= 8
symbol S <= 2
%x = input f32 [T, 16]
%y = input f32 [T, 16]
%w = weight f32 [16, 16]
%k = constant f32 [1] {2}
%p = input i32 [T]
%s = input i32 [T]
%t = input i32 [S, 3]
%cache = state f32 [6, 4, 2, 8]
%kept = state f32 [6, 4, 2, 8]
%a = matmul(%x, %w) {transpose_b = true} : f32 [T, 16]
%b = silu(%a) : f32 [T, 16]
%c = matmul(%y, %w) {transpose_b = true} : f32 [T, 16]
%d = mul(%c, %b) : f32 [T, 16]
%v = reshape(%d) {shape = [T, 2, 8]} : f32 [T, 2, 8]
%next = kv_append(%cache, %v, %p, %s, %t) : f32 [6, 4, 2, 8]
%l, %r = split(%d) {axis = 1, sizes = [8, 8]} : f32 [T, 8], f32 [T, 8]
%e = mul(%l, %r) : f32 [T, 8]
%f = mul(%e, %k) : f32 [T, 8]
%h = concat(%e, %f) {axis = 1} : f32 [T, 16]
%g = add(%b, %h) : f32 [T, 16]
return %f
return %g
update %cache = %next
)";

/// References for everything, and scratch for split.
std::span<const KernelDef> kernels() {
    static const KernelDef all[] = {
        {.op = "split", .run = find_op("split")->reference, .scratch = [](const Call&) { return std::size_t{100}; }}};
    return all;
}

Program sound_program(std::string_view text = kText) {
    static CpuBackend backend(1);
    return compile(parse(text, "g", find_op), {backend, kernels()});
}

struct Broken {
    Program program = sound_program();

    ValueId id(std::string_view path) const { return program.graph.find(path); }
    Place& place(std::string_view path) { return program.plan.values[static_cast<std::size_t>(id(path))]; }
    NodeId node(std::string_view path) const { return program.graph.value(id(path)).producer; }
    Place& scratch(std::string_view path) { return program.plan.scratch[static_cast<std::size_t>(node(path))]; }
    Step& step(std::string_view path) {
        for (Step& one : program.steps)
            if (one.node == node(path)) return one;
        FAIL("no step");
        return program.steps[0];
    }
    DevicePlan& device() { return program.plan.devices[0]; }
    std::size_t& bytes(Region region) { return device().region_bytes[static_cast<std::size_t>(region)]; }
    /// Memory at the end of a region that nothing else uses.
    Place fresh(Region region, std::size_t size = 2048) {
        const Place out{0, region, bytes(region), size};
        bytes(region) += size;
        return out;
    }
    /// Puts a value and all that shares its memory elsewhere.
    void move(std::initializer_list<std::string_view> paths, const Place& to) {
        for (const std::string_view path : paths) place(path) = to;
    }
};

struct Case {
    std::string_view what;
    std::string_view complaint;  // part of one of them
    std::function<void(Broken&)> damage;
};

const std::vector<Case>& cases() {
    static const std::vector<Case> all = {
        {"two live values in one place", "reads b, which c has overwritten at cpu arena [",
         [](Broken& p) { p.place("c") = p.place("b"); }},
        {"a live value half over another", "reads b, which c has overwritten at cpu arena [",
         [](Broken& p) {
             const Place both = p.fresh(Region::arena);
             p.move({"a", "b"}, {0, Region::arena, both.offset + 64, 512});
             p.move({"c", "d", "v"}, {0, Region::arena, both.offset + 512, 512});
         }},
        {"a value where nobody wrote it", "reads d, which nobody has written at cpu arena [",
         [](Broken& p) {
             p.place("d") = p.fresh(Region::arena);
             p.place("v") = p.place("d");
             std::swap(p.step("d"), p.step("l"));
         }},
        {"scratch over an input of its step", "split at l: its scratch at cpu arena [",
         [](Broken& p) { p.scratch("l") = p.place("d"); }},
        {"scratch over an output of its step", "lies over output r", [](Broken& p) { p.scratch("l") = p.place("r"); }},
        {"scratch over a value that is read later", "reads b, which scratch has overwritten",
         [](Broken& p) { p.scratch("l") = p.place("b"); }},
        {"too little scratch", "scratch of split at l: place of 64 bytes for 100",
         [](Broken& p) { p.scratch("l").bytes = 64; }},
        {"no scratch", "scratch of split at l: place of 0 bytes for 100", [](Broken& p) { p.scratch("l").bytes = 0; }},
        {"scratch past the end of the arena", "reach past the end of cpu arena",
         [](Broken& p) { p.scratch("l").offset = p.bytes(Region::arena); }},
        {"scratch outside the arena", "its scratch is not in the arena of its device",
         [](Broken& p) { p.scratch("l") = p.fresh(Region::io, 128); }},
        {"in place over a value that is read again", "add at g reads b, which d has overwritten",
         [](Broken& p) {
             p.move({"d", "v"}, p.place("b"));
         }},
        {"over an input, by an op that may not", "output a at cpu io [0, 512) lies over input x at cpu io [0, 512)",
         [](Broken& p) { p.place("a") = p.place("x"); }},
        {"in place, a little further on", "lies over input a",
         [](Broken& p) {
             const Place both = p.fresh(Region::arena);
             p.place("a") = {0, Region::arena, both.offset, 512};
             p.place("b") = {0, Region::arena, both.offset + 64, 512};
         }},
        {"a value over a state", "reads cache, which c has overwritten at cpu states [",
         [](Broken& p) { p.place("c") = p.place("cache"); }},
        {"a state that is not updated, overwritten", "the next run reads kept, which g has overwritten",
         [](Broken& p) { p.place("g") = p.place("kept"); }},
        {"the next state beside the state", "output next is not at the place of cache",
         [](Broken& p) { p.place("next") = p.fresh(Region::states); }},
        {"the next state in the place of another", "output next is not at the place of cache",
         [](Broken& p) { p.place("next") = p.place("kept"); }},
        {"a state outside the states", "cache: expected in the states, found in the arena",
         [](Broken& p) {
             p.move({"cache", "next"}, p.fresh(Region::arena));
         }},
        {"a result overwritten", "the caller reads f, which g has overwritten",
         [](Broken& p) {
             p.place("g") = {0, p.place("f").region, p.place("f").offset, 512};
         }},
        {"a result in the arena", "result g is in the arena, where the next step writes",
         [](Broken& p) { p.place("g") = p.fresh(Region::arena); }},
        {"an input in the arena", "x: expected in the io, found in the arena",
         [](Broken& p) { p.place("x") = p.fresh(Region::arena); }},
        {"a constant overwritten", "the next run reads k, which g has overwritten",
         [](Broken& p) {
             p.place("k") = p.fresh(Region::io, 512);
             p.place("g") = p.place("k");
         }},
        {"a value in the weights", "matmul at c writes into the weights at cpu weights [0, 512)",
         [](Broken& p) {
             p.place("c") = {0, Region::weights, 0, 512};
         }},
        {"two inputs in one place", "y and x are both at cpu io [0, 512)",
         [](Broken& p) { p.place("y") = p.place("x"); }},
        {"a place past the end of its region", "d: 512 bytes at",
         [](Broken& p) { p.place("d").offset = p.bytes(Region::arena); }},
        {"an offset near the end of the address space", "reach past the end of cpu arena",
         [](Broken& p) { p.place("d").offset = SIZE_MAX - 63; }},
        {"a region that is too small", "reach past the end of cpu states",
         [](Broken& p) { p.bytes(Region::states) -= 64; }},
        {"a misaligned place", "is not a multiple of 64",
         [](Broken& p) {
             p.place("e") = p.fresh(Region::arena);
             p.place("e").offset += 4;
             p.place("e").bytes = 256;
         }},
        {"an alignment that is no power of two", "cpu: alignment 48 is not a power of two",
         [](Broken& p) { p.device().alignment = 48; }},
        {"a place with too few bytes", "e: place of 64 bytes for 256", [](Broken& p) { p.place("e").bytes = 64; }},
        {"a place on a device that there is not", "e: device 7 of 1", [](Broken& p) { p.place("e").device = 7; }},
        {"a step on a device that there is not", "mul at e: device 7 of 1", [](Broken& p) { p.step("e").device = 7; }},
        {"a value on another device than its step", "mul at e: runs on cpu, e is on device 1",
         [](Broken& p) {
             p.program.plan.devices.push_back(p.device());
             p.place("e").device = 1;
         }},
        {"a view that is not where its memory is", "v is a view of d, but is at cpu arena [",
         [](Broken& p) { p.place("v") = p.fresh(Region::arena); }},
        {"two outputs of a node over each other", "outputs l and r overlap",
         [](Broken& p) { p.place("r") = p.place("l"); }},
        {"a step left out", "mul at e: expected 1 steps, found 0",
         [](Broken& p) { std::erase_if(p.program.steps, [&](const Step& step) { return step.node == p.node("e"); }); }},
        {"a step twice", "mul at e: expected 1 steps, found 2",
         [](Broken& p) { p.program.steps.push_back(p.step("e")); }},
        {"a step for a view", "reshape at v: expected 0 steps, found 1",
         [](Broken& p) { p.program.steps.push_back({p.node("v")}); }},
        {"a step before what it reads", "which nobody has written",
         [](Broken& p) {
             p.place("e") = p.fresh(Region::arena, 256);
             std::swap(p.step("e"), p.step("f"));
         }},
        {"a step of a node that there is not", "a step runs node 99",
         [](Broken& p) { p.program.steps.push_back({99}); }},
        {"a plan for another graph", "the plan has places for", [](Broken& p) { p.program.plan.values.pop_back(); }},
    };
    return all;
}

}  // namespace

TEST_CASE("a sound program has nothing wrong with it") {
    for (const std::string& complaint : check_plan(sound_program())) FAIL_CHECK(complaint);
    CHECK_NOTHROW(require_sound(sound_program()));
}

TEST_CASE("each broken plan is refused, with path, place and step") {
    CHECK(cases().size() >= 20);
    for (const Case& each : cases()) {
        CAPTURE(each.what);
        Broken broken;
        each.damage(broken);
        const std::vector<std::string> complaints = check_plan(broken.program);
        bool found = false;
        std::string all;
        for (const std::string& complaint : complaints) {
            found |= complaint.find(each.complaint) != std::string::npos;
            all += complaint + "\n";
        }
        CHECK_MESSAGE(found, "expected \"", each.complaint, "\" in:\n", all);
        CHECK_THROWS_AS(require_sound(broken.program), Error);
    }
}

TEST_CASE("a value on the wrong one of two devices is refused") {
    FarDevice far;
    CpuBackend host(1);
    const Target targets[] = {{far, far_kernels()}, {host, cpu_kernels()}};
    Program program = compile(parse("graph \"g\"\nsymbol T <= 4\n%x = input f32 [T, 4]\n%a = add(%x, %x) : f32 [T, 4]\n"
                                    "%b = silu(%a) : f32 [T, 4]\nreturn %b\n",
                                    "g", find_op),
                              targets);
    CHECK(check_plan(program).empty());
    program.plan.values[static_cast<std::size_t>(program.graph.find("a.cpu"))].device = 0;
    CHECK_THROWS_WITH_AS(require_sound(program),
                         doctest::Contains("a.cpu: its place is on far, but the graph puts it on cpu"), Error);
}

TEST_CASE("memory may be used again when nothing reads it any more") {
    Broken program;
    program.place("g") = program.place("x");
    for (const std::string& complaint : check_plan(program.program)) FAIL_CHECK(complaint);
}

TEST_CASE("a view of a cache that is appended to the cache is refused") {
    Program program = sound_program(R"(graph "g"
%s = state f32 [4, 2, 1, 1]
%v = reshape(%s) {shape = [8, 1, 1]} : f32 [8, 1, 1]
%c = silu(%v) : f32 [8, 1, 1]
%p = constant i32 [8] {1, 2, 3, 4, 5, 6, 7, 0}
%q = constant i32 [8] {0, 0, 0, 0, 0, 0, 0, 0}
%t = input i32 [1, 4]
%n = kv_append(%s, %c, %p, %q, %t) : f32 [4, 2, 1, 1]
return %n
update %s = %n
)");
    CHECK(check_plan(program).empty());
    program.graph.nodes.back().inputs[1] = program.graph.find("v");
    CHECK_THROWS_WITH_AS(require_sound(program), doctest::Contains("output n at cpu states [0, 32) lies over input v"),
                         Error);
}

}  // namespace vitro::test
