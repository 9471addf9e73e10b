#include "frontend/file.h"

#include "base/error.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

namespace vitro {
namespace {

class Descriptor {
public:
    explicit Descriptor(int value) : value_(value) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { ::close(value_); }
    int value() const { return value_; }

private:
    int value_;
};

int open_for_reading(const std::filesystem::path& path) {
    // Without O_NONBLOCK, opening a pipe that nobody writes would wait for ever.
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) fail("{}: cannot be read: {}", path.string(), std::strerror(errno));
    return descriptor;
}

struct stat status_of_regular_file(const Descriptor& descriptor, const std::filesystem::path& path) {
    struct stat status {};
    if (::fstat(descriptor.value(), &status) != 0) fail("{}: cannot be read: {}", path.string(), std::strerror(errno));
    if (!S_ISREG(status.st_mode)) {
        fail("{}: expected a regular file, found {}", path.string(),
             S_ISDIR(status.st_mode) ? "a directory" : "a device, pipe or socket");
    }
    return status;
}

/// What is known of a mapped file. A list of these grows and never shrinks, so that a signal handler may walk it at any
/// time; an entry whose file is not mapped any more (begin is 0) is taken again by the next one.
struct Mapping {
    std::atomic<std::uintptr_t> begin{0};
    std::atomic<std::uintptr_t> end{0};
    std::string path;
    struct stat status {};
    Mapping* next = nullptr;
};
std::atomic<Mapping*> mappings{nullptr};
std::mutex mappings_mutex;  // of those that change the list

void add_mapping(const void* data, std::size_t size, const std::filesystem::path& path, const struct stat& status) {
    const std::lock_guard lock(mappings_mutex);
    Mapping* entry = mappings;
    while (entry != nullptr && entry->begin != 0) entry = entry->next;
    const bool is_new = entry == nullptr;
    if (is_new) entry = new Mapping;
    entry->path = path.string();
    entry->status = status;
    entry->end = reinterpret_cast<std::uintptr_t>(data) + size;
    entry->begin = reinterpret_cast<std::uintptr_t>(data);
    if (!is_new) return;
    entry->next = mappings;
    mappings = entry;
}

void remove_mapping(const void* data) {
    const std::lock_guard lock(mappings_mutex);
    for (Mapping* entry = mappings; entry != nullptr; entry = entry->next)
        if (entry->begin == reinterpret_cast<std::uintptr_t>(data)) entry->begin = 0;
}

/// The names of temporary files that exist. More at the same time than there are places for are not removed by signals.
std::array<std::atomic<const char*>, 8> unfinished{};

void add_unfinished(const char* path) {
    for (auto& place : unfinished) {
        const char* free = nullptr;
        if (place.compare_exchange_strong(free, path)) return;
    }
}

void remove_unfinished(const char* path) {
    for (auto& place : unfinished) {
        const char* expected = path;
        place.compare_exchange_strong(expected, nullptr);
    }
}

/// Follows symbolic links to what is to be written; nothing where only opening can follow them, such as a descriptor's
/// in /proc, or nothing can.
std::optional<std::filesystem::path> end_of_links(std::filesystem::path path) {
    constexpr int kMostLinks = 40;  // as in Linux
    std::error_code error;
    for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(path, error); ++i) {
        const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
        if (std::filesystem::canonical(parent, error).string().starts_with("/proc/")) return std::nullopt;
        path = parent / std::filesystem::read_symlink(path, error);
    }
    if (std::filesystem::is_symlink(path, error)) return std::nullopt;  // a circle
    return path;
}

/// To the end, which no size tells for certain: files of /proc have none.
std::string read_all(int descriptor, const std::string& name, std::size_t expected_bytes, std::size_t max_bytes) {
    std::string text;
    text.reserve(expected_bytes);
    std::array<char, 1 << 16> part;
    for (;;) {
        const ssize_t count = ::read(descriptor, part.data(), part.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail("{}: cannot be read: {}", name, std::strerror(errno));
        if (count == 0) return text;
        text.append(part.data(), static_cast<std::size_t>(count));
        if (text.size() > max_bytes) fail("{}: expected at most {} bytes", name, max_bytes);
    }
}

}  // namespace

MappedFile MappedFile::open(const std::filesystem::path& path) {
    const Descriptor descriptor(open_for_reading(path));
    const struct stat status = status_of_regular_file(descriptor, path);
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size == 0) return {nullptr, 0};
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor.value(), 0);
    if (data == MAP_FAILED) fail("{}: cannot be mapped into memory: {}", path.string(), std::strerror(errno));
    add_mapping(data, size, path, status);
    return {static_cast<const std::byte*>(data), size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

MappedFile::~MappedFile() {
    if (data_ == nullptr) return;
    remove_mapping(data_);
    ::munmap(const_cast<std::byte*>(data_), size_);
}

void check_mapped_files() {
    const std::lock_guard lock(mappings_mutex);
    for (const Mapping* entry = mappings; entry != nullptr; entry = entry->next) {
        struct stat now {};
        const struct stat& then = entry->status;
        if (entry->begin == 0 || ::stat(entry->path.c_str(), &now) != 0) continue;
        if (now.st_dev != then.st_dev || now.st_ino != then.st_ino) continue;
        if (now.st_size != then.st_size)
            fail("{}: expected {} bytes, as when it was opened, found {}: it was written to while it was in use",
                 entry->path, then.st_size, now.st_size);
        if (now.st_mtim.tv_sec != then.st_mtim.tv_sec || now.st_mtim.tv_nsec != then.st_mtim.tv_nsec)
            fail("{}: expected the time stamp that it had when it was opened: it was written to while it was in use",
                 entry->path);
    }
}

const char* mapped_file_at(const void* address) noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    for (const Mapping* entry = mappings; entry != nullptr; entry = entry->next)
        if (entry->begin != 0 && at >= entry->begin && at < entry->end) return entry->path.c_str();
    return nullptr;
}

void drop_pages(std::span<const std::byte> mapped) {
    if (mapped_file_at(mapped.data()) == nullptr) return;
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto address = reinterpret_cast<std::uintptr_t>(mapped.data());
    const std::uintptr_t begin = address / page * page, end = (address + mapped.size() + page - 1) / page * page;
    // Only an advice: where it is refused, the pages stay until memory is short.
    if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

bool file_exists(const std::filesystem::path& path) {
    std::error_code error;
    return std::filesystem::exists(path, error);
}

std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
    const Descriptor descriptor(open_for_reading(path));
    const auto size = static_cast<std::size_t>(status_of_regular_file(descriptor, path).st_size);
    if (size > max_bytes) fail("{}: expected at most {} bytes, found {}", path.string(), max_bytes, size);
    return read_all(descriptor.value(), path.string(), size, max_bytes);
}

std::string read_stdin(std::size_t max_bytes) { return read_all(STDIN_FILENO, "stdin", 0, max_bytes); }

OutputFile::OutputFile(std::filesystem::path path) : path_(std::move(path)) {
    const std::optional<std::filesystem::path> end = end_of_links(path_);
    std::error_code error;
    if (end && (!file_exists(*end) || std::filesystem::is_regular_file(*end, error))) {
        target_ = *end;
        open_temporary();
        return;
    }
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC);
    if (descriptor_ < 0) fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
}

void OutputFile::open_temporary() {
    struct stat before {};
    const bool is_there = ::stat(target_.c_str(), &before) == 0;
    // Renaming would replace a file that must not be written to.
    if (is_there && ::faccessat(AT_FDCWD, target_.c_str(), W_OK, AT_EACCESS) != 0)
        fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();  // so that nobody else has the name
    for (int attempt = 0; descriptor_ < 0; ++attempt) {
        temporary_ = fmt::format("{}.{}-{:x}-{}", target_.string(), ::getpid(), now, attempt);
        add_unfinished(temporary_.c_str());  // before it is there: a signal may come at any time
        descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor_ >= 0) break;
        const int error = errno;
        remove_unfinished(temporary_.c_str());
        if (error != EEXIST) fail("{}: cannot be written: {}", path_.string(), std::strerror(error));
    }
    constexpr mode_t kPermissions = 07777;
    if (is_there && ::fchmod(descriptor_, before.st_mode & kPermissions) != 0) return;  // a file system without modes
}

OutputFile::~OutputFile() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    if (temporary_.empty()) return;
    ::unlink(temporary_.c_str());
    remove_unfinished(temporary_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
    VITRO_CHECK(descriptor_ >= 0);
    while (!bytes.empty()) {
        const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

void OutputFile::commit() {
    VITRO_CHECK(descriptor_ >= 0);
    const bool is_file = !temporary_.empty();
    if (is_file && (::fsync(descriptor_) != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0))
        fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
    if (is_file) remove_unfinished(temporary_.c_str());
    if (::close(std::exchange(descriptor_, -1)) != 0)
        fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
}

void remove_unfinished_files() noexcept {
    for (const auto& place : unfinished)
        if (const char* path = place; path != nullptr) ::unlink(path);
}

}  // namespace vitro
