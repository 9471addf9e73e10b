// What one rendering may use. Chat templates come with files from strangers, so everything that costs time is counted
// in steps and everything that costs memory in bytes; past a limit the rendering ends with an Error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace vitro::jinja {

struct Limits {
    std::size_t max_source_bytes = std::size_t{512} << 10;
    std::size_t max_nodes = 100'000;     // expressions and statements of a template
    int max_depth = 400;                 // of expressions, blocks and macro calls inside each other
    std::size_t max_steps = 3'000'000;   // a node evaluated is one; 64 bytes or 8 values moved about are one
    std::size_t max_bytes = 12'000'000;  // of the values that are alive together, the output among them
};

/// Counts what a rendering uses. It outlives every value that the rendering makes.
class Heap {
public:
    explicit Heap(const Limits& limits) : limits_(limits) {}
    Heap(const Heap&) = delete;
    Heap& operator=(const Heap&) = delete;

    /// Error when the steps are used up.
    void work(std::size_t steps = 1);
    void work_on_bytes(std::size_t bytes) { work(bytes / 64); }
    void work_on_values(std::size_t values) { work(values / 8); }

    /// Error when so many more bytes would be too many.
    void take(std::size_t bytes);
    void give_back(std::size_t bytes) noexcept { bytes_ -= bytes; }

    const Limits& limits() const { return limits_; }

private:
    Limits limits_;
    std::size_t steps_ = 0;
    std::size_t bytes_ = 0;
};

/// Bytes that a value has taken from a heap, given back with it. A constant of a template has none.
class Charge {
public:
    Charge() = default;
    Charge(Heap& heap, std::size_t bytes) : heap_(&heap) { grow(bytes); }
    Charge(Charge&& other) noexcept
        : heap_(std::exchange(other.heap_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Charge& operator=(Charge&& other) noexcept {
        std::swap(heap_, other.heap_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Charge() {
        if (heap_ != nullptr) heap_->give_back(bytes_);
    }

    void grow(std::size_t bytes) {
        heap_->take(bytes);
        bytes_ += bytes;
    }

private:
    Heap* heap_ = nullptr;
    std::size_t bytes_ = 0;
};

/// A text that grows piece by piece and is counted as it does.
class TextBuilder {
public:
    explicit TextBuilder(Heap& heap) : heap_(heap), charge_(heap, 0) {}

    void append(std::string_view piece) {
        heap_.work_on_bytes(piece.size());
        charge_.grow(piece.size());
        bytes_ += piece;
    }
    void append(std::size_t count, char c) {
        heap_.work_on_bytes(count);
        charge_.grow(count);
        bytes_.append(count, c);
    }

    const std::string& bytes() const { return bytes_; }
    std::string take() { return std::move(bytes_); }
    Heap& heap() { return heap_; }

private:
    Heap& heap_;
    Charge charge_;
    std::string bytes_;
};

}  // namespace vitro::jinja
