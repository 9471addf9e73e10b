// The safetensors format: eight bytes of header length (little-endian), a JSON header that gives each tensor's dtype,
// shape and place, then the data. Read through a memory map, so that opening costs the header only; written atomically.
// Checked on opening, in this order of trust: the header's length against the file, its JSON, each tensor's byte count
// against its shape, and that the tensors cover the data exactly, without holes or overlaps, in any order.
#pragma once

#include "base/tensor.h"
#include "frontend/file.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// One tensor in a mapped file. Valid as long as the file object it came from.
struct TensorView {
    DType dtype = DType::f32;
    std::vector<std::int64_t> shape;  // outermost first; empty for a single value; at most kMaxRank
    const std::byte* data = nullptr;  // row-major, little-endian; the format promises no alignment
    std::size_t bytes = 0;
    std::size_t file_offset = 0;  // of data

    /// Whether data may be read through pointers to its element type.
    bool is_aligned() const;
    /// The view as kernels take it. Its memory is read-only: writing to it is a crash. Needs is_aligned().
    Tensor tensor() const;
};

class SafetensorsFile {
public:
    static SafetensorsFile open(const std::filesystem::path& path);

    /// All tensors, in the order of their data.
    const std::vector<std::string>& names() const { return names_; }
    bool contains(std::string_view name) const { return entries_.find(name) != entries_.end(); }
    /// Null when there is no such tensor; Error when there is one that vitro has no dtype or rank for.
    const TensorView* find(std::string_view name) const;
    /// A tensor of bytes (U8), whose meaning another one has; its dtype means nothing. Null when there is none.
    const TensorView* find_bytes(std::string_view name) const;
    /// A tensor as the file has it, of any dtype.
    struct Raw {
        std::string_view dtype;  // as the format spells it: "U8"
        std::vector<std::int64_t> shape;
        std::span<const std::byte> data;
    };
    /// Nothing when there is no such tensor.
    std::optional<Raw> raw(std::string_view name) const;
    /// The `__metadata__` entries.
    const std::map<std::string, std::string, std::less<>>& metadata() const { return metadata_; }
    /// Bytes of all tensors together.
    std::size_t data_bytes() const { return data_bytes_; }
    /// The file's name, without its directory.
    const std::string& name() const { return name_; }

private:
    struct Entry {
        TensorView view;
        std::string_view dtype;   // as the format spells it
        std::string unsupported;  // why find() refuses it, or empty
    };

    SafetensorsFile(MappedFile file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}
    void read_header();
    void check_layout(std::size_t data_start);

    MappedFile file_;
    std::string name_;
    std::map<std::string, Entry, std::less<>> entries_;
    std::vector<std::string> names_;
    std::map<std::string, std::string, std::less<>> metadata_;
    std::size_t data_bytes_ = 0;
};

struct NamedTensor {
    std::string name;
    Tensor tensor;
};

/// How the format spells a type; "U8" where it has no name for it.
std::string_view safetensors_dtype(DType dtype);

/// The shape of a tensor's bytes, which the format gets where it has no name for a type of blocks: the last dimension
/// is the bytes of a row or, where a block holds several rows, of such a group of rows, which the one before it counts.
std::vector<std::int64_t> shape_of_blocks(DType dtype, std::span<const std::int64_t> shape);

/// Writes the tensors, those with wider elements first, so that each is aligned to its own; types of blocks as U8 of
/// shape_of_blocks(). Error when a name comes twice or is not UTF-8, or the file cannot be written; the file appears
/// complete or not at all.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string, std::less<>>& metadata = {});

}  // namespace vitro
