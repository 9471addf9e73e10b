// Files: a read-only memory map, small files read whole, and writing that never leaves half a file behind.
// Errors name the path, what was attempted and what the system said.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace vitro {

/// A file mapped read-only into memory: nothing is read before it is touched, and nothing is copied.
/// The bytes live as long as this object; writing to them is a crash. A file that somebody shortens while it is mapped
/// raises SIGBUS when the lost part is touched (mapped_file_at tells which file it was), and one that is rewritten
/// changes the bytes (check_mapped_files notices), so replace model files by renaming, never by rewriting.
class MappedFile {
public:
    /// Error when the path does not name a readable regular file. An empty file is an empty span.
    static MappedFile open(const std::filesystem::path& path);

    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    ~MappedFile();

    /// Starts at a page boundary.
    std::span<const std::byte> bytes() const { return {data_, size_}; }

private:
    MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}

    const std::byte* data_;
    std::size_t size_;
};

/// Error when a file that is mapped now was written to since it was opened: its size or its time stamp has changed. One
/// that was replaced by renaming, or removed, is still mapped as it was.
void check_mapped_files();

/// The path of the mapped file that an address lies in, or null. A signal handler may call it.
const char* mapped_file_at(const void* address) noexcept;

/// Drops the memory pages of a part of a MappedFile that nobody reads any more. Whoever does read it after all
/// has the file's bytes again, from the disk or the system's cache of it. Other memory stays as it is.
void drop_pages(std::span<const std::byte> mapped);

/// Whether the path names something that can be looked at: unlike std::filesystem::exists, no path makes it throw.
bool file_exists(const std::filesystem::path& path);

/// The whole file. Error when it is larger than `max_bytes` or not a readable regular file.
std::string read_file(const std::filesystem::path& path, std::size_t max_bytes);

/// All of stdin. Error when that is larger than `max_bytes` or cannot be read.
std::string read_stdin(std::size_t max_bytes);

/// Where a command writes. A regular file appears under its name complete or not at all: bytes go to a temporary file
/// next to it, commit() renames; destroyed without commit(), the temporary file is removed and whatever had the name
/// before is untouched. A file that is there already keeps its mode; a symbolic link stays and what it leads to is
/// written. Anything else, such as a device or a pipe, is written to directly.
class OutputFile {
public:
    /// Error when the directory or what has the name cannot be written to.
    explicit OutputFile(std::filesystem::path path);
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    ~OutputFile();

    void write(std::span<const std::byte> bytes);
    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

    /// Flushes to the disk and renames. Nothing may be written after it.
    void commit();

private:
    void open_temporary();

    std::filesystem::path path_;    // as given
    std::filesystem::path target_;  // where the links lead
    std::string temporary_;         // empty: written to directly
    int descriptor_ = -1;
};

/// Removes the temporary files of all output files. A signal handler that ends the program may call it.
void remove_unfinished_files() noexcept;

}  // namespace vitro
