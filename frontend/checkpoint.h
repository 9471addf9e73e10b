// The weights of a model: of a directory, whether in one safetensors file or in shards, or of a GGUF file. Opening
// reads headers only.
//
// Safetensors files have no type of blocks. A weight of MXFP4 is two tensors of bytes there, as GPT-OSS was published:
// x_blocks [..., K / 32, 16], two codes of 4 bits in a byte, the first number's in the low half, and x_scales [...,
// K / 32], E8M0. They are one tensor x here, mxfp4 [..., K].
#pragma once

#include "base/tensor.h"
#include "frontend/gguf/gguf.h"
#include "frontend/safetensors.h"

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

class Checkpoint {
public:
    /// A GGUF file, whose tensors are called as transformers calls them (frontend/gguf/gguf_model.h); or
    /// `directory`/model.safetensors, or else the shards that model.safetensors.index.json names. Error when neither is
    /// there, and when index and shards do not hold exactly the same tensors. The index may only name files in
    /// `directory` itself (links are followed: a download cache consists of them).
    static Checkpoint open(const std::filesystem::path& model);

    /// All tensors, sorted.
    std::vector<std::string> names() const;
    /// What the checkpoint calls the tensor that a model calls `name`: that; or, where it was saved without the model's
    /// head, the same without its first part ("wte.weight" for "transformer.wte.weight"); or, where it is as old as
    /// BERT, LayerNorm.gamma and LayerNorm.beta. As it is, when there is none of these.
    std::string own_name(std::string_view name) const;
    // Below, a tensor may be given the name that the model has for it.
    /// Null when there is no such tensor; Error when there is one of a dtype or rank that vitro does not compute with.
    /// Where a file has it in two tensors, the view has no data.
    const TensorView* find(std::string_view name) const;
    /// As find, but Error when there is no such tensor.
    const TensorView& at(std::string_view name) const;

    /// The tensor for computing: mapped without a copy, except that data which the file does not align to its element,
    /// or has in two tensors, is copied once, and kept; so are small ones, since a byte that is read may keep 2 MB of
    /// the file in memory, where the system maps it in large pages. Read-only memory, valid as long as this checkpoint.
    Tensor tensor(std::string_view name);

    /// A copy of the tensor's bytes.
    std::vector<std::byte> bytes(std::string_view name) const;

    /// Drops the tensor from memory, as far as nobody else uses its pages, and its copy if there is one. What tensor()
    /// gave is no longer valid; it may be asked for again.
    void release(std::string_view name);
    /// Drops the tensor's pages from memory, as far as nobody else uses them; they are read from the file again where
    /// they are needed.
    void unload(std::string_view name);

    /// What the safetensors files say beside tensors, `__metadata__`; a key of several files as often as it comes.
    std::vector<std::pair<std::string, std::string>> metadata() const;
    /// Bytes of all tensors together.
    std::size_t total_bytes() const;
    /// The file that lists the tensors, for errors: "model.safetensors", "model.safetensors.index.json", "x.gguf".
    const std::string& name() const { return name_; }

private:
    /// A weight that a file has in two tensors.
    struct Halves {
        TensorView whole;  // without data
        std::span<const std::byte> codes, scales;
    };

    bool has(std::string_view name) const {
        return gguf_names_.contains(name) || shard_of_.contains(name) || halves_.contains(name);
    }
    void join_halves();
    void copy_to(std::string_view name, std::byte* out) const;
    void open_gguf(const std::filesystem::path& path);
    void open_shards(const std::filesystem::path& directory);

    std::string name_;
    std::optional<GgufFile> gguf_;                                // in place of shards
    std::map<std::string, std::string, std::less<>> gguf_names_;  // tensor -> its name in the GGUF file
    std::vector<SafetensorsFile> shards_;
    std::map<std::string, std::size_t, std::less<>> shard_of_;  // tensor -> index into shards_
    std::map<std::string, Halves, std::less<>> halves_;
    std::map<std::string, std::unique_ptr<std::byte[]>, std::less<>> copies_;
};

}  // namespace vitro
