// How this binary was built; cmake/build_info.cmake writes what it returns.
#pragma once

#include <string_view>

namespace vitro {

struct BuildInfo {
    std::string_view version;             // "0.1.0"
    std::string_view commit;              // with "-dirty" where the tree had changes; "unknown" outside of git
    std::string_view compiler;            // "GNU 12.2.0"
    std::string_view kind;                // "Release"
    std::string_view plugin_flags;        // for the compiler, to build a plugin that this binary takes
    std::string_view emulated_flags;      // the same for a plugin with CUDA kernels that the emulation runs
    std::string_view cuda_flags;          // the same for nvcc; empty where it was not used
    std::string_view isas;                // instruction sets that there are CPU kernels for
    std::string_view cuda_architectures;  // of nvcc; empty where it was not used
};
const BuildInfo& build_info();

}  // namespace vitro
