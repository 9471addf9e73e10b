#include "tools/pass_flags.h"

#include "passes/passes.h"

#include <charconv>

namespace vitro {

void add_synthetic_flags(CLI::App& app, SyntheticFlags& flags) {
    app.add_option("--symbol", flags.symbols, "the size of a symbol in the step that is made up (default: small)")
        ->delimiter(',')
        ->type_name("T=4,…");
    app.add_option("--seed", flags.seed, "seed of what is made up (default 0)")->type_name("N");
}

SymbolValues symbol_values(const SyntheticFlags& flags, const Graph& graph) {
    SymbolValues out;
    for (const std::string& text : flags.symbols) {
        std::int64_t size = 0;
        const char* end = text.data() + text.size();
        const bool is_named = text.size() > 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] == '=';
        const auto [rest, error] = std::from_chars(is_named ? text.data() + 2 : end, end, size);
        if (!is_named || error != std::errc{} || rest != end || size < 1)
            fail("--symbol: expected a capital letter and a size, such as T=4, found '{}'", text);
        if (!graph.bounds.contains(text[0])) fail("--symbol: {} has no symbol {}", graph.name, text[0]);
        out[text[0]] = size;
    }
    return out;
}

void add_pass_flags(CLI::App& app, PassFlags& flags) {
    app.add_option("--passes", flags.passes, "run only these passes")->delimiter(',')->type_name("PASS,…");
    app.add_option("--disable-pass", flags.disabled, "leave a pass out; may be repeated")->type_name("PASS");
    app.add_flag("--check-numerics", flags.check_numerics,
                 "after each pass, run what it changed on a made-up step and compare every value");
    add_synthetic_flags(app, flags.synthetic);
}

PipelineOptions pipeline_options(const PassFlags& flags) {
    PipelineOptions options;
    options.disabled.insert(flags.disabled.begin(), flags.disabled.end());
    if (flags.passes.empty()) return options;
    std::set<std::string, std::less<>> wanted(flags.passes.begin(), flags.passes.end());
    for (const Pass& pass : all_passes())
        if (wanted.erase(std::string(pass.name)) == 0)
            options.disabled.emplace(pass.name);
        else if (pass.optional)
            options.enabled.emplace(pass.name);
    if (!wanted.empty()) options.disabled.insert(*wanted.begin());  // no such pass: run_passes names those there are
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
    if (pass != nullptr && pass->optional)
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
        fmt::print(stderr, "--check-numerics: {} passes, none changed a value: nothing to compare\n",
                   report.passes.size());
    else
        fmt::print(stderr, "--check-numerics: {} passes, {} nodes run, {} values compared, all near, with {}\n",
                   report.passes.size(), check_->nodes_run(), check_->values_compared(),
                   sizes.empty() ? "no symbols" : sizes);
}

}  // namespace vitro
