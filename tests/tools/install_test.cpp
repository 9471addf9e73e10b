// vitro --version, shell completion, and what `cmake --install` puts in place.
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

using namespace vitro::test;

namespace {

/// What bash offers for a command line whose last word is being typed, one per line, by the script in `file`.
std::string offered(const std::string& file, const std::string& words) {
    const ProcessResult result =
        run_program({"bash", "-c",
                     "source '" + file + "'; COMP_WORDS=(vitro " + words +
                         "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _vitro; printf '%s\n' \"${COMPREPLY[@]}\" | sort"});
    CHECK(result.err == "");
    return result.out;
}

}  // namespace

TEST_CASE("--version tells version, commit, compiler, instruction sets and CUDA") {
    const std::string text = out_of({"--version"});
    CHECK(text.starts_with("vitro 0."));
    for (const char* part : {"\ncommit    ", "\ncompiler  ", "\nCPU       kernels for baseline", "\nCUDA      "})
        CHECK_MESSAGE(contains(text, part), part);
    const std::size_t at = text.find("commit    ") + 10;
    const std::string commit = text.substr(at, std::min(text.find('-', at), text.find('\n', at)) - at);
    if (commit == "unknown")
        MESSAGE("skipped: the source is no git repository");
    else
        CHECK(run_program({"git", "-C", source_path("."), "cat-file", "-e", commit}).exit_code == 0);
}

TEST_CASE("bash completes commands, options, their words, and files") {
    const TempDir directory;
    const std::string file = (directory / "completion").string();
    write_bytes(file, out_of({"completion", "bash"}));
    CHECK(offered(file, "tok") == "tokenize\n");
    CHECK(contains(offered(file, "''"), "run\n"));
    CHECK(offered(file, "--ver") == "--version\n");
    CHECK(offered(file, "run --pred") == "--predict\n");
    CHECK(offered(file, "--plugin x.so run --pred") == "--predict\n");
    CHECK(offered(file, "run --weights ''") == "fp8\nq4_0\nq4_k\nq8_0\nstored\n");
    CHECK(offered(file, "run --weights = f") == "fp8\n");
    CHECK(offered(file, "graph --format mod") == "model-explorer\nmodel-explorer-cost\n");
    CHECK(contains(offered(file, "graph --after fuse_at"), "fuse_attention\n"));
    CHECK(offered(file, "ops soft") == "softcap\nsoftmax\n");
    CHECK(offered(file, "run --device cuda-") == "cuda-emulated\n");
    CHECK(offered(file, "completion b") == "bash\n");
    write_bytes(directory / "two words.vt", "");
    CHECK(offered(file, "opt '" + (directory / "two").string() + "'") == (directory / "two words.vt").string() + "\n");
    CHECK(offered(file, "run -n ''") == "\n");
}

TEST_CASE("the completion for zsh is a zsh script that knows every command") {
    const TempDir directory;
    const std::string script = out_of({"completion", "zsh"}), file = (directory / "_vitro").string();
    CHECK(script.starts_with("#compdef vitro\n"));
    for (const char* command : {"run", "chat", "graph", "completion"})
        CHECK(contains(script, std::string("\n            ") + command + ") _arguments"));
    write_bytes(file, script);
    const ProcessResult parsed = run_program({"zsh", "-n", file});
    if (parsed.exit_code == 127) {
        MESSAGE("skipped: zsh is not installed, so that its syntax is not checked");
        return;
    }
    CHECK(parsed.err == "");
    CHECK(parsed.exit_code == 0);
}

TEST_CASE("what is installed runs from where it is, with its model, and completes") {
    const TempDir prefix;
    const ProcessResult installed =
        run_program({"cmake", "--install", VITRO_BUILD_DIRECTORY, "--prefix", prefix.path().string()});
    CAPTURE(installed.err);
    REQUIRE(installed.exit_code == 0);
    const std::string vitro = (prefix / "bin/vitro").string();
    const ProcessResult run = run_program({vitro, "run", "The capital of France is", "-n", "1"});
    CHECK(run.exit_code == 0);
    CHECK(run.out == " Paris\n");
    CHECK(contains(run_program({vitro, "run", "--help"}).out, "-m"));
    // It is its own model that it runs.
    std::filesystem::remove(prefix / "share/vitro/models/bundled/tiny-phi3/model.safetensors");
    check_error(run_program({vitro, "run", "x"}), {(prefix / "share/vitro/models/bundled/tiny-phi3").string()});
    CHECK(offered((prefix / "share/bash-completion/completions/vitro").string(), "tok") == "tokenize\n");
    CHECK(read_bytes(prefix / "share/zsh/site-functions/_vitro") == out_of({"completion", "zsh"}));
}
