#include "frontend/gguf/gguf.h"

#include "base/error.h"
#include "frontend/gguf/gguf_reader.h"
#include "frontend/json.h"

#include <algorithm>
#include <fstream>

namespace vitro {
namespace {

constexpr std::int64_t kMaxParts = 10000;

/// "model-00002-of-00003.gguf" of "model-00001-of-00003.gguf"; empty where the name is not made so.
std::string part_name(const std::string& first, std::int64_t part, std::int64_t parts) {
    const auto suffix = [&](std::int64_t n) { return fmt::format("-{:05}-of-{:05}.gguf", n, parts); };
    if (!first.ends_with(suffix(1))) return {};
    return first.substr(0, first.size() - suffix(1).size()) + suffix(part);
}

}  // namespace

GgufFile GgufFile::open(const std::filesystem::path& path) {
    GgufFile file;
    file.name_ = path.filename().string();
    file.open_part(path, true);
    file.open_other_parts(path);
    return file;
}

void GgufFile::open_part(const std::filesystem::path& path, bool is_first) {
    const std::string part = path.filename().string();
    files_.push_back(MappedFile::open(path));
    const std::span<const std::byte> bytes = files_.back().bytes();
    GgufReader header(bytes, part);
    const std::size_t first_name = names_.size();
    for (GgufTensorInfo& tensor : header.tensors) {
        Entry entry;
        entry.type = tensor.type->name;
        const std::optional<DType> dtype = dtype_of(*tensor.type);
        if (dtype)
            entry.view.dtype = *dtype;
        else
            entry.unsupported =
                fmt::format("{}: tensor {}: the type {} is not supported", part, quote(tensor.name), tensor.type->name);
        entry.view.shape = std::move(tensor.shape);
        entry.view.data = bytes.data() + tensor.offset;
        entry.view.bytes = tensor.bytes;
        entry.view.file_offset = tensor.offset;
        data_bytes_ += tensor.bytes;
        if (!entries_.emplace(tensor.name, std::move(entry)).second)
            fail("{}: expected each tensor once, found {} twice", part, quote(tensor.name));
        names_.push_back(std::move(tensor.name));
    }
    check_overlaps(first_name);
    if (is_first) {
        metadata_ = std::move(header.metadata);
        return;
    }
    const auto own = std::find_if(header.metadata.begin(), header.metadata.end(),
                                  [](const GgufValue& value) { return value.key() == "split.no"; });
    const auto number = static_cast<std::int64_t>(files_.size()) - 1;
    if (own == header.metadata.end()) fail("{}: expected the key \"split.no\", found no such key", part);
    if (own->integer() != number) own->refuse(fmt::format("{}, as the file's name says", number));
}

void GgufFile::open_other_parts(const std::filesystem::path& path) {
    const GgufValue* count = find_key("split.count");
    const std::int64_t parts = count == nullptr ? 1 : count->integer(0, kMaxParts);
    if (parts <= 1) return;
    if (at("split.no").integer() != 0) at("split.no").refuse("0: open the first file, which finds the others");
    if (part_name(name_, 1, parts).empty())
        fail("{}: expected a name that ends in -00001-of-{:05}.gguf, since it is the first of {} files", name_, parts,
             parts);
    for (std::int64_t part = 2; part <= parts; ++part)
        open_part(path.parent_path() / part_name(name_, part, parts), false);
    if (const GgufValue* tensors = find_key("split.tensors.count");
        tensors != nullptr && tensors->integer() != static_cast<std::int64_t>(names_.size())) {
        tensors->refuse(fmt::format("{}, the tensors of all files", names_.size()));
    }
}

/// Of the part whose tensors begin at `first_name`.
void GgufFile::check_overlaps(std::size_t first_name) const {
    std::vector<std::pair<const Entry*, const std::string*>> order;
    for (std::size_t i = first_name; i < names_.size(); ++i) order.emplace_back(entry(names_[i]), &names_[i]);
    const auto begins = [](const auto& one) { return one.first->view.file_offset; };
    std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) { return begins(a) < begins(b); });
    for (std::size_t i = 1; i < order.size(); ++i) {
        const std::size_t end = begins(order[i - 1]) + order[i - 1].first->view.bytes;
        if (begins(order[i]) < end)
            fail("{}: tensor {} begins at byte {}, inside tensor {}, which ends at byte {}", name_,
                 quote(*order[i].second), begins(order[i]), quote(*order[i - 1].second), end);
    }
}

const GgufValue* GgufFile::find_key(std::string_view key) const {
    const auto found =
        std::find_if(metadata_.begin(), metadata_.end(), [&](const GgufValue& value) { return value.key() == key; });
    return found == metadata_.end() ? nullptr : &*found;
}

const GgufValue& GgufFile::at(std::string_view key) const {
    const GgufValue* value = find_key(key);
    if (value == nullptr) fail("{}: expected the key {}, found no such key", name_, quote(key));
    return *value;
}

const GgufFile::Entry* GgufFile::entry(std::string_view name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : &found->second;
}

const TensorView* GgufFile::find(std::string_view name) const {
    const Entry* found = entry(name);
    if (found == nullptr) return nullptr;
    if (!found->unsupported.empty()) fail("{}", found->unsupported);
    return &found->view;
}

bool is_gguf(const std::filesystem::path& path) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) return false;
    std::ifstream in(path, std::ios::binary);
    std::string magic(4, '\0');
    return in.read(magic.data(), 4) && magic == "GGUF";
}

}  // namespace vitro
