// Models of thousands of layers: what looks at them takes time in proportion to their number, not to its square.
#include "frontend/file.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <sys/resource.h>

using namespace vitro::test;

namespace {

/// Processor seconds of all children that have ended.
double children_seconds() {
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);
    const auto seconds = [](const timeval& time) { return double(time.tv_sec) + 1e-6 * double(time.tv_usec); };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Processor seconds of `vitro` with these arguments and -m a model of so many layers.
double seconds_of(std::vector<std::string> arguments, int layers) {
    const TempDir directory;
    auto config = nlohmann::json::parse(vitro::read_file(source_path("models/bundled/tiny-phi3/config.json"), 1 << 20));
    config["num_hidden_layers"] = layers;
    write_bytes(directory / "config.json", config.dump());
    arguments.insert(arguments.end(), {"-m", directory.path().string()});
    const double before = children_seconds();
    check_success(run_vitro(arguments));
    return children_seconds() - before;
}

void check_linear(const std::vector<std::string>& arguments) {
    CAPTURE(arguments[0]);
    const double few = seconds_of(arguments, 1024), many = seconds_of(arguments, 4096);
    MESSAGE(
        fmt::format("{}: {:.2f} s of processor time for 1,024 layers, {:.2f} s for 4,096", arguments[0], few, many));
    CHECK(many < 8 * few);  // in proportion: four times; by the square: sixteen. The rest is what no cache holds.
}

}  // namespace

TEST_CASE("plan takes four times as long for four times as many layers") { check_linear({"plan"}); }

TEST_CASE("a page takes four times as long for four times as many layers") {
    const TempDir directory;
    check_linear({"graph", "--phase", "decode", "--format", "html", "-o", (directory / "page.html").string()});
}
