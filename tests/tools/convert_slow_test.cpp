// What llama.cpp and the gguf package say of the files that `vitro convert` writes (tests/golden/check_gguf.py).
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>

namespace vitro::test {
namespace {

TEST_CASE("llama.cpp reads converted files, with its own types and tokens, and none is worse than its quantizer's") {
    const std::string local = source_path(".venv/bin/python").string();
    const std::string python = run_program({local, "--version"}).exit_code == 0 ? local : "python3";
    if (run_program({python, "-c", "import llama_cpp, gguf, safetensors"}).exit_code != 0) {
        MESSAGE("SKIPPED: Python has no llama_cpp, gguf or safetensors");
        return;
    }
    const ProcessResult result =
        run_program({python, source_path("tests/golden/check_gguf.py").string(), vitro_binary()});
    CHECK_MESSAGE(result.exit_code == 0, result.out);
    CHECK(count(result.out, "greedy tokens equal") == 135);  // two of them with a cache of q8_0
}

}  // namespace
}  // namespace vitro::test
