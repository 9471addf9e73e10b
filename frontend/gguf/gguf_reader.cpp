#include "frontend/gguf/gguf_reader.h"

#include "base/checked.h"
#include "base/error.h"
#include "frontend/json.h"
#include "frontend/tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>

namespace vitro {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers and tensors are read as they stand in the file");

constexpr std::string_view kMagic = "GGUF";
constexpr std::size_t kMaxKeyBytes = 65535;
constexpr std::size_t kMaxDims = 4;

constexpr auto kTensorTypes = std::to_array<GgufTensorType>({
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
});

}  // namespace

const GgufTensorType* find_gguf_tensor_type(std::uint32_t number) {
    const auto* row = std::find_if(kTensorTypes.begin(), kTensorTypes.end(),
                                   [&](const GgufTensorType& known) { return known.number == number; });
    return row == kTensorTypes.end() ? nullptr : row;
}

std::optional<DType> dtype_of(const GgufTensorType& type) {
    std::string lower(type.name);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
    return dtype_named(lower);
}

const GgufTensorType* gguf_tensor_type(DType dtype) {
    const auto* row = std::find_if(kTensorTypes.begin(), kTensorTypes.end(),
                                   [&](const GgufTensorType& known) { return dtype_of(known) == dtype; });
    return row == kTensorTypes.end() ? nullptr : row;
}

GgufReader::GgufReader(std::span<const std::byte> bytes, std::string file) : bytes_(bytes), file_(std::move(file)) {
    read_start();
    read_metadata(key_count_);
    for (std::size_t i = 0; i < tensor_count_; ++i) read_tensor();
    const std::size_t step = alignment();
    place(position_ + (step - position_ % step) % step, step);
}

const std::byte* GgufReader::take(std::size_t count, std::string_view what) {
    if (count > bytes_.size() - position_) {
        fail("{}: expected {}, {} bytes, at byte {}, found the end of the file ({})", file_, what, count, position_,
             bytes_.size());
    }
    const std::byte* at = bytes_.data() + position_;
    position_ += count;
    return at;
}

template <class T>
T GgufReader::number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what), sizeof value);
    return value;
}

/// A count of things that take at least so many bytes each, which bounds it by the file's size.
std::size_t GgufReader::count(std::string_view what, std::size_t least_bytes) {
    const std::size_t at = position_;
    const auto value = number<std::uint64_t>(what);
    if (value > (bytes_.size() - position_) / least_bytes) {
        fail("{}: {} at byte {}: expected at most {}, all that fit in the file, found {}", file_, what, at,
             (bytes_.size() - position_) / least_bytes, value);
    }
    return value;
}

std::string_view GgufReader::text(std::string_view what) {
    const std::size_t at = position_;
    const std::size_t length = count(fmt::format("the length of {}", what), 1);
    const std::string_view text(reinterpret_cast<const char*>(take(length, what)), length);
    if (!is_valid_utf8(text)) fail("{}: {} at byte {}: expected UTF-8, found {}", file_, what, at, quote(text));
    return text;
}

GgufType GgufReader::type(std::string_view what) {
    const auto value = number<std::uint32_t>(what);
    if (value > static_cast<std::uint32_t>(GgufType::f64))
        fail("{}: {} at byte {}: expected a number from 0 to 12, found {}", file_, what, position_ - 4, value);
    return static_cast<GgufType>(value);
}

void GgufReader::read_start() {
    if (bytes_.size() < kMagic.size() || std::memcmp(bytes_.data(), kMagic.data(), kMagic.size()) != 0) {
        fail("{}: expected a GGUF file, which begins with \"GGUF\", found {}", file_,
             quote({reinterpret_cast<const char*>(bytes_.data()), std::min(bytes_.size(), kMagic.size())}));
    }
    position_ = kMagic.size();
    const auto version = number<std::uint32_t>("the version");
    if (version == std::uint32_t{2} << 24 || version == std::uint32_t{3} << 24)
        fail("{}: expected a little-endian GGUF file, found a big-endian one", file_);
    if (version != 2 && version != 3) fail("{}: expected GGUF of version 2 or 3, found {}", file_, version);
    // A tensor takes a name's length, a count of dimensions, one of them, a type and a place; a key a length and a
    // type.
    tensor_count_ = count("the number of tensors", 32);
    key_count_ = count("the number of keys", 13);
}

void GgufReader::read_metadata(std::size_t keys) {
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < keys; ++i) {
        const std::string_view key = text("a key");
        if (key.empty() || key.size() > kMaxKeyBytes)
            fail("{}: expected keys of 1 to {} bytes, found one of {}", file_, kMaxKeyBytes, key.size());
        if (!seen.insert(key).second) fail("{}: expected each key once, found {} twice", file_, quote(key));
        const std::size_t begin = position_;
        GgufValue value(file_, std::string(key), type(fmt::format("the type of {}", quote(key))), nullptr);
        read_value(value);
        value.stored_ = bytes_.subspan(begin, position_ - begin);
        metadata.push_back(std::move(value));
    }
}

void GgufReader::read_value(GgufValue& value) {
    const std::string what = fmt::format("the value of {}", quote(value.key_));
    if (value.type_ == GgufType::array) {
        value.is_array_ = true;
        value.type_ = type(fmt::format("the element type of {}", quote(value.key_)));
        if (value.type_ == GgufType::array) fail("{}: {}: arrays of arrays are not supported", file_, what);
        value.size_ = count(what, value.type_ == GgufType::string ? 8 : bytes_of(value.type_));
    }
    if (value.type_ == GgufType::string) {
        value.texts_.reserve(value.size());
        for (std::size_t i = 0; i < value.size(); ++i) value.texts_.push_back(text(what));
        return;
    }
    value.data_ = take(value.size() * bytes_of(value.type_), what);
    for (std::size_t i = 0; value.type_ == GgufType::boolean && i < value.size(); ++i) {
        const auto stored = static_cast<unsigned>(value.data_[i]);
        if (stored > 1) fail("{}: {}: expected a bool of 0 or 1, found {}", file_, what, stored);
    }
}

void GgufReader::read_tensor() {
    GgufTensorInfo tensor;
    tensor.name = text("a tensor's name");
    if (tensor.name.empty()) fail("{}: expected a name for every tensor, found an empty one", file_);
    read_shape(tensor);
    const auto type_number = number<std::uint32_t>("a tensor's type");
    tensor.type = find_gguf_tensor_type(type_number);
    if (tensor.type == nullptr)
        fail("{}: tensor {}: expected the number of a ggml type, found {}", file_, quote(tensor.name), type_number);
    tensor.offset = number<std::uint64_t>("a tensor's offset");
    if (tensor.shape.back() % tensor.type->block_elements != 0) {
        fail("{}: tensor {}: expected its innermost dimension to be a multiple of {}, the block of {}, found {}", file_,
             quote(tensor.name), tensor.type->block_elements, tensor.type->name, tensor.shape.back());
    }
    std::optional<std::int64_t> blocks = tensor.shape.back() / tensor.type->block_elements;
    for (std::size_t i = 0; i + 1 < tensor.shape.size() && blocks; ++i) blocks = checked_mul(*blocks, tensor.shape[i]);
    const auto bytes = blocks ? checked_mul(*blocks, tensor.type->block_bytes) : std::nullopt;
    if (!bytes || *bytes > (std::int64_t{1} << 60))
        fail("{}: tensor {}: expected at most 2^60 bytes, found a shape that needs more", file_, quote(tensor.name));
    tensor.bytes = static_cast<std::size_t>(*bytes);
    tensors.push_back(std::move(tensor));
}

void GgufReader::read_shape(GgufTensorInfo& tensor) {
    const auto rank = number<std::uint32_t>("a tensor's number of dimensions");
    if (rank < 1 || rank > kMaxDims)
        fail("{}: tensor {}: expected 1 to {} dimensions, found {}", file_, quote(tensor.name), kMaxDims, rank);
    for (std::uint32_t i = 0; i < rank; ++i) {
        const auto size = number<std::int64_t>("a tensor's dimension");
        if (size < 1)
            fail("{}: tensor {}: expected dimensions of at least 1, found {}", file_, quote(tensor.name), size);
        tensor.shape.insert(tensor.shape.begin(), size);
    }
}

std::size_t GgufReader::alignment() const {
    for (const GgufValue& value : metadata) {
        if (value.key() != "general.alignment") continue;
        const std::int64_t bytes = value.integer(1, std::int64_t{1} << 20);
        if (!std::has_single_bit(static_cast<std::uint64_t>(bytes))) value.refuse("a power of two");
        return static_cast<std::size_t>(bytes);
    }
    return 32;
}

/// Offsets in the file, where the tensors' data starts at byte `data_start`.
void GgufReader::place(std::size_t data_start, std::size_t step) {
    for (GgufTensorInfo& tensor : tensors) {
        if (tensor.offset % step != 0) {
            fail("{}: tensor {}: expected its offset to be a multiple of the alignment, {}, found {}", file_,
                 quote(tensor.name), step, tensor.offset);
        }
        const auto begin = checked_add(data_start, tensor.offset);
        const auto end = begin ? checked_add(*begin, tensor.bytes) : std::nullopt;
        if (!end || *end > bytes_.size()) {
            fail("{}: tensor {} of {} bytes begins at byte {} of the data, which ends past the end of the file ({})",
                 file_, quote(tensor.name), tensor.bytes, tensor.offset, bytes_.size());
        }
        tensor.offset = *begin;
    }
}

}  // namespace vitro
