#include "backends/cpu/isa.h"

#include "base/error.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace vitro {
namespace {

constexpr IsaInfo kIsas[] = {
    {Isa::baseline, "baseline", "any CPU of this architecture"},
    {Isa::avx2, "avx2", "AVX2, FMA and F16C (x86-64-v3)"},
    {Isa::avx2_vnni, "avx2_vnni", "AVX2, FMA and F16C with AVX-VNNI"},
    {Isa::avx512, "avx512", "AVX-512 F, BW, CD, DQ and VL (x86-64-v4)"},
    {Isa::avx512_vnni, "avx512_vnni", "AVX-512 with VNNI"},
    {Isa::avx512_amx, "avx512_amx", "AVX-512 with VNNI and BF16, and AMX with its tiles of INT8 and BF16"},
};

#if defined(__x86_64__)
/// Whether the CPU multiplies tiles of 8-bit numbers and of bf16, and the operating system lets this process do so:
/// Linux must be asked once (Documentation/arch/x86/xstate.rst), since it then saves 8 KB more of each thread.
bool has_tiles() {
#if defined(__linux__)
    static const bool granted = [] {
        unsigned a = 0, b = 0, c = 0, d = 0;
        constexpr unsigned kBf16 = 1u << 22, kTiles = 1u << 24, kInt8 = 1u << 25, kAll = kBf16 | kTiles | kInt8;
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kAll) != kAll) return false;
        constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
        return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
    }();
    return granted;
#else
    return false;
#endif
}
#endif

}  // namespace

std::span<const IsaInfo> all_isas() { return kIsas; }

std::string_view name(Isa isa) { return kIsas[static_cast<std::size_t>(isa)].name; }

bool runs(Isa isa) {
#if defined(__x86_64__)
    switch (isa) {
        case Isa::avx2:
            return __builtin_cpu_supports("x86-64-v3");
        case Isa::avx2_vnni:
            return __builtin_cpu_supports("x86-64-v3") && __builtin_cpu_supports("avxvnni");
        case Isa::avx512:
            return __builtin_cpu_supports("x86-64-v4");
        case Isa::avx512_vnni:
            return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni");
        case Isa::avx512_amx:
            return runs(Isa::avx512_vnni) && __builtin_cpu_supports("avx512bf16") && has_tiles();
        case Isa::baseline:
            break;
    }
#endif
    return isa == Isa::baseline;
}

Isa choose_isa(std::span<const Isa> compiled, std::optional<std::string_view> wanted, bool (*runs_here)(Isa),
               std::string_view setting) {
    std::vector<std::string_view> usable;
    for (const Isa isa : compiled)
        if (runs_here(isa)) usable.push_back(name(isa));
    VITRO_CHECK(!usable.empty(), "no kernels for this CPU");
    const auto named = [](std::string_view text) {
        return std::find_if(std::begin(kIsas), std::end(kIsas), [&](const IsaInfo& row) { return row.name == text; });
    };
    const std::string_view chosen = wanted.value_or(usable.back());
    const auto row = named(chosen);
    const std::string expected = fmt::format("expected one of {}", fmt::join(usable, ", "));
    if (row == std::end(kIsas)) fail("{}: {}, found '{}'", setting, expected, chosen);
    if (std::find(compiled.begin(), compiled.end(), row->isa) == compiled.end())
        fail("{}: {}, found {}, which this program was not compiled for (cmake --preset release -DVITRO_ISAS=all)",
             setting, expected, chosen);
    if (!runs_here(row->isa))
        fail("{}: {}, found {}; this CPU lacks it ({})", setting, expected, chosen, row->description);
    return row->isa;
}

}  // namespace vitro
