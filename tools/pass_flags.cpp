#include "tools/pass_flags.h"

#include "base/nearest.h"
#include "passes/passes.h"
#include "tools/output.h"

#include <fmt/ranges.h>

namespace vitro {
namespace {

void require_pass(const std::string& name) {
    std::vector<std::string_view> known;
    for (const Pass& pass : all_passes()) known.push_back(pass.name);
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    const std::string hint = did_you_mean(name, known);
    fail_usage("no pass is called '{}'{}", name,
               hint.empty() ? fmt::format("; there are {}", fmt::join(known, ", ")) : hint);
}

}  // namespace

void add_synthetic_flags(const Command& command, SyntheticFlags& flags) {
    const auto take = [&flags](const std::string& text) {
        if (text.size() < 3 || text[0] < 'A' || text[0] > 'Z' || text[1] != '=')
            fail("expected a capital letter and a size, such as T=4, found '{}'", text);
        flags.symbols[text[0]] = parse_whole(std::string_view(text).substr(2), {1});
    };
    command.list("--symbol", take, "sizes of the graph's symbols, for the random inputs (default: small sizes)",
                 "T=4,…");
    command.number("--seed", flags.seed, "seed of the random inputs (default 0)");
}

SymbolValues symbol_values(const SyntheticFlags& flags, const Graph& graph) {
    std::vector<char> known;
    for (const auto& [symbol, bound] : graph.bounds) known.push_back(symbol);
    for (char symbol = 'A'; symbol <= 'Z'; ++symbol) {
        const std::int64_t size = flags.symbols[symbol];
        const auto bound = graph.bounds.find(symbol);
        if (size != 0 && bound == graph.bounds.end())
            fail_usage("--symbol: expected {}, found {}: graph \"{}\" has no such symbol",
                       known.empty() ? "nothing" : fmt::format("{}", fmt::join(known, ", ")), symbol, graph.name);
        if (size != 0 && size > bound->second)
            fail_usage("--symbol: {}: expected a size from 1 to {}, found {}", symbol, bound->second, size);
    }
    return flags.symbols;
}

void add_pass_flags(const Command& command, PassFlags& flags) {
    command.list(
        "--passes", [&flags](const std::string& name) { flags.passes.push_back(name); }, "run only these passes",
        "PASS,…");
    command.list(
        "--disable-pass", [&flags](const std::string& name) { flags.disabled.push_back(name); },
        "do not run these passes; may be repeated", "PASS,…");
    command.flag("--check-numerics", flags.check_numerics,
                 "after each pass, run what it changed on random inputs, before and after, and compare every value");
    add_synthetic_flags(command, flags.synthetic);
}

PipelineOptions pipeline_options(const PassFlags& flags) {
    PipelineOptions options;
    for (const std::vector<std::string>* names : {&flags.passes, &flags.disabled})
        for (const std::string& name : *names) require_pass(name);
    options.disabled.insert(flags.disabled.begin(), flags.disabled.end());
    if (flags.passes.empty()) return options;
    const std::set<std::string, std::less<>> wanted(flags.passes.begin(), flags.passes.end());
    for (const Pass& pass : all_passes())
        if (!wanted.contains(pass.name))
            options.disabled.emplace(pass.name);
        else if (pass.optional)
            options.enabled.emplace(pass.name);
    return options;
}

void PassChecks::after(const Pass* pass, const Graph& now) {
    if (pass == nullptr) {
        const SymbolValues symbols = symbol_values(flags_.synthetic, now);
        if (!flags_.check_numerics) return;
        for (const auto& [symbol, bound] : now.bounds) symbols_ += symbol;
        check_.emplace(host_, symbols, flags_.synthetic.seed);
    }
    if (!check_) return;
    if (pass != nullptr && pass->changes_numbers)
        check_->restart(pass->name, now);
    else
        check_->check(pass == nullptr ? "the graph as given" : pass->name, now);
}

void PassChecks::print(const PipelineReport& report) const {
    if (!check_) return;
    std::string sizes;
    for (const char symbol : symbols_)
        sizes += fmt::format("{}{} = {}", sizes.empty() ? "" : ", ", symbol, check_->symbols()[symbol]);
    if (check_->values_compared() == 0)
        print_err("--check-numerics: {} passes, none changed a value: nothing to compare\n", report.passes.size());
    else
        print_err("--check-numerics: {} passes, {} nodes run, {} values compared, all near, with {}\n",
                  report.passes.size(), check_->nodes_run(), check_->values_compared(),
                  sizes.empty() ? "no symbols" : sizes);
}

}  // namespace vitro
