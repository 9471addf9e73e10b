#include "frontend/checkpoint.h"

#include "base/checked.h"
#include "base/error.h"
#include "frontend/file.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/gguf/gguf_names.h"
#include "frontend/json.h"
#include "frontend/model_directory.h"

#include <algorithm>
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

constexpr std::size_t kCodeBytes = 16;  // of a block of MXFP4

/// Blocks of mxfp4 (base/blocks.h): a scale, then bytes with number i in the low half and number i + 16 in the high
/// one.
void interleave(std::span<const std::byte> codes, std::span<const std::byte> scales, std::byte* out) {
    const std::byte* from = codes.data();
    for (const std::byte scale : scales) {
        const auto code = [&](std::size_t number) { return from[number / 2] >> number % 2 * 4 & std::byte{15}; };
        *out++ = scale;
        for (std::size_t i = 0; i < kCodeBytes; ++i) *out++ = code(i) | code(i + kCodeBytes) << 4;
        from += kCodeBytes;
    }
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
    checkpoint.join_halves();
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

void Checkpoint::join_halves() {
    constexpr std::string_view kCodes = "_blocks", kScales = "_scales";
    const auto bytes_of = [&](const std::string& name) -> const TensorView* {
        const auto shard = shard_of_.find(name);
        return shard == shard_of_.end() ? nullptr : shards_[shard->second].find_bytes(name);
    };
    std::vector<std::string> joined;
    for (const auto& [name, shard] : shard_of_) {
        if (!name.ends_with(kCodes)) continue;
        const std::string whole = name.substr(0, name.size() - kCodes.size()), other = whole + std::string(kScales);
        const TensorView *codes = bytes_of(name), *scales = bytes_of(other);
        if (codes == nullptr || scales == nullptr || scales->shape.empty()) continue;
        std::vector<std::int64_t> shape = scales->shape;
        shape.push_back(kCodeBytes);
        if (codes->shape != shape)
            fail("{}: tensor {}: expected the shape of {} and {} bytes for each scale", name_, quote(name),
                 quote(other), kCodeBytes);
        shape = scales->shape;
        const auto columns = checked_mul(shape.back(), info(DType::mxfp4).block_elements);
        if (!columns || shape.size() > kMaxRank)
            fail("{}: tensor {}: expected at most {} dimensions, of less than 2^63 numbers", name_, quote(other),
                 kMaxRank);
        shape.back() = *columns;
        halves_[whole] = {{DType::mxfp4, shape, nullptr, codes->bytes + scales->bytes, 0},
                          {codes->data, codes->bytes},
                          {scales->data, scales->bytes}};
        joined.insert(joined.end(), {name, other});
    }
    for (const std::string& name : joined) shard_of_.erase(name);
}

std::vector<std::string> Checkpoint::names() const {
    std::vector<std::string> names;
    for (const auto& [name, own] : gguf_names_) names.push_back(name);
    for (const auto& [name, shard] : shard_of_) names.push_back(name);
    for (const auto& [name, halves] : halves_) names.push_back(name);
    std::sort(names.begin(), names.end());
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
    if (const auto halves = halves_.find(name); halves != halves_.end()) return &halves->second.whole;
    const auto found = shard_of_.find(name);
    return found == shard_of_.end() ? nullptr : shards_[found->second].find(name);
}

const TensorView& Checkpoint::at(std::string_view name) const {
    const TensorView* view = find(name);
    if (view == nullptr) fail("{}: expected the tensor {}, found no such tensor", name_, quote(name));
    return *view;
}

Tensor Checkpoint::tensor(std::string_view name) {
    constexpr std::size_t kSmall = std::size_t{64} << 10;
    const TensorView& view = at(name);
    if (view.data != nullptr && view.is_aligned() && view.bytes > kSmall) return view.tensor();
    std::unique_ptr<std::byte[]>& copy = copies_[own_name(name)];
    if (copy == nullptr) {
        copy = std::make_unique_for_overwrite<std::byte[]>(view.bytes);
        copy_to(name, copy.get());
        unload(name);
    }
    return {view.dtype, view.shape, copy.get()};
}

void Checkpoint::copy_to(std::string_view name, std::byte* out) const {
    if (const auto halves = halves_.find(own_name(name)); halves != halves_.end())
        return interleave(halves->second.codes, halves->second.scales, out);
    const TensorView& view = at(name);
    std::copy_n(view.data, view.bytes, out);
}

std::vector<std::byte> Checkpoint::bytes(std::string_view name) const {
    std::vector<std::byte> out(at(name).bytes);
    copy_to(name, out.data());
    return out;
}

void Checkpoint::unload(std::string_view name) {
    if (const auto halves = halves_.find(own_name(name)); halves != halves_.end()) {
        drop_pages(halves->second.codes);
        return drop_pages(halves->second.scales);
    }
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
