// The GGUF format, versions 2 and 3, little-endian (github.com/ggml-org/ggml, docs/gguf.md): counts, metadata, the
// tensors' names, shapes, types and places, then the data. Read through a memory map, so that opening costs the header
// only. Checked on opening: every count and length against the file, every string's UTF-8, each tensor's shape against
// its type's blocks, its place against the alignment and the file, and that no two overlap. A file that is one of
// several (NAME-00001-of-00003.gguf) is opened with the others.
#pragma once

#include "frontend/file.h"
#include "frontend/gguf/gguf_value.h"
#include "frontend/safetensors.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

class GgufFile {
public:
    /// A tensor as the file describes it. `view.dtype` says nothing where `unsupported` does.
    struct Entry {
        TensorView view;
        std::string_view type;    // as ggml calls it: "Q4_K"
        std::string unsupported;  // why find() refuses it, or empty
    };

    static GgufFile open(const std::filesystem::path& path);

    /// The metadata of the first file, in its order.
    const std::vector<GgufValue>& metadata() const { return metadata_; }
    /// Null when there is no such key.
    const GgufValue* find_key(std::string_view key) const;
    /// Error when there is no such key.
    const GgufValue& at(std::string_view key) const;

    /// All tensors, in the order of the files' lists.
    const std::vector<std::string>& names() const { return names_; }
    /// Null when there is no such tensor.
    const Entry* entry(std::string_view name) const;
    /// Null when there is no such tensor; Error when there is one whose type vitro does not read.
    const TensorView* find(std::string_view name) const;

    /// Bytes of all tensors together.
    std::size_t data_bytes() const { return data_bytes_; }
    /// The first file's name, without its directory.
    const std::string& name() const { return name_; }

private:
    void open_part(const std::filesystem::path& path, bool is_first);
    void open_other_parts(const std::filesystem::path& path);
    void check_overlaps(std::size_t first_name) const;

    std::string name_;
    std::vector<MappedFile> files_;
    std::vector<GgufValue> metadata_;
    std::map<std::string, Entry, std::less<>> entries_;
    std::vector<std::string> names_;
    std::size_t data_bytes_ = 0;
};

/// Whether the path names a file that begins as a GGUF file does.
bool is_gguf(const std::filesystem::path& path);

}  // namespace vitro
