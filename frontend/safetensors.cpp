#include "frontend/safetensors.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/json_text.h"
#include "frontend/json.h"
#include "frontend/model_directory.h"
#include "frontend/tokenizer/unicode.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace vitro {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are mapped as they stand in the file");

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr std::string_view kMetadata = "__metadata__";

/// Every dtype of the format; the ones vitro computes with have a counterpart.
struct FileDType {
    std::string_view name;
    std::int64_t bits;
    std::optional<DType> dtype;
};

constexpr std::array<FileDType, 20> kFileDTypes{{
    {"F32", 32, DType::f32},      {"F16", 16, DType::f16},       {"BF16", 16, DType::bf16},
    {"I32", 32, DType::i32},      {"F64", 64, std::nullopt},     {"I64", 64, std::nullopt},
    {"U64", 64, std::nullopt},    {"U32", 32, std::nullopt},     {"I16", 16, std::nullopt},
    {"U16", 16, std::nullopt},    {"I8", 8, std::nullopt},       {"U8", 8, std::nullopt},
    {"BOOL", 8, std::nullopt},    {"F8_E4M3", 8, DType::f8e4m3}, {"F8_E5M2", 8, std::nullopt},
    {"F8_E8M0", 8, std::nullopt}, {"F6_E2M3", 6, std::nullopt},  {"F6_E3M2", 6, std::nullopt},
    {"F4", 4, std::nullopt},      {"C64", 64, std::nullopt},
}};

const FileDType& file_dtype(const JsonValue& value) {
    const std::string_view name = value.string();
    const auto* row = std::find_if(kFileDTypes.begin(), kFileDTypes.end(),
                                   [&](const FileDType& known) { return known.name == name; });
    if (row == kFileDTypes.end()) value.refuse("a safetensors dtype such as F32, F16 or BF16");
    return *row;
}

/// What a tensor's data is read by: whole elements, blocks byte by byte.
std::int64_t unit_bytes(DType dtype) { return info(dtype).block_elements > 1 ? 1 : info(dtype).block_bytes; }

/// Bytes of a tensor of that shape; nothing when they do not fit 63 bits or end inside a byte.
std::optional<std::int64_t> byte_count(const FileDType& dtype, std::span<const std::int64_t> shape) {
    // A zero anywhere makes the product zero, whatever stands before it.
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
    std::optional<std::int64_t> bits = dtype.bits;
    for (const std::int64_t size : shape) {
        bits = checked_mul(*bits, size);
        if (!bits) return std::nullopt;
    }
    if (*bits % 8 != 0) return std::nullopt;
    return *bits / 8;
}

}  // namespace

bool TensorView::is_aligned() const {
    return reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(unit_bytes(dtype)) == 0;
}

Tensor TensorView::tensor() const {
    VITRO_CHECK(is_aligned());
    return {dtype, shape, const_cast<std::byte*>(data)};
}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
    SafetensorsFile file(MappedFile::open(path), path.filename().string());
    const std::span<const std::byte> bytes = file.file_.bytes();
    refuse_lfs_pointer({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
    file.read_header();
    return file;
}

void SafetensorsFile::read_header() {
    const std::span<const std::byte> bytes = file_.bytes();
    if (bytes.size() < kLengthBytes) {
        fail("{}: expected {} bytes of header length, found a file of {} bytes", name_, kLengthBytes, bytes.size());
    }
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), kLengthBytes);
    if (length > kMaxHeaderBytes) {
        fail("{}: header length: expected at most {}, found {}", name_, kMaxHeaderBytes, length);
    }
    if (length > bytes.size() - kLengthBytes) {
        fail("{}: header length: expected at most {}, the rest of the file, found {}", name_,
             bytes.size() - kLengthBytes, length);
    }
    const std::size_t data_start = kLengthBytes + static_cast<std::size_t>(length);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, data_start - kLengthBytes);
    const JsonValue header = JsonValue::parse(text, name_ + " (header)");

    for (const auto& [name, value] : header.members()) {
        if (name == kMetadata) {
            for (const auto& [key, entry] : value.members()) metadata_.emplace(key, entry.string());
            continue;
        }
        const FileDType& dtype = file_dtype(value.at("dtype"));
        Entry entry{.view = {}, .dtype = dtype.name, .unsupported = {}};
        for (const JsonValue& size : value.at("shape").array()) entry.view.shape.push_back(size.integer(0));

        const JsonValue offsets = value.at("data_offsets");
        const std::vector<JsonValue> pair = offsets.array();
        if (pair.size() != 2) offsets.refuse("an array of 2, begin and end");
        const std::int64_t begin = pair[0].integer(0);
        const std::int64_t end = pair[1].integer(begin);
        if (const auto available = static_cast<std::int64_t>(bytes.size() - data_start); end > available) {
            // Reported in bytes of the file. The sum can pass 63 bits but not 64.
            fail("{}: tensor {} ends at byte {} past the end of the file ({})", name_, quote(name),
                 static_cast<std::uint64_t>(end) + data_start, bytes.size());
        }
        const auto expected = byte_count(dtype, entry.view.shape);
        if (!expected) {
            fail("{}: tensor {}: expected a shape that takes a whole number of bytes, less than 2^63, found {} [{}]",
                 name_, quote(name), dtype.name, fmt::join(entry.view.shape, ", "));
        }
        if (end - begin != *expected) {
            fail("{}: tensor {}: expected {} bytes for {} [{}], found data_offsets [{}, {}]", name_, quote(name),
                 *expected, dtype.name, fmt::join(entry.view.shape, ", "), begin, end);
        }

        if (!dtype.dtype) {
            entry.unsupported = fmt::format("expected dtype F32, F16, BF16, I32 or F8_E4M3, found {}", dtype.name);
        } else if (entry.view.shape.size() > kMaxRank) {
            entry.unsupported =
                fmt::format("expected at most {} dimensions, found {}", kMaxRank, entry.view.shape.size());
        }
        entry.view.dtype = dtype.dtype.value_or(DType::f32);
        entry.view.bytes = static_cast<std::size_t>(*expected);
        entry.view.file_offset = data_start + static_cast<std::size_t>(begin);
        entry.view.data = bytes.data() + entry.view.file_offset;
        names_.emplace_back(name);
        entries_.emplace(name, std::move(entry));
    }
    check_layout(data_start);
}

void SafetensorsFile::check_layout(std::size_t data_start) {
    const auto place = [&](const std::string& name) {
        const TensorView& view = entries_.find(name)->second.view;
        return std::tuple(view.file_offset, view.bytes);
    };
    std::sort(names_.begin(), names_.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });

    std::size_t end = data_start;
    std::string before = "the header";
    for (const std::string& name : names_) {
        const auto [begin, bytes] = place(name);
        if (begin != end) {
            fail("{}: tensor {}: expected its data to begin at byte {}, where {} ends, found byte {}", name_,
                 quote(name), end, before, begin);
        }
        end = begin + bytes;
        before = quote(name);
    }
    if (end != file_.bytes().size()) {
        fail("{}: expected the file to end at byte {}, where {} ends, found {} bytes", name_, end, before,
             file_.bytes().size());
    }
    data_bytes_ = end - data_start;
}

const TensorView* SafetensorsFile::find(std::string_view name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return nullptr;
    if (!found->second.unsupported.empty()) fail("{}: tensor {}: {}", name_, quote(name), found->second.unsupported);
    return &found->second.view;
}

const TensorView* SafetensorsFile::find_bytes(std::string_view name) const {
    const auto found = entries_.find(name);
    return found != entries_.end() && found->second.dtype == "U8" ? &found->second.view : nullptr;
}

std::optional<SafetensorsFile::Raw> SafetensorsFile::raw(std::string_view name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return std::nullopt;
    const auto& [view, dtype, unsupported] = found->second;
    return Raw{dtype, view.shape, {view.data, view.bytes}};
}

std::string_view safetensors_dtype(DType dtype) {
    const auto* row = std::find_if(kFileDTypes.begin(), kFileDTypes.end(),
                                   [&](const FileDType& known) { return known.dtype == dtype; });
    return row == kFileDTypes.end() ? "U8" : row->name;
}

std::vector<std::int64_t> shape_of_blocks(DType dtype, std::span<const std::int64_t> shape) {
    std::vector<std::int64_t> out(shape.begin(), shape.end());
    const DTypeInfo& type = info(dtype);
    if (type.block_elements == 1) return out;
    out.back() = capped_product({out.back() / block_columns(dtype), type.block_bytes});
    if (type.block_rows > 1) out[out.size() - 2] /= type.block_rows;
    return out;
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string, std::less<>>& metadata) {
    const auto require_utf8 = [&](std::string_view text) {
        if (!is_valid_utf8(text))
            fail("{}: expected names and metadata in UTF-8, found {}", path.filename().string(), quote(text));
    };
    for (const auto& [key, value] : metadata) {
        require_utf8(key);
        require_utf8(value);
    }
    std::vector<const NamedTensor*> order;
    std::set<std::string_view> seen;
    for (const NamedTensor& tensor : tensors) {
        require_utf8(tensor.name);
        if (tensor.name == kMetadata || !seen.insert(tensor.name).second) {
            fail("{}: expected a different name for each tensor, found {} twice", path.filename().string(),
                 quote(tensor.name));
        }
        order.push_back(&tensor);
    }
    std::stable_sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
        return unit_bytes(a->tensor.dtype) > unit_bytes(b->tensor.dtype);
    });

    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty()) header[std::string(kMetadata)] = metadata;
    std::int64_t offset = 0;
    for (const NamedTensor* named : order) {
        const Tensor& tensor = named->tensor;
        const std::span shape(tensor.sizes.data(), static_cast<std::size_t>(tensor.rank));
        header[named->name] = {{"dtype", safetensors_dtype(tensor.dtype)},
                               {"shape", shape_of_blocks(tensor.dtype, shape)},
                               {"data_offsets", {offset, offset + tensor.bytes()}}};
        offset += tensor.bytes();
    }
    // Spaces after the JSON are part of the format: they let the data begin on a cache line.
    std::string text = json_text(header);
    text.resize(round_up<std::size_t>(kLengthBytes + text.size(), 64) - kLengthBytes, ' ');

    OutputFile file(path);
    const std::uint64_t length = text.size();
    file.write(std::as_bytes(std::span(&length, 1)));
    file.write(text);
    for (const NamedTensor* named : order) {
        file.write(
            {static_cast<const std::byte*>(named->tensor.data), static_cast<std::size_t>(named->tensor.bytes())});
    }
    file.commit();
}

}  // namespace vitro
