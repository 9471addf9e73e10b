#include "frontend/tokenizer/decoder.h"

#include "frontend/tokenizer/decode_stages.h"
#include "frontend/tokenizer/pre_tokenizer.h"
#include "frontend/tokenizer/unicode.h"

#include <charconv>

namespace vitro {
namespace {

template <class... Stages>
TokenDecoder decoder_of(Stages... stages) {
    std::vector<std::unique_ptr<DecodeStage>> all;
    (all.push_back(std::move(stages)), ...);
    return TokenDecoder(std::move(all));
}

bool flag(const JsonValue& value, std::string_view key, bool otherwise) {
    const auto given = value.given(key);
    return given ? given->boolean() : otherwise;
}

std::string text_or(const JsonValue& value, std::string_view key, std::string_view otherwise) {
    const auto given = value.given(key);
    return std::string(given ? given->string() : otherwise);
}

std::string one_char(const JsonValue& value) {
    const std::string_view text = value.string();
    if (text.empty() || first_char(text).length != text.size()) value.refuse("one character");
    return std::string(text);
}

void read_stages(const JsonValue& value, std::vector<std::unique_ptr<DecodeStage>>& out) {
    const JsonValue type = value.at("type");
    const std::string_view name = type.string();
    if (name == "Sequence") {
        for (const JsonValue& step : value.at("decoders").array()) read_stages(step, out);
    } else if (name == "ByteLevel") {
        out.push_back(decode_byte_level());
    } else if (name == "ByteFallback") {
        out.push_back(decode_byte_fallback());
    } else if (name == "Fuse") {
        out.push_back(decode_fuse());
    } else if (name == "Strip") {
        const auto count = [&](std::string_view key) {
            return static_cast<std::size_t>(value.at(key).integer(0, 1 << 20));
        };
        out.push_back(decode_strip(one_char(value.at("content")), count("start"), count("stop")));
    } else if (name == "Replace") {
        out.push_back(decode_replace(read_pattern(value.at("pattern")), std::string(value.at("content").string())));
    } else if (name == "Metaspace") {
        const bool strips =
            text_or(value, "prepend_scheme", flag(value, "add_prefix_space", true) ? "always" : "never") != "never";
        out.push_back(decode_metaspace(one_char(value.at("replacement")), strips));
    } else if (name == "WordPiece") {
        out.push_back(decode_wordpiece(std::string(value.at("prefix").string()), flag(value, "cleanup", true)));
    } else if (name == "BPEDecoder") {
        out.push_back(decode_bpe(text_or(value, "suffix", "</w>")));
    } else if (name == "CTC") {
        out.push_back(decode_ctc(text_or(value, "pad_token", "<pad>"), text_or(value, "word_delimiter_token", "|"),
                                 flag(value, "cleanup", true)));
    } else {
        type.refuse("Sequence, ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, WordPiece, BPEDecoder or CTC");
    }
}

}  // namespace

/// Hands what one stage makes to the next, and what the last one makes to `text`.
struct DecodeStream::Next final : DecodeStage::Sink {
    DecodeStream& stream;
    std::size_t stage;
    std::string& text;

    Next(DecodeStream& of, std::size_t at, std::string& out) : stream(of), stage(at), text(out) {}
    void take(std::string_view part, bool begins) override {
        if (stage == stream.stages_.size()) {
            text += part;
            return;
        }
        Next next(stream, stage + 1, text);
        stream.stages_[stage]->push(part, begins, next);
    }
};

void DecodeStream::continue_text() {
    for (const auto& stage : stages_) stage->continue_text();
}

std::string DecodeStream::push(std::string_view token) {
    std::string text;
    Next(*this, 0, text).take(token, true);
    return text;
}

std::string DecodeStream::finish() {
    std::string text;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        Next next(*this, i + 1, text);
        stages_[i]->finish(next);
    }
    return text;
}

TokenDecoder::TokenDecoder() { stages_.push_back(decode_join(" ")); }

DecodeStream TokenDecoder::stream() const {
    std::vector<std::unique_ptr<DecodeStage>> stages;
    for (const auto& stage : stages_) stages.push_back(stage->clone());
    return DecodeStream(std::move(stages));
}

TokenDecoder read_decoder(const JsonValue& value) {
    std::vector<std::unique_ptr<DecodeStage>> stages;
    read_stages(value, stages);
    return TokenDecoder(std::move(stages));
}

TokenDecoder sentencepiece_decoder(bool strip_leading_space) {
    return decoder_of(decode_replace(Pattern(std::string(kSpaceMark)), " "), decode_byte_fallback(), decode_fuse(),
                      decode_strip(" ", strip_leading_space ? 1 : 0, 0));
}

TokenDecoder byte_level_decoder() { return decoder_of(decode_byte_level()); }

TokenDecoder wordpiece_decoder() { return decoder_of(decode_wordpiece("##", true)); }

std::optional<unsigned char> byte_of_token(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
    if (error != std::errc{} || end != token.data() + 5) return std::nullopt;
    return byte;
}

}  // namespace vitro
