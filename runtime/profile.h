// Where the time of a run goes. Every step of the programs is timed by its device's own clock, which is read between
// the steps, in recordings too: nothing waits for a step that would not without. Each step of the model is made twice,
// by turns without and with the clocks, so that what these cost is known.
#pragma once

#include "runtime/language_model.h"
#include "runtime/peaks.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vitro {

/// A step of a program.
struct ProfiledStep {
    std::string path;  // of its first output
    std::string op;
    std::string module;  // that the path stands in; empty: the model itself
    std::string device;
    bool is_reference = false;  // no kernel took its types
    Arithmetic arithmetic = Arithmetic::floats;
};

/// A step of the model: one call of a program.
struct ProfiledRun {
    struct Time {
        double begin = 0, end = 0;
        Cost cost;
    };
    Phase phase = Phase::prefill;
    std::int64_t first_position = 0, tokens = 0;
    // Seconds since the profile began, by the host's clock.
    double begin = 0, end = 0;
    double program_begin = 0;  // when the program was started: its inputs had been written
    double untimed = 0;        // how long the same step took without clocks
    std::vector<Time> steps;   // by the order of the program

    double seconds() const { return end - begin; }
    /// Of all steps of the program together.
    double kernels() const;
    /// From the call to the program's start, from there to its first step, between its steps, and from the last one to
    /// the end of the call: together with kernels(), seconds().
    double inputs() const { return program_begin - begin; }
    double launch() const { return steps.empty() ? 0 : steps.front().begin - program_begin; }
    double between() const;
    double results() const { return steps.empty() ? end - program_begin : end - steps.back().end; }
};

class Profile {
public:
    /// `model`, opened for one sequence, must outlive this.
    explicit Profile(LanguageModel& model);

    /// Appends the tokens in as many steps as chunks need. The most probable token after them; -1 of what is no
    /// language model.
    std::int32_t step(std::span<const std::int32_t> tokens);

    const std::vector<ProfiledRun>& runs() const { return runs_; }
    /// The steps of a phase's program, by their order.
    const std::vector<ProfiledStep>& steps(Phase phase) const { return steps_[static_cast<std::size_t>(phase)]; }
    LanguageModel& model() const { return model_; }

    /// How much longer steps of a phase take with clocks than without, as a share: the median over its runs; nothing
    /// where there is none.
    std::optional<double> overhead(Phase phase) const;

private:
    std::int32_t piece(std::span<const std::int32_t> tokens, bool is_last, std::int64_t whole_length);

    LanguageModel& model_;
    Want wanted_;  // of the last step
    double start_;
    std::array<std::vector<ProfiledStep>, 2> steps_;  // by phase
    std::array<bool, 2> is_warm_{};
    std::vector<ProfiledRun> runs_;
};

/// What steps that belong together take, of one phase's runs, summed.
struct ProfileRow {
    std::string name;
    std::string device;
    std::string op;  // of the first of them
    std::int64_t calls = 0;
    double seconds = 0;
    Cost cost;
    // The least that their bytes and their operations take at the device's peaks, step by step the larger of the two.
    double bytes_bound = 0, flops_bound = 0, bound = 0;

    double bytes_per_second() const { return seconds > 0 ? static_cast<double>(cost.bytes) / seconds : 0; }
    double flops_per_second() const { return seconds > 0 ? static_cast<double>(cost.flops) / seconds : 0; }
    /// "compute", "memory", or "cache", where they took less time than memory needs for their bytes.
    std::string_view bound_by() const {
        return bytes_bound < flops_bound ? "compute" : bound > seconds ? "cache" : "memory";
    }
    /// Share of the peak that binds them; nothing where that is a cache, whose peak is not measured.
    std::optional<double> of_peak() const {
        if (seconds <= 0 || bound_by() == "cache") return std::nullopt;
        return bound / seconds;
    }
    /// "87% of the memory peak"
    std::string of_peak_text() const;
};

/// How steps are put together: each by itself (layers apart, or told as one), by op, by module (layers told as one), by
/// layer.
enum class ProfileBy : std::uint8_t { step, path, op, module, layer };
std::string_view name(ProfileBy by);

/// By falling time; by layer in the order of the layers. `peaks` by the name of a device.
std::vector<ProfileRow> rows_of(const Profile& profile, Phase phase, ProfileBy by,
                                const std::map<std::string, Peaks>& peaks);

/// Work of a step of a program with the sizes and lengths of its latest run. What the op reads of i32 inputs is copied
/// to the host for it, whose backend `host` is.
Cost cost_of_step(const Executor& executor, std::size_t step, Backend& host);

/// Of all steps together; of the bytes only those of weights and states, since what passes from step to step stays in
/// the device's caches where it is small.
Cost cost_of_run(const Executor& executor, Backend& host);

}  // namespace vitro
