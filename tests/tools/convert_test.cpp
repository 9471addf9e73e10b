#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>

namespace vitro::test {
namespace {

TEST_CASE("vitro convert writes a file that vitro runs, and tells its size and what a GGUF file cannot say") {
    const TempDir directory;
    const std::string file = (directory / "tiny.gguf").string(),
                      model = source_path("models/bundled/tiny-phi3").string();
    const ProcessResult result = run_vitro({"convert", model, "-o", file, "--type", "q5_k_m", "-t", "2"});
    check_success(result);
    const std::size_t bytes = read_bytes(file).size();
    CHECK(contains(result.err, file + ": 27 tensors, " + std::to_string(bytes) + " bytes"));
    CHECK(contains(result.err, "warning: llama.cpp has no sliding window for this architecture"));
    CHECK(contains(out_of({"run", "-m", file, "The capital of France is", "-n", "4"}), "Paris"));
    CHECK(contains(out_of({"show", "--tensors", "-m", file}), "general.file_type = 17"));

    const ProcessResult again = run_vitro({"convert", file, "-o", file, "--type", "q8_0"});
    check_success(again);
    CHECK(contains(again.err, "weights are rounded a second time"));
    CHECK(contains(out_of({"show", "--tensors", "-m", file}), "general.file_type = 7"));
}

TEST_CASE("vitro convert refuses a type that it does not write, a model that is none, and a missing -o") {
    const TempDir directory;
    const std::string file = (directory / "x.gguf").string();
    CHECK(run_vitro({"convert", directory.path().string(), "-o", file, "--type", "q3_k_m"}).exit_code == 2);
    CHECK(run_vitro({"convert", directory.path().string()}).exit_code == 2);
    check_error(run_vitro({"convert", directory.path().string(), "-o", file}), {"config.json"});
    CHECK(std::filesystem::is_empty(directory.path()));
}

}  // namespace
}  // namespace vitro::test
