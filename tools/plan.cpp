// vitro plan: how much memory a model takes, and what takes it, before any of it is loaded.
#include "base/json_text.h"
#include "graph/check_plan.h"
#include "graph/dump/markup.h"
#include "runtime/compile_model.h"
#include "runtime/memory_use.h"
#include "tools/common.h"
#include "tools/plan_drawing.h"

#include <nlohmann/json.hpp>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
    ModelFlags model;
    StepFlags step;
    std::string phase = "all";
    std::string format = "text";
    std::filesystem::path output;
    bool json = false;
};

/// A program with its name: "prefill", "decode".
struct Planned {
    std::string phase;
    Program program;
};

struct Report {
    ModelConfig config;
    LanguageModelOptions options;
    std::span<const Target> targets;
    std::vector<Planned> programs;  // prefill, decode and load: they share memory
    std::vector<MemoryUse> use;
    std::optional<std::string> would_fit;  // where it does not fit: with which options it would; empty: with none tried

    /// Whether what is allocated there fits beside the device's reserve; nothing where the device does not say how much
    /// there is.
    std::optional<bool> fits(std::size_t device) const {
        const auto free = targets[device].backend.free_bytes();
        return free ? std::optional(needed_bytes(use[device], targets[device].backend) <= *free) : std::nullopt;
    }
};

std::string fit_text(const Report& report, std::size_t device) {
    const auto free = report.targets[device].backend.free_bytes(), total = report.targets[device].backend.total_bytes();
    if (!free || !total) return "not known: the device does not say how much memory it has";
    const std::string free_text = fmt::format("{} of {} are free", readable_bytes(*free), readable_bytes(*total));
    if (*report.fits(device)) return "yes: " + free_text;
    return fmt::format("no: {}, {} are missing; {}", free_text,
                       readable_bytes(needed_bytes(report.use[device], report.targets[device].backend) - *free),
                       report.would_fit.value_or("").empty() ? "a smaller context and fp8 would not help"
                                                             : fmt::format("it would fit with {}", *report.would_fit));
}

/// The rows of a device's table: what, bytes, remark.
std::vector<std::tuple<std::string, std::size_t, std::string>> rows_of(const Report& report, std::size_t device) {
    const MemoryUse& use = report.use[device];
    const std::size_t reserve = report.targets[device].backend.reserve_bytes();
    std::vector<std::tuple<std::string, std::size_t, std::string>> rows;
    if (use.is_host)
        rows.emplace_back("weights, mapped", use.mapped_weights, "read from the mapped files, without a copy");
    rows.emplace_back(use.is_host ? "weights, prepared" : "weights", use.weights,
                      use.is_host ? "computed when the model is loaded (vitro graph --phase load)" : "uploaded");
    rows.emplace_back("KV cache", use.states, "");
    rows.emplace_back("arena", use.arena, "shared by prefill and decode");
    rows.emplace_back("inputs and results", use.io, "");
    if (!use.is_host) rows.emplace_back("staging", use.staging, "pinned memory of the host, for inputs and results");
    rows.emplace_back("allocated", use.allocated(), use.is_host ? "the sum, without the mapped weights" : "");
    rows.emplace_back("peak", use.peak(),
                      use.loading == 0 ? "loading needs no extra memory"
                                       : fmt::format("loading needs {} for its own work", readable_bytes(use.loading)));
    if (reserve != 0) rows.emplace_back("reserve", reserve, "for what the device takes by itself: recordings, code");
    return rows;
}

std::string text_of(const Report& report, const std::vector<const Planned*>& shown) {
    std::string out = fmt::format("{}: context {}, {} {}, chunks of {} tokens\n", report.config.architecture,
                                  report.options.context, report.options.max_sequences,
                                  report.options.max_sequences == 1 ? "sequence" : "sequences", report.options.chunk);
    for (std::size_t device = 0; device < report.use.size(); ++device) {
        out += fmt::format("\n{}\n", report.use[device].device);
        for (const auto& [what, bytes, remark] : rows_of(report, device))
            out += fmt::format("  {:<20} {:>15} {:>10}{}{}\n", what, bytes, readable_bytes(bytes),
                               remark.empty() ? "" : "  ", remark);
        out += fmt::format("  {:<20} {}\n", "fits", fit_text(report, device));
    }
    for (const Planned* planned : shown) {
        const Program& program = planned->program;
        for (std::size_t device = 0; device < report.use.size(); ++device) {
            const Peak peak = peak_of(program, device);
            if (peak.node < 0) continue;
            const std::size_t arena = program.plan.bytes(Region::arena, device);
            out += fmt::format(
                "\n{}: the peak on {} is at {}, {} bytes; the arena has {} ({:.3f} times the least possible)\n",
                planned->phase, report.use[device].device, describe(program.graph, program.graph.node(peak.node)),
                peak.bytes, arena, static_cast<double>(arena) / static_cast<double>(peak.bytes));
            for (const Block* block : peak.blocks)
                out += fmt::format("  {:>15}  {}\n", block->place.bytes, contents_of(program, *block));
        }
    }
    return out;
}

Json json_of(const Report& report, const std::vector<const Planned*>& shown) {
    Json out{{"model", report.config.architecture},
             {"context", report.options.context},
             {"sequences", report.options.max_sequences},
             {"chunk", report.options.chunk},
             {"devices", Json::array()},
             {"programs", Json::array()}};
    if (report.would_fit) out["would_fit"] = *report.would_fit;
    const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(); };
    for (std::size_t device = 0; device < report.use.size(); ++device) {
        const MemoryUse& use = report.use[device];
        const Backend& backend = report.targets[device].backend;
        out["devices"].push_back({{"device", use.device},
                                  {"weights_mapped", use.mapped_weights},
                                  {"weights", use.weights},
                                  {"kv_cache", use.states},
                                  {"arena", use.arena},
                                  {"io", use.io},
                                  {"staging", use.staging},
                                  {"allocated", use.allocated()},
                                  {"loading", use.loading},
                                  {"peak", use.peak()},
                                  {"reserve", backend.reserve_bytes()},
                                  {"free", or_null(backend.free_bytes())},
                                  {"total", or_null(backend.total_bytes())},
                                  {"fits", or_null(report.fits(device))}});
    }
    for (const Planned* planned : shown) {
        const Program& program = planned->program;
        Json entry{{"phase", planned->phase}, {"steps", program.steps.size()}, {"arenas", Json::array()}};
        for (std::size_t device = 0; device < report.use.size(); ++device) {
            const Peak peak = peak_of(program, device);
            Json blocks = Json::array();
            for (const Block* block : peak.blocks)
                blocks.push_back({{"holds", contents_of(program, *block)},
                                  {"offset", block->place.offset},
                                  {"bytes", block->place.bytes},
                                  {"first", block->first},
                                  {"last", block->last}});
            entry["arenas"].push_back(
                {{"device", report.use[device].device},
                 {"bytes", program.plan.bytes(Region::arena, device)},
                 {"lower_bound", program.plan.arena_lower_bound(device)},
                 {"peak",
                  peak.node < 0 ? Json() : Json(program.graph.value(program.graph.node(peak.node).outputs[0]).path)},
                 {"live_at_peak", std::move(blocks)}});
        }
        out["programs"].push_back(std::move(entry));
    }
    return out;
}

std::vector<std::string> drawings(const Report& report, const std::vector<const Planned*>& shown) {
    std::vector<std::string> out;
    for (const Planned* planned : shown)
        for (std::size_t device = 0; device < report.use.size(); ++device)
            if (planned->program.plan.bytes(Region::arena, device) > 0)
                out.push_back(
                    arena_svg(planned->program, device,
                              fmt::format("{}, {}: arena of {} on {}", report.config.architecture, planned->phase,
                                          readable_bytes(planned->program.plan.bytes(Region::arena, device)),
                                          report.use[device].device)));
    return out;
}

std::string html_of(const Report& report, const std::vector<const Planned*>& shown) {
    std::string out = fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>vitro plan: {}</title>\n"
        "<style>:root{{color-scheme:light dark}}body{{font-family:sans-serif;margin:24px auto;max-width:1240px;"
        "padding:0 12px;background:#fff;color:#1b2430}}table{{border-collapse:collapse}}"
        "td,th{{padding:2px 14px 2px "
        "0;text-align:left}}td.n{{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}}"
        "svg{{width:100%;border:1px solid #8885;margin-top:16px}}#chosen{{position:sticky;bottom:0;background:inherit;"
        "border-top:1px solid #8885;padding:8px 0;margin:0;min-height:5.5em;white-space:pre-wrap;"
        "overflow-wrap:anywhere}}#chosen:empty{{display:none}}@media(prefers-color-scheme:dark){{body{{background:#"
        "12161d;color:#e8edf4}}}}</"
        "style>\n"
        "<main><h1>{}</h1>\n<p>Context {}, sequences {}, chunks of {} tokens. Choose a block, by a click or with Tab, "
        "to "
        "see what it holds; red borders: live where most bytes are.</p>\n",
        escaped(report.config.architecture), escaped(report.config.architecture), report.options.context,
        report.options.max_sequences, report.options.chunk);
    for (std::size_t device = 0; device < report.use.size(); ++device) {
        out += fmt::format("<h2>{}</h2>\n<table>\n", escaped(report.use[device].device));
        for (const auto& [what, bytes, remark] : rows_of(report, device))
            out += fmt::format("<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n", what,
                               bytes, readable_bytes(bytes), remark);
        out += fmt::format("<tr><td>fits</td><td colspan=\"3\">{}</td></tr>\n</table>\n", fit_text(report, device));
    }
    for (const std::string& drawing : drawings(report, shown)) out += drawing;
    return out +
           "<pre id=\"chosen\" aria-live=\"polite\"></pre></main>\n<script>\n"
           "for (const event of [\"click\", \"focusin\"]) document.addEventListener(event, ({target}) => {\n"
           "  if (!target.matches(\".block\")) return;\n"
           "  document.getElementById(\"chosen\").textContent = target.querySelector(\"title\").textContent;\n"
           "});\n</script>\n</html>\n";
}

/// Compiles the model for these flags. The checkpoint may be null.
Report report_of(const Flags& flags, const ModelConfig& config, const Devices& devices, const Checkpoint* checkpoint) {
    Report report;
    report.config = config;
    const OpenOptions options =
        open_options(flags.model, {.max_sequences = flags.step.batch, .chunk = flags.step.chunk});
    report.options = completed(model_options(options, config, devices), config);
    report.targets = devices.targets;
    const std::vector<Phase> phases{Phase::prefill, Phase::decode};
    CompiledModel compiled = compile_model(config, phases, report.options, devices.targets, checkpoint);
    for (std::size_t i = 0; i < phases.size(); ++i)
        report.programs.push_back({std::string(name(phases[i])), std::move(compiled.programs[i])});
    const Program* const both[] = {&report.programs[0].program, &report.programs[1].program};
    const LoadProgram load(both, devices.targets);
    report.use = memory_use(both, load);
    report.programs.push_back({"load", load.program()});
    if (report.options.verify_plan) require_sound(load.program());
    return report;
}

bool fits_everywhere(const Report& report) {
    for (std::size_t device = 0; device < report.use.size(); ++device)
        if (!report.fits(device).value_or(true)) return false;
    return true;
}

/// Whether the model fits with a smaller context, as far as the size of the KV cache, a multiple of its pages, tells:
/// the weights stay what they are, the rest becomes smaller. Nothing where that decides.
std::optional<bool> fits_by_cache(const Report& report, std::int64_t context) {
    const auto pages_of = [](const LanguageModelOptions& options) {
        return static_cast<std::size_t>(build_options(options, Phase::prefill, nullptr).cache_pages());
    };
    LanguageModelOptions smaller = report.options;
    smaller.context = context;
    const std::size_t pages = pages_of(report.options), fewer = pages_of(completed(smaller, report.config));
    bool is_sure = true;
    for (std::size_t device = 0; device < report.use.size(); ++device) {
        const Backend& backend = report.targets[device].backend;
        const auto free = backend.free_bytes();
        if (!free) continue;
        MemoryUse most = report.use[device];
        most.states = most.states / pages * fewer;
        MemoryUse least = most;
        least.arena = least.io = 0;
        if (needed_bytes(least, backend) > *free) return false;
        is_sure = is_sure && needed_bytes(most, backend) <= *free;
    }
    return is_sure ? std::optional(true) : std::nullopt;
}

/// Options with which a model fits that does not, the least change first; empty when none of those tried do.
std::string what_would_fit(Flags flags, const Report& report, const Devices& devices, const Checkpoint* checkpoint) {
    constexpr std::int64_t kLeastContext = 64;
    flags.model.verify_plan = false;
    const auto report_with = [&](std::int64_t context) {
        flags.model.context = context;
        return report_of(flags, report.config, devices, checkpoint);
    };
    /// The largest context below that of `larger`, a report by the same flags, or 0.
    const auto context_below = [&](const Report& larger) -> std::int64_t {
        for (std::int64_t context = larger.options.context / 2; context >= kLeastContext; context /= 2) {
            const std::optional<bool> fits = fits_by_cache(larger, context);
            if (fits ? *fits : fits_everywhere(report_with(context))) return context;
        }
        return 0;
    };
    if (const std::int64_t context = context_below(report); context != 0) return fmt::format("-c {}", context);
    flags.model.weights = flags.model.kv_type = "fp8";
    const Report with_fp8 = report_with(report.options.context);
    const std::int64_t context = fits_everywhere(with_fp8) ? with_fp8.options.context : context_below(with_fp8);
    return context == 0 ? "" : fmt::format("-c {} --weights fp8 --kv-type fp8", context);
}

void plan(const Flags& flags) {
    const ModelConfig config = read_model_config(flags.model.directory);
    const Devices devices = open_devices(flags.model);
    const std::optional<Checkpoint> checkpoint = checkpoint_if_any(flags.model.directory);
    const Checkpoint* const weights = checkpoint ? &*checkpoint : nullptr;
    Report report = report_of(flags, config, devices, weights);
    if (!fits_everywhere(report)) report.would_fit = what_would_fit(flags, report, devices, weights);
    std::vector<const Planned*> shown;
    for (const Planned& planned : report.programs)
        if (flags.phase == "all" || flags.phase == planned.phase) shown.push_back(&planned);

    const std::string text = flags.json               ? json_text(json_of(report, shown), 2) + "\n"
                             : flags.format == "html" ? html_of(report, shown)
                             : flags.format == "svg"  ? stacked(drawings(report, shown))
                                                      : text_of(report, shown);
    print_or_write(text, flags.output);
}

}  // namespace

void add_plan(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add("plan",
                                     "show how much memory a model needs, and for what; works without "
                                     "weights\nExample: vitro plan -c 2048 --format html -o build/plan.html",
                                     [flags] {
                                         plan(*flags);
                                         return 0;
                                     });
    add_model_flags(command, flags->model);
    add_step_flags(command, flags->step);
    command.choice("--phase", flags->phase, {"prefill", "decode", "load", "all"},
                   "the programs whose arenas to show (default all)");
    command.choice("--format", flags->format, {"text", "html", "svg"},
                   "text (the default), html, or svg (the arenas one below the other, offset against time)");
    command.flag("--json", flags->json, "print JSON");
    command.output("-o,--output", flags->output, "write to this file instead of stdout");
}

}  // namespace vitro
