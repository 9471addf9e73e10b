#include "runtime/profile_trace.h"

#include "base/json_text.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <vector>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kProcess = 1, kHostThread = 1;

/// Events as text, one on a line. Ends are rounded, not durations: what lies within stays within.
class Events {
public:
    void add(std::string_view name, std::string_view kind, int thread, double begin, double end, const Json& facts) {
        const std::int64_t first = nanoseconds(begin), last = std::max(first, nanoseconds(end));
        write({{"name", name},
               {"cat", kind},
               {"ph", "X"},
               {"ts", static_cast<double>(first) / 1000},
               {"dur", static_cast<double>(last - first) / 1000},
               {"pid", kProcess},
               {"tid", thread},
               {"args", facts}});
    }
    void name_thread(int thread, const std::string& name) {
        write({{"name", "thread_name"}, {"ph", "M"}, {"pid", kProcess}, {"tid", thread}, {"args", {{"name", name}}}});
    }
    void name_process(const std::string& name) {
        write({{"name", "process_name"}, {"ph", "M"}, {"pid", kProcess}, {"args", {{"name", name}}}});
    }
    std::string text() const { return "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n" + text_ + "\n]}\n"; }

private:
    static std::int64_t nanoseconds(double seconds) { return std::llround(seconds * 1e9); }
    void write(const Json& event) { text_ += (text_.empty() ? "" : ",\n") + json_text(event); }

    std::string text_;
};

}  // namespace

std::string trace_json(const Profile& profile, const std::map<std::string, Peaks>& peaks) {
    Events events;
    events.name_process("vitro " + profile.model().config().architecture);
    events.name_thread(kHostThread, "host");
    std::map<std::string, int> threads;
    for (const auto& [device, peak] : peaks) {
        threads[device] = kHostThread + 1 + static_cast<int>(threads.size());
        events.name_thread(threads[device], "steps on " + device);
    }
    for (const ProfiledRun& run : profile.runs()) {
        const std::int64_t last = run.first_position + run.tokens - 1;
        const std::string positions = run.tokens == 1 ? fmt::format("position {}", last)
                                                      : fmt::format("positions {}-{}", run.first_position, last);
        events.add(
            fmt::format("{}, {}", name(run.phase), positions), "model", kHostThread, run.begin, run.end,
            {{"tokens", run.tokens}, {"kernel_seconds", run.kernels()}, {"seconds_without_clocks", run.untimed}});
        if (run.steps.empty()) continue;
        events.add("inputs", "host", kHostThread, run.begin, run.program_begin, Json::object());
        events.add("program", "host", kHostThread, run.program_begin, run.steps.back().end, Json::object());
        events.add("results", "host", kHostThread, run.steps.back().end, run.end, Json::object());
        const std::vector<ProfiledStep>& steps = profile.steps(run.phase);
        for (std::size_t i = 0; i < steps.size(); ++i) {
            const ProfiledRun::Time& time = run.steps[i];
            const double seconds = std::max(time.end - time.begin, 1e-9);
            const Peaks& peak = peaks.at(steps[i].device);
            const double bound =
                std::max(peak.seconds_for_bytes(time.cost), peak.seconds_for_flops(time.cost, steps[i].arithmetic));
            events.add(steps[i].op, "step", threads.at(steps[i].device), time.begin, time.end,
                       {{"path", steps[i].path},
                        {"bytes", time.cost.bytes},
                        {"flops", time.cost.flops},
                        {"bytes_per_second", static_cast<double>(time.cost.bytes) / seconds},
                        {"flops_per_second", static_cast<double>(time.cost.flops) / seconds},
                        {"of_peak", bound > seconds ? Json() : Json(bound / seconds)}});
        }
    }
    return events.text();
}

}  // namespace vitro
