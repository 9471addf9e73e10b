#include "frontend/tokenizer/decode_stages.h"

#include "frontend/tokenizer/byte_level.h"
#include "frontend/tokenizer/unicode.h"

#include <array>
#include <utility>

namespace vitro {
namespace {

/// Gives a stage that is copyable its clone().
template <class Stage>
class Cloned : public DecodeStage {
    std::unique_ptr<DecodeStage> clone() const final {
        return std::make_unique<Stage>(static_cast<const Stage&>(*this));
    }
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

/// Spaces that English does not have.
void clean_up(std::string& text) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kChanges{{{" .", "."},
                                                                                      {" ?", "?"},
                                                                                      {" !", "!"},
                                                                                      {" ,", ","},
                                                                                      {" ' ", "'"},
                                                                                      {" n't", "n't"},
                                                                                      {" 'm", "'m"},
                                                                                      {" do not", " don't"},
                                                                                      {" 's", "'s"},
                                                                                      {" 've", "'ve"},
                                                                                      {" 're", "'re"}}};
    for (const auto& [from, to] : kChanges) replace_all(text, from, to);
}

/// Bytes on their way to characters: whole ones go on at once, broken ones as U+FFFD.
struct ByteRun {
    std::string bytes;
    bool one_mark_per_byte;  // of what is broken; else one for each beginning of a character

    std::string take(bool all) {
        const std::size_t size = all ? bytes.size() : complete_length(bytes);
        std::string text;
        for (std::size_t at = 0; at < size;) {
            const Utf8Char c = first_char(std::string_view(bytes).substr(at));
            if (c.valid)
                text.append(bytes, at, c.length);
            else
                for (std::size_t i = 0; i < (one_mark_per_byte ? c.length : 1); ++i) text += kReplacementChar;
            at += c.length;
        }
        bytes.erase(0, size);
        return text;
    }
};

class Join final : public Cloned<Join> {
public:
    explicit Join(std::string between) : between_(std::move(between)) {}
    void push(std::string_view text, bool begins, Sink& out) override {
        if (begins && !std::exchange(first_, false)) out.take(between_, true);
        out.take(text, begins);
    }
    void continue_text() override { first_ = false; }

private:
    std::string between_;
    bool first_ = true;
};

class ByteFallback final : public Cloned<ByteFallback> {
public:
    void push(std::string_view text, bool begins, Sink& out) override {
        if (const auto byte = begins ? byte_of_token(text) : std::nullopt) {
            run_.bytes += static_cast<char>(*byte);
            emit(false, out);
            return;
        }
        emit(true, out);
        out.take(text, begins);
    }
    void finish(Sink& out) override { emit(true, out); }

private:
    void emit(bool all, Sink& out) {
        if (const std::string text = run_.take(all); !text.empty()) out.take(text, true);
    }
    ByteRun run_{{}, true};
};

class ByteLevel final : public Cloned<ByteLevel> {
public:
    void push(std::string_view text, bool, Sink& out) override {
        std::string bytes;
        for (std::size_t at = 0; at < text.size();) {
            const Utf8Char c = first_char(text.substr(at));
            const auto byte = byte_of_char(c.code_point);
            if (!byte) {  // an added token is spelled as it is
                bytes = text;
                break;
            }
            bytes += static_cast<char>(*byte);
            at += c.length;
        }
        run_.bytes += bytes;
        emit(false, out);
    }
    void finish(Sink& out) override { emit(true, out); }
    void continue_text() override { first_ = false; }

private:
    void emit(bool all, Sink& out) {
        if (const std::string text = run_.take(all); !text.empty()) out.take(text, std::exchange(first_, false));
    }
    ByteRun run_{{}, false};
    bool first_ = true;
};

class Fuse final : public Cloned<Fuse> {
public:
    void push(std::string_view text, bool, Sink& out) override { out.take(text, std::exchange(first_, false)); }
    void continue_text() override { first_ = false; }

private:
    bool first_ = true;
};

class Strip final : public Cloned<Strip> {
public:
    Strip(std::string content, std::size_t start, std::size_t stop)
        : content_(std::move(content)), start_(start), stop_(stop) {}

    void push(std::string_view text, bool begins, Sink& out) override {
        if (begins) {
            end_token(out);
            left_ = start_;
            begins_ = true;
        }
        while (left_ > 0 && text.starts_with(content_)) {
            text.remove_prefix(content_.size());
            --left_;
        }
        if (!text.empty()) left_ = 0;
        held_ += text;
        std::size_t kept = held_.size();
        for (std::size_t i = 0; i < stop_ && std::string_view(held_).substr(0, kept).ends_with(content_); ++i)
            kept -= content_.size();
        emit(kept, out);
    }
    void finish(Sink& out) override { end_token(out); }
    void continue_text() override { left_ = 0; }

private:
    /// What is held when a token ends is `content`, as often as it may be dropped there.
    void end_token(Sink&) { held_.clear(); }
    void emit(std::size_t size, Sink& out) {
        if (size == 0) return;
        out.take(std::string_view(held_).substr(0, size), std::exchange(begins_, false));
        held_.erase(0, size);
    }

    std::string content_, held_;
    std::size_t start_, stop_, left_ = 0;
    bool begins_ = true;
};

class Replace final : public Cloned<Replace> {
public:
    Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}

    void push(std::string_view text, bool begins, Sink& out) override {
        if (begins) flush(out);
        begins_ = begins_ || begins;
        held_ += text;
        if (pattern_.is_one_char()) flush(out);
    }
    void finish(Sink& out) override { flush(out); }

private:
    void flush(Sink& out) {
        if (held_.empty()) return;
        std::string text;
        std::size_t done = 0;
        for (const TextRange& match : pattern_.find_all(held_)) {
            text.append(held_, done, match.begin - done).append(content_);
            done = match.end;
        }
        text.append(held_, done);
        held_.clear();
        out.take(text, std::exchange(begins_, false));
    }

    Pattern pattern_;
    std::string content_, held_;
    bool begins_ = false;
};

class Metaspace final : public Cloned<Metaspace> {
public:
    Metaspace(std::string mark, bool strips) : mark_(std::move(mark)), strips_(strips) {}
    void push(std::string_view text, bool begins, Sink& out) override {
        std::string changed(text);
        if (begins) first_ = !std::exchange(started_, true);
        replace_all(changed, mark_, strips_ && first_ ? "" : " ");
        out.take(changed, begins);
    }
    void continue_text() override { started_ = true; }

private:
    std::string mark_;
    bool strips_, started_ = false, first_ = false;
};

class WordPiece final : public Cloned<WordPiece> {
public:
    WordPiece(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
    void push(std::string_view text, bool begins, Sink& out) override {
        std::string changed(text);
        if (begins && std::exchange(started_, true)) {
            if (text.starts_with(prefix_))
                changed.erase(0, prefix_.size());
            else
                changed.insert(0, " ");
        }
        if (cleanup_) clean_up(changed);
        out.take(changed, begins);
    }
    void continue_text() override { started_ = true; }

private:
    std::string prefix_;
    bool cleanup_, started_ = false;
};

class BpeSuffix final : public Cloned<BpeSuffix> {
public:
    explicit BpeSuffix(std::string suffix) : suffix_(std::move(suffix)) {}
    void push(std::string_view text, bool begins, Sink& out) override {
        if (begins) emit(" ", out);
        held_ = held_.value_or("") + std::string(text);
    }
    void finish(Sink& out) override { emit("", out); }

private:
    /// Which the suffix becomes shows with the next token.
    void emit(std::string_view suffix, Sink& out) {
        if (!held_) return;
        if (!suffix_.empty()) replace_all(*held_, suffix_, suffix);
        out.take(*std::exchange(held_, std::nullopt), true);
    }
    std::string suffix_;
    std::optional<std::string> held_;
};

class Ctc final : public Cloned<Ctc> {
public:
    Ctc(std::string pad, std::string word_delimiter, bool cleanup)
        : pad_(std::move(pad)), word_delimiter_(std::move(word_delimiter)), cleanup_(cleanup) {}
    void push(std::string_view text, bool begins, Sink& out) override {
        if (begins && before_ == text) return;
        before_ = text;
        std::string changed(text);
        if (!pad_.empty()) replace_all(changed, pad_, "");
        if (cleanup_) {
            clean_up(changed);
            if (!word_delimiter_.empty()) replace_all(changed, word_delimiter_, " ");
        }
        if (!changed.empty()) out.take(changed, begins);
    }

private:
    std::string pad_, word_delimiter_;
    bool cleanup_;
    std::optional<std::string> before_;
};

}  // namespace

std::unique_ptr<DecodeStage> decode_join(std::string between) { return std::make_unique<Join>(std::move(between)); }
std::unique_ptr<DecodeStage> decode_byte_fallback() { return std::make_unique<ByteFallback>(); }
std::unique_ptr<DecodeStage> decode_byte_level() { return std::make_unique<ByteLevel>(); }
std::unique_ptr<DecodeStage> decode_fuse() { return std::make_unique<Fuse>(); }
std::unique_ptr<DecodeStage> decode_strip(std::string content, std::size_t start, std::size_t stop) {
    return std::make_unique<Strip>(std::move(content), start, stop);
}
std::unique_ptr<DecodeStage> decode_replace(Pattern pattern, std::string content) {
    return std::make_unique<Replace>(std::move(pattern), std::move(content));
}
std::unique_ptr<DecodeStage> decode_metaspace(std::string mark, bool strips) {
    return std::make_unique<Metaspace>(std::move(mark), strips);
}
std::unique_ptr<DecodeStage> decode_wordpiece(std::string prefix, bool cleanup) {
    return std::make_unique<WordPiece>(std::move(prefix), cleanup);
}
std::unique_ptr<DecodeStage> decode_bpe(std::string suffix) { return std::make_unique<BpeSuffix>(std::move(suffix)); }
std::unique_ptr<DecodeStage> decode_ctc(std::string pad, std::string word_delimiter, bool cleanup) {
    return std::make_unique<Ctc>(std::move(pad), std::move(word_delimiter), cleanup);
}

}  // namespace vitro
