#include "tools/tensor_list.h"

#include "base/json_text.h"
#include "frontend/checkpoint.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

struct Row {
    std::string name, type;
    std::vector<std::int64_t> shape;
    std::size_t bytes = 0;
};

struct Listing {
    std::vector<std::pair<std::string, std::string>> metadata;
    std::vector<Row> rows;
};

/// A GGUF file's own names and types, also of tensors that vitro does not read.
Listing listing_of(const GgufFile& file) {
    Listing out;
    for (const GgufValue& value : file.metadata()) out.metadata.emplace_back(value.key(), value.described());
    for (const std::string& name : file.names()) {
        const GgufFile::Entry& entry = *file.entry(name);
        out.rows.push_back({name, std::string(entry.type), entry.view.shape, entry.view.bytes});
    }
    return out;
}

Listing listing_of(const Checkpoint& checkpoint) {
    Listing out;
    out.metadata = checkpoint.metadata();
    for (const std::string& tensor : checkpoint.names()) {
        const TensorView& view = checkpoint.at(tensor);
        out.rows.push_back({tensor, std::string(name(view.dtype)), view.shape, view.bytes});
    }
    return out;
}

Json json_of(const Listing& listing) {
    Json metadata = Json::object(), tensors = Json::array();
    for (const auto& [key, value] : listing.metadata) metadata[key] = value;
    for (const Row& row : listing.rows)
        tensors.push_back({{"name", row.name}, {"type", row.type}, {"shape", row.shape}, {"bytes", row.bytes}});
    return {{"metadata", metadata}, {"tensors", tensors}};
}

}  // namespace

std::string tensor_list(const std::filesystem::path& model, bool json) {
    const Listing listing = is_gguf(model) ? listing_of(GgufFile::open(model)) : listing_of(Checkpoint::open(model));
    if (json) return json_text(json_of(listing), 2) + "\n";
    std::size_t widest = 0, bytes = 0;
    for (const Row& row : listing.rows) widest = std::max(widest, row.name.size());
    std::string out;
    for (const auto& [key, value] : listing.metadata) out += fmt::format("{} = {}\n", key, value);
    for (const Row& row : listing.rows) {
        bytes += row.bytes;
        out += fmt::format("{:<{}}  {:<6}  {:<16}  {:>12}\n", row.name, widest, row.type,
                           fmt::format("[{}]", fmt::join(row.shape, ", ")), row.bytes);
    }
    return out + fmt::format("{} tensors, {} bytes ({:.2f} GB)\n", listing.rows.size(), bytes,
                             static_cast<double>(bytes) / 1e9);
}

}  // namespace vitro
