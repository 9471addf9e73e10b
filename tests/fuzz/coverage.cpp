// Coverage for libFuzzer in a build by GCC, whose -fsanitize-coverage=trace-pc calls this at every edge: libFuzzer
// reads what a program counts in the section __libfuzzer_extra_counters.
#include <cstddef>
#include <cstdint>

namespace {

constexpr std::size_t kCounters = std::size_t{1} << 18;
__attribute__((section("__libfuzzer_extra_counters"))) std::uint8_t counters[kCounters];

}  // namespace

extern "C" __attribute__((no_sanitize_coverage, no_sanitize("address", "undefined"))) void __sanitizer_cov_trace_pc() {
    const auto at = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
    std::uint8_t& counter = counters[(at ^ at >> 18) % kCounters];
    if (counter != 255) ++counter;
}
