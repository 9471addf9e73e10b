// A plugin whose kernel is wrong, for the test that `vitro ops --check` finds it and says so once.
#include "ops/common/elementwise.h"
#include "passes/plugin.h"

namespace vitro {
namespace {

void reference(const Call& call) {
    elementwise_reference(call, [](double x) { return x < 0 ? 0.0 : x; });
}

const OpDef kBrokenRelu{
    .name = "broken_relu",
    .doc = "out = max(x, 0), elementwise.",
    .inputs = {"x"},
    .infer = infer_elementwise,
    .reference = reference,
    .examples = elementwise_examples,
};

/// Off by one.
void run(const Call& call) {
    elementwise_reference(call, [](double x) { return x < 0 ? 0.0 : x + 1; });
}

}  // namespace
}  // namespace vitro

extern "C" const vitro::PluginVersion vitro_plugin_version{};
extern "C" const vitro::Plugin& vitro_plugin() {
    static const vitro::Plugin plugin{.name = "broken_relu",
                                      .ops = {&vitro::kBrokenRelu},
                                      .cpu_kernels = {{.op = "broken_relu", .run = vitro::run}},
                                      .passes = {}};
    return plugin;
}
