// Each pass on text: cases/<pass>.vt holds graphs before and after it, and a near miss that it leaves alone, with the
// reason it gives. Sections begin with "=== before", "=== after" and "=== near miss: REASON"; a file may repeat them.
// "=== before, with a kernel for OP" (and "near miss, with …") is for a device that has one besides the CPU's.
#include "backends/cpu/cpu_backend.h"
#include "graph/check_numerics.h"
#include "graph/text.h"
#include "ops/op_list.h"
#include "passes/passes.h"
#include "tests/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace vitro;

namespace {

struct Section {
    std::string title;
    std::string text;
};

std::vector<Section> sections(const std::filesystem::path& path) {
    std::ifstream file(path);
    REQUIRE_MESSAGE(file.good(), path.string());
    std::vector<Section> out;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("=== "))
            out.push_back({line.substr(4), {}});
        else if (!out.empty())
            out.back().text += line + "\n";
    }
    return out;
}

/// The op named in ", with a kernel for OP", which is cut out of the title; or empty.
std::string cut_kernel(std::string& title) {
    static constexpr std::string_view kMark = ", with a kernel for ";
    const std::size_t at = title.find(kMark);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + kMark.size(), end = std::min(title.find(':', begin), title.size());
    const std::string op = title.substr(begin, end - begin);
    title.erase(at, end - at);
    return op;
}

struct Outcome {
    std::string text;
    std::string findings;
    bool changed = false;
};

Outcome run(const Pass& pass, const std::string& text, const std::string& file, const std::string& more_kernels) {
    Graph graph = parse(text, file, find_op);
    CpuBackend backend(1);
    std::vector<KernelDef> kernels(cpu_kernels().begin(), cpu_kernels().end());
    if (!more_kernels.empty()) kernels.push_back({.op = more_kernels, .run = nullptr});
    const Target target{backend, kernels};
    Journal journal;
    PassContext context{journal, {&target, 1}};
    Outcome out;
    out.changed = pass.run(graph, context);
    out.text = print(graph);
    for (const Finding& finding : journal.findings)
        out.findings += fmt::format("{} {}: {}\n", finding.fired ? "fired" : "refused", finding.path, finding.reason);
    return out;
}

}  // namespace

TEST_CASE("every pass does what its file of cases says") {
    for (const Pass& pass : all_passes()) {
        CAPTURE(pass.name);
        const std::string file = fmt::format("tests/passes/cases/{}.vt", pass.name);
        auto all = sections(vitro::test::source_path(file));
        std::size_t pairs = 0, misses = 0;
        for (std::size_t i = 0; i < all.size(); ++i) {
            const std::string kernel = cut_kernel(all[i].title);
            if (all[i].title == "before") {
                REQUIRE(i + 1 < all.size());
                REQUIRE(all[i + 1].title == "after");
                const Outcome outcome = run(pass, all[i].text, file, kernel);
                CHECK(outcome.changed);
                const Graph after = parse(all[i + 1].text, file, find_op);
                CHECK(outcome.text == print(after));
                if (!pass.changes_numbers) {
                    CpuBackend host(1);
                    NumericsCheck check(host, {}, i);
                    check.check("before", parse(all[i].text, file, find_op));
                    CHECK_NOTHROW(check.check(pass.name, after));
                }
                ++pairs;
            } else if (all[i].title.starts_with("near miss")) {
                const Outcome outcome = run(pass, all[i].text, file, kernel);
                CHECK_FALSE(outcome.changed);
                CHECK(outcome.text == print(parse(all[i].text, file, find_op)));
                if (all[i].title.size() > 11)
                    CHECK_MESSAGE(outcome.findings.find(all[i].title.substr(11)) != std::string::npos,
                                  outcome.findings);
                ++misses;
            }
        }
        CHECK(pairs >= 1);
        CHECK(misses >= 1);
    }
}
