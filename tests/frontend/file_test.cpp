#include "frontend/file.h"

#include "base/error.h"
#include "tests/frontend/temp_dir.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstring>
#include <string>
#include <utility>

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
        AtomicFile file(directory / "a");
        file.write("new, but ");
        CHECK(read_bytes(directory / "a") == "old");
    }
    CHECK(read_bytes(directory / "a") == "old");
    {
        AtomicFile file(directory / "a");
        file.write("new ");
        file.write("content");
        file.commit();
    }
    CHECK(read_bytes(directory / "a") == "new content");
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory.path())) ++files;
    CHECK(files == 1);
    CHECK_THROWS_AS(AtomicFile(directory / "no such directory" / "a"), Error);
    CHECK_THROWS_AS(AtomicFile("/dev/null"), Error);
    CHECK_THROWS_AS(AtomicFile(directory.path()), Error);
}

TEST_CASE("two writers of one file do not meet") {
    const TempDir directory;
    AtomicFile first(directory / "a");
    AtomicFile second(directory / "a");
    first.write("first");
    second.write("second");
    first.commit();
    second.commit();
    CHECK(read_bytes(directory / "a") == "second");
}
