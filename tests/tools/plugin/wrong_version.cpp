// A plugin of another version of the interface, for the test that it is refused before anything else of it is read.
#include "passes/plugin.h"

extern "C" const vitro::PluginVersion vitro_plugin_version{.api = 1000, .abi = {}};
