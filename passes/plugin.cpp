#include "passes/plugin.h"

#include "ops/op_list.h"

#include <dlfcn.h>
#include <elf.h>

#include <cstring>
#include <fstream>

namespace vitro {

void check_plugin_version(const PluginVersion& version, std::string_view library) {
    if (version.api != kPluginApi)
        fail("plugin {}: expected version {} of the plugin interface, found {}: build it with this vitro's headers",
             library, kPluginApi, version.api);
    const PluginAbi here;
    const std::string_view expected = here.text;
    std::string_view found(version.abi.text, kPluginAbiBytes);
    found = found.substr(0, found.find('\0'));
    if (found != expected)
        fail("plugin {}: expected it to be built as this binary is ({}), found {}", library, expected, found);
}

namespace {

/// dlopen waits for a pipe that nobody writes, and dies of a file that is shorter than its header says: Error instead.
void require_whole_library(const std::filesystem::path& library) {
    const std::string name = library.string();
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(library, error);
    if (!std::filesystem::exists(status)) return;  // dlopen says so
    if (!std::filesystem::is_regular_file(status))
        fail("plugin {}: expected a shared library, found {}", name,
             std::filesystem::is_directory(status) ? "a directory" : "a device, pipe or socket");
    const std::uint64_t size = std::filesystem::file_size(library, error);
    std::ifstream file(library, std::ios::binary);
    Elf64_Ehdr header{};
    file.read(reinterpret_cast<char*>(&header), sizeof header);
    if (!file || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
        fail("plugin {}: expected a shared library of 64 bits, found another kind of file", name);
    file.seekg(static_cast<std::streamoff>(header.e_phoff));
    for (int i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr part{};
        file.read(reinterpret_cast<char*>(&part), sizeof part);
        if (!file || part.p_offset > size || part.p_filesz > size - part.p_offset)
            fail("plugin {}: expected a whole shared library, found one that is cut off after {} bytes", name, size);
    }
}

}  // namespace

const Plugin& load_plugin(const std::filesystem::path& library) {
    const std::string name = library.string();
    if (name.empty()) fail("plugin: expected the path of a shared library, found ''");
    require_whole_library(library);
    // A name without a slash would be looked up among the system's libraries.
    const std::string path = std::filesystem::absolute(library).string();
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        std::string_view why = dlerror();
        if (why.starts_with(path + ": ")) why.remove_prefix(path.size() + 2);
        fail("plugin {}: {}", name, why);
    }
    const auto symbol = [&](const char* what) {
        void* found = dlsym(handle, what);
        if (found == nullptr) fail("plugin {}: expected it to define {} (passes/plugin.h)", name, what);
        return found;
    };
    check_plugin_version(*static_cast<const PluginVersion*>(symbol("vitro_plugin_version")), name);
    void* const make = symbol("vitro_plugin");
    try {
        const Plugin& plugin = reinterpret_cast<const Plugin& (*)()>(make)();
        add_ops(plugin.ops, plugin.cpu_kernels);
        add_gpu_kernels(plugin.gpu, plugin.gpu_kernels);
        for (const PluginPass& pass : plugin.passes) add_pass(pass.pass, pass.before);
        return plugin;
    } catch (const std::exception& error) {
        fail("plugin {}: {}", name, error.what());
    } catch (...) {
        fail("plugin {}: it threw what is no std::exception", name);
    }
}

}  // namespace vitro
