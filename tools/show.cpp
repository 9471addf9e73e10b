// vitro show: the model as a tree of named modules, the way a PyTorch model prints.
#include "base/json_text.h"
#include "runtime/compile_model.h"
#include "tools/common.h"
#include "tools/tensor_list.h"

#include <nlohmann/json.hpp>

#include <map>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

/// A module with those inside it, in order of definition.
struct Tree {
    std::string name;
    Module module;
    std::vector<Tree> children;
};

Tree tree_of(const Graph& graph) {
    Tree root;
    for (const Module& module : graph.modules) {
        if (module.path.empty()) {
            root.module = module;
            continue;
        }
        Tree* at = &root;
        std::string_view rest = module.path;
        for (;;) {
            const std::size_t dot = rest.find('.');
            const std::string_view name = rest.substr(0, dot);
            const auto child = std::find_if(at->children.begin(), at->children.end(),
                                            [&](const Tree& tree) { return tree.name == name; });
            if (dot == std::string_view::npos) {
                at->children.push_back({std::string(name), module, {}});
                break;
            }
            VITRO_CHECK(child != at->children.end(), "module {} stands before what it is in", module.path);
            at = &*child;
            rest = rest.substr(dot + 1);
        }
    }
    return root;
}

/// Whether a module is an element of a list, whose name is its index: those fold when they are alike.
bool is_element(const Tree& tree) {
    return !tree.name.empty() && tree.name.find_first_not_of("0123456789") == std::string::npos;
}

/// Whether two modules print alike, names and paths apart.
bool same(const Tree& a, const Tree& b) {
    if (a.module.type != b.module.type || a.module.detail != b.module.detail || a.children.size() != b.children.size())
        return false;
    for (std::size_t i = 0; i < a.children.size(); ++i)
        if (a.children[i].name != b.children[i].name || !same(a.children[i], b.children[i])) return false;
    return true;
}

std::string text(const Tree& tree, int indent) {
    std::string out = tree.module.type + "(" + tree.module.detail;
    if (tree.children.empty()) return out + ")";
    const std::string spaces(static_cast<std::size_t>(indent) + 2, ' ');
    for (std::size_t i = 0; i < tree.children.size();) {
        std::size_t end = i + 1;
        while (end < tree.children.size() && is_element(tree.children[end]) &&
               same(tree.children[i], tree.children[end]))
            ++end;
        const Tree& first = tree.children[i];
        const std::string name =
            end - i == 1 ? first.name : fmt::format("{}-{}", first.name, tree.children[end - 1].name);
        const std::string times = end - i == 1 ? "" : fmt::format("{} x ", end - i);
        out += fmt::format("\n{}({}): {}{}", spaces, name, times, text(first, indent + 2));
        i = end;
    }
    return out + "\n" + std::string(static_cast<std::size_t>(indent), ' ') + ")";
}

struct Size {
    std::int64_t parameters = 0;
    std::int64_t bytes = 0;
};

/// Parameters and bytes of all weights at or below a module's path.
Size size_below(const Graph& graph, const std::string& path) {
    Size size;
    for (const ValueId id : graph.values_of(ValueKind::weight)) {
        const ValueInfo& weight = graph.value(id);
        if (!path.empty() && !weight.path.starts_with(path + ".")) continue;
        const std::int64_t bytes = bytes_of(weight.type, {});
        size.bytes += bytes;
        size.parameters += bytes / info(weight.type.dtype).block_bytes * info(weight.type.dtype).block_elements;
    }
    return size;
}

Json json_of(const Graph& graph, const Tree& tree) {
    const Size size = size_below(graph, tree.module.path);
    Json json{{"name", tree.name},
              {"path", tree.module.path},
              {"type", tree.module.type},
              {"detail", tree.module.detail},
              {"parameters", size.parameters},
              {"bytes", size.bytes}};
    Json weights = Json::array();
    for (const ValueId id : graph.values_of(ValueKind::weight)) {
        const ValueInfo& weight = graph.value(id);
        if (weight.path.substr(0, weight.path.rfind('.')) != tree.module.path) continue;
        Json shape = Json::array();
        for (const Dim dim : weight.type.shape) shape.push_back(dim.size);
        weights.push_back({{"path", weight.path}, {"dtype", name(weight.type.dtype)}, {"shape", shape}});
    }
    if (!weights.empty()) json["weights"] = weights;
    for (const Tree& child : tree.children) json["children"].push_back(json_of(graph, child));
    return json;
}

void show(const std::filesystem::path& directory, bool json) {
    const ModelConfig config = read_model_config(directory);
    const std::optional<Checkpoint> checkpoint = checkpoint_if_any(directory);
    const Graph graph = naive_graph(config, Phase::decode, completed({}, config), checkpoint ? &*checkpoint : nullptr);
    const Tree tree = tree_of(graph);
    if (json) {
        print_out("{}\n", json_text(json_of(graph, tree), 2));
        return;
    }
    const Size size = size_below(graph, "");
    print_out("{}\n{} parameters, {} bytes ({:.2f} GB)\n", text(tree, 0), size.parameters, size.bytes,
              static_cast<double>(size.bytes) / 1e9);
}

}  // namespace

void add_show(CommandLine& line) {
    struct Flags {
        ModelFlags model;
        bool tensors = false;
        bool json = false;
    };
    auto flags = std::make_shared<Flags>();
    const Command command = line.add(
        "show",
        "print the model as a tree of modules; works without weights\nExample: vitro show -m Phi-3-mini-4k-instruct",
        [flags] {
            if (flags->tensors)
                print_out("{}", tensor_list(flags->model.directory, flags->json));
            else
                show(flags->model.directory, flags->json);
            return 0;
        });
    add_model_flags(command, flags->model, false);
    command.flag("--tensors", flags->tensors,
                 "print the tensors in the model's files, with types, shapes and bytes, and the files' metadata");
    command.flag("--json", flags->json, "print JSON: modules with their weights, parameters and bytes");
}

}  // namespace vitro
