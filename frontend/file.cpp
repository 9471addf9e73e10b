#include "frontend/file.h"

#include "base/error.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
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

std::size_t size_of_regular_file(const Descriptor& descriptor, const std::filesystem::path& path) {
    struct stat status {};
    if (::fstat(descriptor.value(), &status) != 0) fail("{}: cannot be read: {}", path.string(), std::strerror(errno));
    if (!S_ISREG(status.st_mode)) {
        fail("{}: expected a regular file, found {}", path.string(),
             S_ISDIR(status.st_mode) ? "a directory" : "a device, pipe or socket");
    }
    return static_cast<std::size_t>(status.st_size);
}

}  // namespace

MappedFile MappedFile::open(const std::filesystem::path& path) {
    const Descriptor descriptor(open_for_reading(path));
    const std::size_t size = size_of_regular_file(descriptor, path);
    if (size == 0) return {nullptr, 0};
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor.value(), 0);
    if (data == MAP_FAILED) fail("{}: cannot be mapped into memory: {}", path.string(), std::strerror(errno));
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
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void drop_pages(std::span<const std::byte> mapped) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto address = reinterpret_cast<std::uintptr_t>(mapped.data());
    const std::uintptr_t begin = (address + page - 1) / page * page, end = (address + mapped.size()) / page * page;
    // Only an advice: where it is refused, the pages stay until memory is short.
    if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

bool file_exists(const std::filesystem::path& path) {
    std::error_code error;
    return std::filesystem::exists(path, error);
}

std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
    const Descriptor descriptor(open_for_reading(path));
    const std::size_t size = size_of_regular_file(descriptor, path);
    if (size > max_bytes) fail("{}: expected at most {} bytes, found {}", path.string(), max_bytes, size);
    std::string text(size, '\0');
    std::size_t filled = 0;
    while (filled < size) {
        const ssize_t count = ::read(descriptor.value(), text.data() + filled, size - filled);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail("{}: cannot be read: {}", path.string(), std::strerror(errno));
        if (count == 0) break;
        filled += static_cast<std::size_t>(count);
    }
    text.resize(filled);
    return text;
}

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
    // Renaming would put a file where a device was.
    std::error_code error;
    if (file_exists(path_) && !std::filesystem::is_regular_file(path_, error)) {
        fail("{}: expected a regular file or a free name to write to, found something else", path_.string());
    }
    for (int attempt = 0; descriptor_ < 0; ++attempt) {
        temporary_ = fmt::format("{}.{}-{}", path_.string(), ::getpid(), attempt);
        descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor_ < 0 && errno != EEXIST) fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
    }
}

AtomicFile::~AtomicFile() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
    VITRO_CHECK(descriptor_ >= 0);
    while (!bytes.empty()) {
        const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

void AtomicFile::commit() {
    VITRO_CHECK(descriptor_ >= 0);
    if (::fsync(descriptor_) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
        fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
    }
    ::close(std::exchange(descriptor_, -1));
}

}  // namespace vitro
