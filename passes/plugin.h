// Ops, kernels and passes from outside the tree, in a shared library that vitro loads (`vitro --plugin lib.so …`). The
// library includes this header and defines two things:
//
//     extern "C" const vitro::PluginVersion vitro_plugin_version{};
//     extern "C" const vitro::Plugin& vitro_plugin() {
//         static const vitro::Plugin plugin{.name = "example", .ops = {&kSquare}, .cpu_kernels = {kSquareCpu}};
//         return plugin;
//     }
//
// There is no stable binary interface: a library is built with the headers and the compiler of the binary that loads
// it, and refused by name of what differs otherwise. It may be built for any instruction set (-march) that the CPU has.
#pragma once

#include "passes/passes.h"

#include <filesystem>
#include <string>
#include <vector>

namespace vitro {

/// Grows whenever what a plugin sees changes its meaning.
inline constexpr std::uint32_t kPluginApi = 3;

/// Compiler, standard library and sizes, as this translation unit has them.
inline constexpr std::size_t kPluginAbiBytes = 128;
struct PluginAbi {
    char text[kPluginAbiBytes] = {};
    constexpr PluginAbi();
};

/// What is read first; its layout never changes.
struct PluginVersion {
    std::uint32_t api = kPluginApi;
    PluginAbi abi{};
};

struct PluginPass {
    Pass pass;
    std::string_view before;  // the pass of the tree that it runs before
};

struct Plugin {
    std::string_view name;
    std::vector<const OpDef*> ops;
    std::vector<KernelDef> cpu_kernels;  // also of the tree's ops: those of the tree are tried first
    std::vector<PluginPass> passes;
    std::string_view gpu;                // of gpu_kernels: VITRO_DEVICE::kDeviceName of their .cu file
    std::vector<KernelDef> gpu_kernels;  // as cpu_kernels
};

/// Refuses a version that differs from this binary's; `library` for the error.
void check_plugin_version(const PluginVersion& version, std::string_view library);

/// Loads a shared library and adds what it has to the ops, kernels and passes there are; it stays loaded. To be called
/// before anything else asks for those. Error naming the library when it cannot be loaded, is of another version, or
/// has a name that is taken.
const Plugin& load_plugin(const std::filesystem::path& library);

constexpr PluginAbi::PluginAbi() {
    std::size_t at = 0;
    const auto put = [&](std::string_view part) {
        for (const char c : part)
            if (at + 1 < kPluginAbiBytes) text[at++] = c;
    };
    const auto number = [&](std::string_view name, std::size_t value) {
        put(name);
        char digits[20] = {};
        std::size_t n = 0;
        do digits[n++] = static_cast<char>('0' + value % 10);
        while ((value /= 10) > 0);
        while (n > 0) put({&digits[--n], 1});
    };
#ifdef __clang__
    put("clang ");
#else
    put("gcc ");
#endif
    put(__VERSION__);
#ifdef _GLIBCXX_RELEASE
    number(", libstdc++ ", _GLIBCXX_RELEASE);
#endif
#ifdef __OPTIMIZE__
    put(", optimized");
#else
    put(", not optimized");
#endif
#ifdef __SANITIZE_ADDRESS__
    put(", address sanitizer");
#endif
#ifdef __SANITIZE_THREAD__
    put(", thread sanitizer");
#endif
    number(", string ", sizeof(std::string));
    number(", op ", sizeof(OpDef));
    number(", kernel ", sizeof(KernelDef));
    number(", node ", sizeof(Node));
    number(", graph ", sizeof(Graph));
    number(", pass ", sizeof(Pass));
}

}  // namespace vitro
