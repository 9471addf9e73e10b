// The CPU's kernels are compiled once for each instruction set, in a namespace of its own; which one a process uses is
// decided when it starts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

// The set that this translation unit is compiled for. Kernels and all that they are made of stand in
// `namespace vitro::inline VITRO_ISA`, so that no two sets ever share a function.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AMX_INT8__) && defined(__AVX512VNNI__)
#define VITRO_ISA avx512_amx
#elif defined(__AVX512VNNI__)
#define VITRO_ISA avx512_vnni
#else
#define VITRO_ISA avx512
#endif
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#ifdef __AVXVNNI__
#define VITRO_ISA avx2_vnni
#else
#define VITRO_ISA avx2
#endif
#else
#define VITRO_ISA baseline
#endif

namespace vitro {

/// From the plainest to the best. cmake/isa.cmake has the compiler's options for each.
enum class Isa : std::uint8_t { baseline, avx2, avx2_vnni, avx512, avx512_vnni, avx512_amx };

struct IsaInfo {
    Isa isa;
    std::string_view name;         // as the namespace and the environment variable VITRO_ISA spell it
    std::string_view description;  // what the CPU must have
};

std::span<const IsaInfo> all_isas();
std::string_view name(Isa isa);
/// Whether this CPU and its operating system run code of that set.
bool runs(Isa isa);

/// Of the sets that this binary has, `compiled`, the one with the name `wanted`, else the best that runs here. Error
/// when there is no set of that name, or this binary or this CPU has it not; it begins with `setting`, which `wanted`
/// is the value of. `runs_here` says what this CPU runs.
Isa choose_isa(std::span<const Isa> compiled, std::optional<std::string_view> wanted, bool (*runs_here)(Isa) = runs,
               std::string_view setting = "VITRO_ISA");

}  // namespace vitro
