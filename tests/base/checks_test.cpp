// Every VITRO_CHECK of the project, and why no file, flag or graph reaches it: one that somebody reaches is a bug, and
// what they did wrong wants an Error. A new VITRO_CHECK wants a row here.
#include "tests/paths.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

namespace {

struct Row {
    std::string_view file;
    std::size_t checks;
    std::string_view why;
};

constexpr std::string_view
    kAlias = "the planner puts an alias where its input is, which graph/check_plan.cpp proves of every random graph",
    kDType = "verified types and a kernel's `refuses` leave only those that the table has",
    kOwnCode = "not of data: how this project's code calls itself";

constexpr Row kRows[] = {
    {"backends/cpu/isa.cpp", 1, "the plainest instruction set is compiled always, and every x86-64 CPU runs it"},
    {"backends/emulation/device_heap.cpp", 1, "a test's own call, poison() beyond the heap"},
    {"backends/emulation/shared_memory.cpp", 1, "a launch that wants more has been refused (runtime_api.cpp)"},
    {"base/blocks.cpp", 2, "verify: rows are whole blocks of a type that has some"},
    {"base/half.cpp", 1, kDType},
    {"base/packed.cpp", 1, kDType},
    {"base/quantize.cpp", 2, kDType},
    {"base/tensor.h", 1, "graph/shape.h holds no more dimensions; safetensors and GGUF refuse more"},
    {"frontend/file.cpp", 2, kOwnCode},
    {"frontend/json.cpp", 1, "the reader throws on every error, and a text without a value is one"},
    {"frontend/safetensors.cpp", 1, "frontend/checkpoint.cpp copies what is not aligned (malformed_test.cpp)"},
    {"frontend/tokenizer/unigram.cpp", 1, "tokens and scores are read together"},
    {"graph/assign_devices.cpp", 2, "runtime/devices.cpp opens at least one device, and the host last"},
    {"graph/attributes.cpp", 1, "called when there is an unknown field, which it finds"},
    {"graph/attributes.h", 1, "an op's own attributes: its parse_attributes makes them, or its builder function"},
    {"graph/difference.cpp", 1, kOwnCode},
    {"graph/dump/html.cpp", 2, "the page is compiled in; its callers give the number of a program that they put there"},
    {"graph/dump/side_by_side.cpp", 1, "vitro graph --compare takes two graphs or more"},
    {"graph/evaluate.cpp", 1, kOwnCode},
    {"graph/executor.cpp", 5, "memory, weights and sizes come from the program's own plan, bounded by its symbols"},
    {"graph/graph.h", 1, "verify checks the ids that a graph was given, before anything looks them up"},
    {"graph/interpret.cpp", 1, "elements are made by the type that they are read by"},
    {"graph/load_program.cpp", 2, "split_load writes both names, and a load program is made for its programs"},
    {"graph/path_index.cpp", 1, "only Graph, which has entered each path, removes it"},
    {"graph/rewrite.cpp", 2, "an edit of a pass that makes a circle or an empty node, whatever the graph"},
    {"graph/schedule.cpp", 1, "an order lists every node"},
    {"graph/shape.h", 1, "the parser, --symbol and the builder take capital letters alone (text_test.cpp)"},
    {"graph/synthetic_step.cpp", 1, "passes add no inputs"},
    {"ops/common/map_cuda.h", 1, "places are aligned to 256 bytes, and views begin where their input does"},
    {"ops/kv_append/kv_append.cpp", 1, kAlias},
    {"ops/kv_append/kv_append_cpu.cpp", 1, kAlias},
    {"ops/kv_append/kv_append_cuda.cu", 1, kAlias},
    {"ops/matmul/packed_product_cpu.cpp", 1, kDType},
    {"ops/qkv_projection/qkv_projection_cuda.cu", 1, kAlias},
    {"ops/qkv_rope_append/qkv_rope_append_cpu.cpp", 1, kAlias},
    {"ops/qkv_rope_append/qkv_rope_append_cuda.cu", 1, kAlias},
    {"ops/rope/rope_cuda.h", 1, "RopeTable::refuses: the reference runs then"},
    {"runtime/kept_run.cpp", 1, kOwnCode},
    {"runtime/page_pool.cpp", 2, "a step is checked against the context and the free pages before it takes any"},
    {"runtime/profile.cpp", 1, kOwnCode},
    {"runtime/step_inputs.cpp", 1, "made for the bounds of the model's own graph"},
    {"tools/next.cpp", 1, "every module of the models computes something"},
    {"tools/show.cpp", 1, "models open a module's scope within that of what it is in"},
};

/// How many checks each file has, but for the macro's own: also those that fail without a condition.
std::map<std::string, std::size_t> checks_of_project() {
    namespace fs = std::filesystem;
    std::map<std::string, std::size_t> out;
    for (const char* room : {"tools", "runtime", "frontend", "models", "passes", "ops", "graph", "backends", "base"}) {
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(vitro::test::source_path(room))) {
            const std::string extension = entry.path().extension().string();
            if (extension != ".cpp" && extension != ".h" && extension != ".cu") continue;
            std::ifstream in(entry.path(), std::ios::binary);
            const std::string text{std::istreambuf_iterator<char>(in), {}};
            const std::string path = entry.path().lexically_relative(vitro::test::source_path()).generic_string();
            if (path == "base/error.h" || path == "base/error.cpp") continue;
            for (const std::string_view check : {"VITRO_CHECK(", "check_failed("})
                for (std::size_t at = text.find(check); at != std::string::npos; at = text.find(check, at + 1))
                    ++out[path];
        }
    }
    return out;
}

}  // namespace

TEST_CASE("every VITRO_CHECK has a reason why nobody reaches it") {
    const std::map<std::string, std::size_t> checks = checks_of_project();
    CHECK(checks.size() > 20);
    for (const Row& row : kRows)
        CHECK_MESSAGE(checks.contains(std::string(row.file)), fmt::format("{} has no checks any more", row.file));
    for (const auto& [path, count] : checks) {
        const auto row =
            std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& each) { return each.file == path; });
        CHECK_MESSAGE(
            (row != std::end(kRows) && row->checks == count),
            fmt::format("{} has {} VITRO_CHECKs: expected a row that says why no user reaches them", path, count));
    }
}
