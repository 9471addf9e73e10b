#include "passes/plugin.h"

#include "ops/op_list.h"

#include <dlfcn.h>

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

const Plugin& load_plugin(const std::filesystem::path& library) {
    const std::string name = library.string();
    // A name without a slash would be looked up among the system's libraries.
    void* handle = dlopen(std::filesystem::absolute(library).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) fail("plugin {}: {}", name, dlerror());
    const auto symbol = [&](const char* what) {
        void* found = dlsym(handle, what);
        if (found == nullptr) fail("plugin {}: expected it to define {} (passes/plugin.h)", name, what);
        return found;
    };
    check_plugin_version(*static_cast<const PluginVersion*>(symbol("vitro_plugin_version")), name);
    const Plugin& plugin = reinterpret_cast<const Plugin& (*)()>(symbol("vitro_plugin"))();
    try {
        add_ops(plugin.ops, plugin.cpu_kernels);
        for (const PluginPass& pass : plugin.passes) add_pass(pass.pass, pass.before);
    } catch (const Error& error) {
        fail("plugin {}: {}", name, error.what());
    }
    return plugin;
}

}  // namespace vitro
