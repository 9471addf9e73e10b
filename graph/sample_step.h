// A step made up from a seed, for a graph without a model or a text: valid inputs, and random weights and states.
//
// What an i32 input must be follows from what the ops that read it call it (OpDef::inputs): `tokens` are rows of
// `table`, `rows` are rows of `x`; `positions`, `sequences`, `page_table`, `lengths` and `rope_lengths` describe one
// ragged step together: T tokens of S sequences, each behind the tokens of its own that the cache holds already, C
// tokens in all, in pages that no other sequence has.
#pragma once

#include "graph/graph.h"

#include <map>
#include <string>
#include <vector>

namespace vitro {

/// What one reader wants of an i32 input.
struct InputMeaning {
    enum class Kind : std::uint8_t { unknown, index, position, sequence, page, length, rope_length };
    Kind kind = Kind::index;
    Dim below = 0;               // of an index, a sequence, a page: they are in [0, below)
    std::int64_t positions = 0;  // of a position, a length: how many a sequence has room for; 0: any
    std::int64_t page_size = 0;  // of a page: positions in it
    std::string reader;          // "tokens of embed at model.embed_tokens"
};

/// Of every i32 input, by its path; none where any number will do. `unknown` where a reader calls it something that is
/// not in the list above.
std::map<std::string, std::vector<InputMeaning>> input_meanings(const Graph& graph);

/// Refuses an i32 input with a number that a reader cannot take, naming both.
void check_input(const std::string& path, const Tensor& tensor, const std::vector<InputMeaning>& meanings,
                 const SymbolValues& symbols);

class SampleStep {
public:
    /// Sizes of symbols in `symbols` where they are not 0; the others are made up, small. Error when a size is not
    /// within its bound, or does not fit the pages.
    SampleStep(const Graph& graph, SymbolValues symbols, std::uint64_t seed);

    const SymbolValues& symbols() const { return symbols_; }

    /// Writes an input, a weight or a state of the graph, or of one that passes made of it. Error when valid numbers of
    /// an i32 input cannot be guessed. What is written depends on the seed and the value's path (a weight's checkpoint
    /// tensor) alone.
    void fill(const ValueInfo& value, const Tensor& tensor) const;

private:
    void choose_sizes(const Graph& graph);
    void choose_lengths(const Graph& graph, std::int64_t room);
    void fill_i32(const std::string& path, const Tensor& tensor) const;

    std::uint64_t seed_;
    SymbolValues symbols_;
    std::map<std::string, std::vector<InputMeaning>> meanings_;
    std::vector<std::int64_t> new_tokens_, in_cache_;  // of each sequence
};

}  // namespace vitro
