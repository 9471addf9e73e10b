// Ids to text while they are being generated: what push returns never has to be taken back, never ends within a
// character, and never contains the beginning of a stop string that may still be completed.
#pragma once

#include "frontend/tokenizer/tokenizer.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

class Detokenizer {
public:
    struct Options {
        std::vector<std::string> stop;  // not empty, UTF-8; generation ends where the first of them is complete
        bool skip_special = true;
    };

    /// For text that goes on after `prompt`. After words it keeps the space it starts with (" Paris"); at the start,
    /// and after a special token such as `<|assistant|>`, where a message begins, it is decoded as a text of its own.
    /// `tokenizer` outlives this. Error for a stop string that is empty or no UTF-8.
    Detokenizer(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt, Options options);
    Detokenizer(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt)
        : Detokenizer(tokenizer, prompt, Options()) {}

    /// Takes the next token; returns the text that is certain now. All returned strings together are
    /// tokenizer.decode(all ids), up to the stop string. Error for an id outside the vocabulary.
    std::string push(std::int32_t id);

    /// The rest, when no token follows: held-back beginnings of stop strings, the bytes of an unfinished character as
    /// U+FFFD.
    std::string finish();

    /// Whether a stop string was found; its text and what follows are dropped.
    bool stopped() const { return stopped_; }
    /// The one that was found.
    const std::string& stop_string() const { return stop_string_; }

private:
    bool find_stop(std::string_view text);
    std::string release();

    const Tokenizer& tokenizer_;
    Options options_;
    DecodeStream stream_;
    std::string held_;  // decoded, not returned yet
    bool stopped_ = false;
    std::string stop_string_;
};

}  // namespace vitro
