#include "frontend/file.h"

#include "base/error.h"
#include "tests/frontend/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace vitro;
using namespace vitro::test;

TEST_CASE("a mapped file is its bytes, wherever it is moved") {
    const TempDir directory;
    write_bytes(directory / "a", "some bytes");
    MappedFile file = MappedFile::open(directory / "a");
    const std::byte* data = file.bytes().data();
    MappedFile moved = std::move(file);
    CHECK(moved.bytes().data() == data);
    CHECK(moved.bytes().size() == 10);
    CHECK(std::memcmp(data, "some bytes", 10) == 0);
    write_bytes(directory / "empty", "");
    moved = MappedFile::open(directory / "empty");
    CHECK(moved.bytes().empty());
}

TEST_CASE("a file whose size says nothing is read to its end") {
    CHECK(std::filesystem::file_size("/proc/self/status") == 0);
    CHECK(read_file("/proc/self/status", 1 << 20).find("Pid:") != std::string::npos);
    CHECK_THROWS_WITH_AS(read_file("/proc/self/status", 10), "/proc/self/status: expected at most 10 bytes", Error);
}

TEST_CASE("what is not a readable regular file is refused, without waiting") {
    const TempDir directory;
    const std::string pipe = (directory / "pipe").string();
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK_THROWS_WITH_AS(read_file(pipe, 100),
                         (pipe + ": expected a regular file, found a device, pipe or socket").c_str(), Error);
    const std::string path = directory.path().string();
    CHECK_THROWS_WITH_AS(MappedFile::open(path), (path + ": expected a regular file, found a directory").c_str(),
                         Error);
    const std::string none = (directory / "none").string();
    CHECK_THROWS_WITH_AS(MappedFile::open(none), (none + ": cannot be read: No such file or directory").c_str(), Error);
    CHECK_THROWS_AS(read_file(std::string(5000, 'x'), 100), Error);
    CHECK_FALSE(file_exists(std::string(5000, 'x')));
}

TEST_CASE("a small file is read whole, a larger one refused") {
    const TempDir directory;
    write_bytes(directory / "a", std::string("1\0002\n", 4));
    CHECK(read_file(directory / "a", 4) == std::string("1\0002\n", 4));
    const std::string path = (directory / "a").string();
    CHECK_THROWS_WITH_AS(read_file(path, 3), (path + ": expected at most 3 bytes, found 4").c_str(), Error);
}

TEST_CASE("a file appears when it is committed, and not before") {
    const TempDir directory;
    write_bytes(directory / "a", "old");
    {
        OutputFile file(directory / "a");
        file.write("new, but ");
        CHECK(read_bytes(directory / "a") == "old");
    }
    CHECK(read_bytes(directory / "a") == "old");
    {
        OutputFile file(directory / "a");
        file.write("new ");
        file.write("content");
        file.commit();
    }
    CHECK(read_bytes(directory / "a") == "new content");
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory.path())) ++files;
    CHECK(files == 1);
    CHECK_THROWS_AS(OutputFile(directory / "no such directory" / "a"), Error);
    CHECK_THROWS_AS(OutputFile(directory.path()), Error);
}

TEST_CASE("a file that is there keeps its mode; a new one gets what the mask leaves") {
    const TempDir directory;
    const auto mode_of = [&](const char* name) {
        struct stat status {};
        REQUIRE(::stat((directory / name).c_str(), &status) == 0);
        return status.st_mode & 07777u;
    };
    const auto write = [&](const char* name) {
        OutputFile file(directory / name);
        file.write("x");
        file.commit();
    };
    const mode_t mask = ::umask(022);
    for (const mode_t mode : {0600u, 0640u, 0755u, 0666u}) {
        write_bytes(directory / "a", "old");
        REQUIRE(::chmod((directory / "a").c_str(), mode) == 0);
        write("a");
        CHECK(mode_of("a") == mode);
        std::filesystem::remove(directory / "a");
    }
    write("a");
    CHECK(mode_of("a") == 0644u);
    ::umask(mask);
}

TEST_CASE("links stay and what they lead to is written, also where that is not there yet") {
    const TempDir directory;
    std::filesystem::create_directory(directory / "sub");
    write_bytes(directory / "a", "old");
    std::filesystem::create_symlink("../a", directory / "sub" / "link");
    std::filesystem::create_symlink("sub/link", directory / "chain");
    std::filesystem::create_symlink("new", directory / "dangling");
    const auto write = [&](const std::filesystem::path& path) {
        OutputFile file(path);
        file.write("through " + path.filename().string());
        file.commit();
        CHECK(std::filesystem::is_symlink(path));
    };
    write(directory / "sub" / "link");
    CHECK(read_bytes(directory / "a") == "through link");
    write(directory / "chain");
    CHECK(read_bytes(directory / "a") == "through chain");
    write(directory / "dangling");
    CHECK(read_bytes(directory / "new") == "through dangling");
    CHECK(std::filesystem::is_regular_file(directory / "new"));
    std::filesystem::create_symlink("circle", directory / "circle");
    CHECK_THROWS_AS(OutputFile(directory / "circle"), Error);
}

TEST_CASE("what is no regular file is written to, not replaced") {
    const TempDir directory;
    {
        OutputFile file("/dev/null");
        file.write("x");
        file.commit();
    }
    CHECK(std::filesystem::is_character_file("/dev/null"));
    CHECK_THROWS_WITH_AS(
        [] {
            OutputFile file("/dev/full");
            file.write("x");
        }(),
        "/dev/full: cannot be written: No space left on device", Error);
    const std::string pipe = (directory / "pipe").string();
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
    REQUIRE(reader >= 0);
    OutputFile file(pipe);
    file.write("through");
    file.commit();
    char text[16];
    CHECK(::read(reader, text, sizeof text) == 7);
    ::close(reader);
}

TEST_CASE("a mapped file that was written to is noticed; one that was replaced or removed is not touched") {
    const TempDir directory;
    const std::string path = (directory / "a").string();
    write_bytes(path, "twelve bytes");
    const MappedFile file = MappedFile::open(path);
    CHECK_NOTHROW(check_mapped_files());
    CHECK(std::string(mapped_file_at(file.bytes().data() + 11)) == path);
    CHECK(mapped_file_at(file.bytes().data() + 12) == nullptr);
    write_bytes(directory / "b", "other");
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    SUBCASE("longer") {
        write_bytes(path, "thirteen bytes");
        CHECK_THROWS_WITH_AS(check_mapped_files(),
                             doctest::Contains("/a: expected 12 bytes, as when it was opened, found 14"), Error);
    }
    SUBCASE("the same size, another time") {
        REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
        CHECK_THROWS_WITH_AS(check_mapped_files(), doctest::Contains("/a: expected the time stamp"), Error);
    }
    SUBCASE("replaced") {
        std::filesystem::rename(directory / "b", path);
        CHECK_NOTHROW(check_mapped_files());
    }
    SUBCASE("removed") {
        std::filesystem::remove(path);
        CHECK_NOTHROW(check_mapped_files());
    }
}

TEST_CASE("a file that is not mapped any more is forgotten") {
    const TempDir directory;
    const std::string path = (directory / "a").string();
    write_bytes(path, "bytes");
    const void* data = nullptr;
    {
        const MappedFile file = MappedFile::open(path);
        data = file.bytes().data();
    }
    CHECK(mapped_file_at(data) == nullptr);
    write_bytes(path, "longer bytes");
    CHECK_NOTHROW(check_mapped_files());
}

TEST_CASE("pages are dropped of mapped files alone, which are read again, and never of other memory") {
    const TempDir directory;
    const std::string text(100'000, 'x');
    write_bytes(directory / "a", text);
    const MappedFile file = MappedFile::open((directory / "a").string());
    const std::vector<std::byte> own(file.bytes().begin(), file.bytes().end());
    for (const auto& [first, count] : {std::pair(0, 100'000), std::pair(5000, 10), std::pair(99'000, 1000)}) {
        drop_pages(file.bytes().subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
        drop_pages(std::span(own).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
    }
    CHECK(std::equal(own.begin(), own.end(), file.bytes().begin()));
    CHECK(std::count(own.begin(), own.end(), std::byte('x')) == 100'000);
}

TEST_CASE("a signal's handler can remove what is unfinished") {
    const TempDir directory;
    OutputFile file(directory / "a");
    file.write("half");
    CHECK_FALSE(std::filesystem::is_empty(directory.path()));
    remove_unfinished_files();
    CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("two writers of one file do not meet") {
    const TempDir directory;
    OutputFile first(directory / "a");
    OutputFile second(directory / "a");
    first.write("first");
    second.write("second");
    first.commit();
    second.commit();
    CHECK(read_bytes(directory / "a") == "second");
}
