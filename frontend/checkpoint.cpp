#include "frontend/checkpoint.h"

#include "base/error.h"
#include "frontend/file.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/json.h"
#include "frontend/model_directory.h"

#include <cstring>
#include <system_error>

namespace vitro {
namespace {

constexpr std::string_view kSingle = "model.safetensors";
constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr std::string_view kExtension = ".safetensors";

/// A plain name cannot lead out of the model's directory.
std::string shard_name(const JsonValue& value) {
    const std::string_view name = value.string();
    const bool plain = name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
    if (!plain || !name.ends_with(kExtension) || name.size() == kExtension.size()) {
        value.refuse("the name of a .safetensors file in the same directory");
    }
    return std::string(name);
}

/// model-00001-of-00002.safetensors: written by the same hand as the index, so the index must know it.
bool named_like_a_shard(const std::string& name) {
    return name.starts_with("model-") && name.find("-of-") != std::string::npos && name.ends_with(kExtension);
}

}  // namespace

Checkpoint Checkpoint::open(const std::filesystem::path& directory) {
    Checkpoint checkpoint;
    if (is_gguf(directory)) {
        checkpoint.open_gguf(directory);
    } else if (file_exists(directory / kSingle)) {
        checkpoint.name_ = kSingle;
        checkpoint.shards_.push_back(SafetensorsFile::open(directory / kSingle));
        for (const std::string& tensor : checkpoint.shards_.front().names()) checkpoint.shard_of_[tensor] = 0;
    } else if (file_exists(directory / kIndex)) {
        checkpoint.name_ = kIndex;
        checkpoint.open_shards(directory);
    } else {
        fail("{}: expected {} or {}, found neither{}", directory.string(), kSingle, kIndex, weights_hint(directory));
    }
    return checkpoint;
}

void Checkpoint::open_gguf(const std::filesystem::path& path) {
    gguf_ = GgufFile::open(path);
    name_ = gguf_->name();
    const std::string_view architecture = gguf_->at("general.architecture").string();
    for (const std::string& own : gguf_->names()) {
        std::string name = model_tensor_name(own, architecture);
        if (name.empty()) continue;
        const auto [at, is_new] = gguf_names_.emplace(std::move(name), own);
        if (!is_new) fail("{}: tensors {} and {} are one for the model", name_, quote(at->second), quote(own));
    }
}

void Checkpoint::open_shards(const std::filesystem::path& directory) {
    const JsonValue index = JsonValue::read(directory / kIndex);
    std::map<std::string, std::size_t, std::less<>> shard_numbers;
    for (const auto& [tensor, value] : index.at("weight_map").members()) {
        const std::string file = shard_name(value);
        const auto [at, is_new] = shard_numbers.emplace(file, shards_.size());
        if (is_new) {
            if (!file_exists(directory / file)) value.refuse("a file that is there");
            shards_.push_back(SafetensorsFile::open(directory / file));
        }
        shard_of_.emplace(tensor, at->second);
    }
    if (shards_.empty()) index.at("weight_map").refuse("at least one tensor");

    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
        for (const std::string& tensor : shards_[shard].names()) {
            const auto listed = shard_of_.find(tensor);
            if (listed == shard_of_.end() || listed->second != shard) {
                fail("{}: tensor {}: expected {} to list it in this file, found {}", shards_[shard].name(),
                     quote(tensor), kIndex,
                     listed == shard_of_.end() ? "it not listed" : "it listed in " + shards_[listed->second].name());
            }
        }
    }
    for (const auto& [tensor, shard] : shard_of_) {
        if (!shards_[shard].contains(tensor)) {
            fail("{}: tensor {}: expected it in {}, found no such tensor there", kIndex, quote(tensor),
                 shards_[shard].name());
        }
    }
    std::error_code unreadable;  // a directory that may be entered but not listed hides nothing that is needed
    for (const auto& entry : std::filesystem::directory_iterator(directory, unreadable)) {
        const std::string file = entry.path().filename().string();
        if (named_like_a_shard(file) && !shard_numbers.contains(file)) {
            fail("{}: expected {} to list tensors in this file, found none", file, kIndex);
        }
    }
}

std::vector<std::string> Checkpoint::names() const {
    std::vector<std::string> names;
    for (const auto& [name, own] : gguf_names_) names.push_back(name);
    for (const auto& [name, shard] : shard_of_) names.push_back(name);
    return names;
}

std::string Checkpoint::own_name(std::string_view name) const {
    const std::string_view without_head = name.substr(name.find('.') + 1);
    for (const std::string_view known : {name, without_head}) {
        if (has(known)) return std::string(known);
        for (const auto& [now, before] :
             {std::pair{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}}) {
            if (!known.ends_with(now)) continue;
            const std::string old = std::string(known.substr(0, known.size() - std::string_view(now).size())) + before;
            if (has(old)) return old;
        }
    }
    return std::string(name);
}

const TensorView* Checkpoint::find(std::string_view model_name) const {
    const std::string name = own_name(model_name);
    if (gguf_) {
        const auto own = gguf_names_.find(name);
        return own == gguf_names_.end() ? nullptr : gguf_->find(own->second);
    }
    const auto found = shard_of_.find(name);
    return found == shard_of_.end() ? nullptr : shards_[found->second].find(name);
}

const TensorView& Checkpoint::at(std::string_view name) const {
    const TensorView* view = find(name);
    if (view == nullptr) fail("{}: expected the tensor {}, found no such tensor", name_, quote(name));
    return *view;
}

Tensor Checkpoint::tensor(std::string_view name) {
    const TensorView& view = at(name);
    if (view.is_aligned()) return view.tensor();
    std::unique_ptr<std::byte[]>& copy = copies_[own_name(name)];
    if (copy == nullptr) {
        copy = std::make_unique_for_overwrite<std::byte[]>(view.bytes);
        std::memcpy(copy.get(), view.data, view.bytes);
    }
    return {view.dtype, view.shape, copy.get()};
}

void Checkpoint::unload(std::string_view name) {
    const TensorView& view = at(name);
    drop_pages({view.data, view.bytes});
}

void Checkpoint::release(std::string_view name) {
    unload(name);
    if (const auto copy = copies_.find(own_name(name)); copy != copies_.end()) copies_.erase(copy);
}

std::vector<std::pair<std::string, std::string>> Checkpoint::metadata() const {
    std::vector<std::pair<std::string, std::string>> all;
    for (const SafetensorsFile& shard : shards_)
        all.insert(all.end(), shard.metadata().begin(), shard.metadata().end());
    return all;
}

std::size_t Checkpoint::total_bytes() const {
    std::size_t total = gguf_ ? gguf_->data_bytes() : 0;
    for (const SafetensorsFile& shard : shards_) total += shard.data_bytes();
    return total;
}

}  // namespace vitro
