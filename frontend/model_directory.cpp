#include "frontend/model_directory.h"

#include "base/error.h"
#include "base/nearest.h"
#include "frontend/file.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace vitro {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

/// Names of what a directory holds, in order; none where it cannot be read.
std::vector<std::string> names_in(const fs::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
        names.push_back(at->path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

/// The revision in a model's folder of the hub's cache that its main branch has, else any with a config.json; empty
/// when there is none.
fs::path snapshot_in(const fs::path& folder) {
    for (const std::string& revision : names_in(folder / "snapshots"))
        if (is_there(folder / "snapshots" / revision / "config.json")) return folder / "snapshots" / revision;
    return {};
}

fs::path hub_cache() {
    const auto variable = [](const char* name) {
        const char* value = std::getenv(name);
        return fs::path(value == nullptr ? "" : value);
    };
    if (const fs::path cache = variable("HF_HUB_CACHE"); !cache.empty()) return cache;
    if (const fs::path home = variable("HF_HOME"); !home.empty()) return home / "hub";
    return variable("HOME") / ".cache/huggingface/hub";
}

/// Whether it is like microsoft/Phi-3-mini-4k-instruct.
bool is_hub_name(std::string_view text) {
    const auto is_part = [](std::string_view part) {
        return !part.empty() && part.front() != '.' &&
               part.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
                   std::string_view::npos;
    };
    const std::size_t slash = text.find('/');
    return slash != std::string_view::npos && is_part(text.substr(0, slash)) && is_part(text.substr(slash + 1));
}

/// What was meant by the name of a directory that is not there.
std::string hint_for_missing(const fs::path& directory) {
    const std::string text = directory.string();
    const fs::path parent = directory.has_parent_path() ? directory.parent_path() : ".";
    if (is_hub_name(text) && !is_there(parent)) {
        const std::string name = directory.filename().string();
        const fs::path cached =
            snapshot_in(hub_cache() / fmt::format("models--{}--{}", directory.parent_path().string(), name));
        if (!cached.empty()) return fmt::format("; the Hugging Face hub's cache has it in {}", cached.string());
        return fmt::format("; a model of the Hugging Face hub is downloaded first, as by hf download {}", text);
    }
    const std::vector<std::string> names = names_in(parent);
    std::vector<std::string_view> known(names.begin(), names.end());
    if (!directory.has_parent_path()) known.insert(known.end(), kFetchedModels.begin(), kFetchedModels.end());
    const std::string name = directory.filename().string();
    const std::string_view near = nearest(name, known);
    const bool is_fetched = std::find(names.begin(), names.end(), near) == names.end() && !near.empty();
    if (is_fetched && near == name) return fmt::format("; ./dev fetch {} gets it", name);
    if (is_fetched) return fmt::format(": did you mean '{}', which ./dev fetch {} gets?", near, near);
    return near.empty() || near == name
               ? ""  // a link that leads nowhere
               : fmt::format(": did you mean '{}'?", (directory.parent_path() / near).string());
}

/// Where the model is that a directory without config.json leads to; empty when nowhere.
std::string hint_for_container(const fs::path& directory) {
    if (const fs::path snapshot = snapshot_in(directory); !snapshot.empty())
        return fmt::format("a model's folder in the Hugging Face hub's cache: the model is in {}", snapshot.string());
    for (const fs::path& cache : {directory, directory / "hub"})
        for (const std::string& name : names_in(cache))
            if (const fs::path snapshot = snapshot_in(cache / name); name.starts_with("models--") && !snapshot.empty())
                return fmt::format("the Hugging Face hub's cache: name one of its models, such as {}",
                                   snapshot.string());
    for (const std::string& name : names_in(directory))
        if (name.ends_with(".gguf") || is_there(directory / name / "config.json"))
            return fmt::format("a directory that holds one: {}", (directory / name).string());
    return {};
}

}  // namespace

void require_model_directory(const fs::path& directory) {
    std::error_code error;
    const fs::file_status status = fs::status(directory, error);
    if (!fs::exists(status))
        fail("{}: expected a {}, found nothing{}", directory.string(),
             directory.extension() == ".gguf" ? "GGUF file" : "model's directory", hint_for_missing(directory));
    if (!fs::is_directory(status)) {
        const fs::path parent = directory.has_parent_path() ? directory.parent_path() : ".";
        fail("{}: expected a model's directory or a GGUF file, found another file{}", directory.string(),
             is_there(parent / "config.json") ? fmt::format(": did you mean '{}'?", parent.string()) : "");
    }
    if (is_there(directory / "config.json")) return;
    if (const std::string found = hint_for_container(directory); !found.empty())
        fail("{}: expected a model's directory, found {}", directory.string(), found);
}

fs::path find_model(const fs::path& given, std::span<const fs::path> places) {
    if (is_there(given) || given.has_parent_path()) return given;
    for (const fs::path& place : places) {
        const fs::path model = place / given;
        if (is_there(model / "model.gguf")) return model / "model.gguf";
        if (is_there(model / "config.json")) return model;
    }
    return given;
}

std::string weights_hint(const fs::path& directory) {
    for (const std::string& name : names_in(directory)) {
        const bool is_pickle = name.ends_with(".bin") || name.ends_with(".pth") || name.ends_with(".pt");
        if (is_pickle && name != "training_args.bin")
            return fmt::format(
                "; {} is in PyTorch's own format, which can run code and is not read: convert it with Python, "
                "transformers.AutoModelForCausalLM.from_pretrained(\"{}\").save_pretrained(\"converted\")",
                name, directory.string());
        if (name.starts_with("consolidated") && name.ends_with(".safetensors"))
            return fmt::format("; {} has other names of tensors than those of Hugging Face, which are wanted", name);
    }
    return {};
}

void refuse_lfs_pointer(std::string_view bytes, const fs::path& path) {
    if (bytes.starts_with("version https://git-lfs.github.com/spec/"))
        fail("{}: expected the file itself, found a git-lfs pointer to it: run git lfs pull where it was cloned",
             path.string());
}

std::string read_model_file(const fs::path& path, std::size_t max_bytes) {
    std::string bytes = read_file(path, max_bytes);
    refuse_lfs_pointer(bytes, path);
    return bytes;
}

}  // namespace vitro
