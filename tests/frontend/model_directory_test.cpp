#include "frontend/model_directory.h"

#include "base/error.h"
#include "frontend/checkpoint.h"
#include "frontend/config.h"
#include "tests/paths.h"
#include "tests/runtime/tiny_text_model.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

using namespace vitro;
using namespace vitro::test;

namespace {

std::string refusal(const std::filesystem::path& path) {
    try {
        require_model_directory(path);
    } catch (const Error& error) {
        return error.what();
    }
    return "accepted";
}

const std::string kExpected = ": expected a model's directory, found ";
const std::string kAnotherFile = ": expected a model's directory or a GGUF file, found another file";

/// The hub's cache with one model: its path.
std::filesystem::path write_hub(const std::filesystem::path& hub) {
    const std::filesystem::path snapshot = hub / "models--some--Model-1b/snapshots/abc123";
    std::filesystem::create_directories(snapshot);
    write_bytes(snapshot / "config.json", "{}");
    return snapshot;
}

}  // namespace

TEST_CASE("a directory that is not there: the nearest one, or the hub's name for it") {
    const TempDir directory;
    std::filesystem::create_directory(directory / "phi3-mini");
    const std::string typed = (directory / "phi3-mni").string(), meant = (directory / "phi3-mini").string();
    CHECK(refusal(typed) == typed + kExpected + "nothing: did you mean '" + meant + "'?");
    CHECK(refusal(meant) == "accepted");
    const std::string none = (directory / "qwerty").string();
    CHECK(refusal(none) == none + kExpected + "nothing");

    ::setenv("HF_HUB_CACHE", (directory / "hub").c_str(), 1);
    CHECK(refusal("some/Model-1b") ==
          "some/Model-1b" + kExpected +
              "nothing; a model of the Hugging Face hub is downloaded first, as by hf download some/Model-1b");
    const std::filesystem::path snapshot = write_hub(directory / "hub");
    CHECK(refusal("some/Model-1b") ==
          "some/Model-1b" + kExpected + "nothing; the Hugging Face hub's cache has it in " + snapshot.string());
    ::unsetenv("HF_HUB_CACHE");
}

TEST_CASE("a plain name is that of a model which ./dev fetch got, where nothing else is there") {
    const TempDir directory;
    const std::filesystem::path places[] = {directory / "none", directory / "models"};
    CHECK(find_model("smollm2", places) == "smollm2");
    for (const char* file : {"smollm2/model.gguf", "minilm/config.json", "gpt2/ranks.tiktoken"}) {
        std::filesystem::create_directories((directory / "models" / file).parent_path());
        write_bytes(directory / "models" / file, "");
    }
    CHECK(find_model("smollm2", places) == directory / "models/smollm2/model.gguf");
    CHECK(find_model("minilm", places) == directory / "models/minilm");
    CHECK(find_model("gpt2", places) == "gpt2");  // a tokenizer only
    CHECK(find_model("./smollm2", places) == "./smollm2");
    const std::filesystem::path own[] = {directory / "models/.."};
    CHECK(find_model(directory / "models", own) == directory / "models");

    CHECK(refusal("smollm2") == "smollm2" + kExpected + "nothing; ./dev fetch smollm2 gets it");
    CHECK(refusal("smollm") ==
          "smollm" + kExpected + "nothing: did you mean 'smollm2', which ./dev fetch smollm2 gets?");
    CHECK(refusal("./smollm2") == "./smollm2" + kExpected + "nothing");
    const std::string script = read_bytes(source_path("bench/fetch/fetch.py"));
    for (const std::string_view name : kFetchedModels) {
        CAPTURE(name);
        CHECK(script.find(fmt::format("    \"{}\": (", name)) != std::string::npos);
    }
}

TEST_CASE("what holds a model instead of being one says where it is") {
    const TempDir directory;
    const std::filesystem::path snapshot = write_hub(directory / "hub");
    for (const std::filesystem::path& path :
         {directory / "hub/models--some--Model-1b", directory / "hub", directory.path()}) {
        CAPTURE(path);
        CHECK(refusal(path).starts_with(path.string() + kExpected));
        CHECK(refusal(path).ends_with(" " + snapshot.string()));
    }
    CHECK(refusal(snapshot) == "accepted");
    const std::filesystem::path outside = snapshot.parent_path();
    CHECK(refusal(outside) == outside.string() + kExpected + "a directory that holds one: " + snapshot.string());
    const std::string file = (snapshot / "config.json").string();
    CHECK(refusal(file) == file + kAnotherFile + ": did you mean '" + snapshot.string() + "'?");
    CHECK(refusal("/dev/null") == "/dev/null" + kAnotherFile);
    const std::string link = (directory / "link").string(), gguf = (directory / "model.gguf").string();
    std::filesystem::create_symlink("nowhere", link);
    CHECK(refusal(link) == link + kExpected + "nothing");
    CHECK(refusal(gguf) == gguf + ": expected a GGUF file, found nothing");
    const std::filesystem::path folder = directory / "with-a-file";
    std::filesystem::create_directory(folder);
    write_bytes(folder / "model-q4_0.gguf", "GGUF");
    CHECK(refusal(folder) ==
          folder.string() + kExpected + "a directory that holds one: " + (folder / "model-q4_0.gguf").string());
}

TEST_CASE("weights in other formats are named when those that are read are not there") {
    const TempDir directory;
    write_bytes(directory / "config.json", "{}");
    CHECK_THROWS_WITH_AS(Checkpoint::open(directory.path()), doctest::Contains("found neither"), Error);
    write_bytes(directory / "training_args.bin", "");
    CHECK(weights_hint(directory.path()).empty());
    write_bytes(directory / "pytorch_model.bin", "");
    CHECK_THROWS_WITH_AS(Checkpoint::open(directory.path()),
                         doctest::Contains("found neither; pytorch_model.bin is in PyTorch's own format"), Error);
    std::filesystem::remove(directory / "pytorch_model.bin");
    write_bytes(directory / "consolidated.safetensors", "");
    CHECK_THROWS_WITH_AS(Checkpoint::open(directory.path()),
                         doctest::Contains("found neither; consolidated.safetensors has other names"), Error);
}

TEST_CASE("a git-lfs pointer is told from the file, whichever it is") {
    const std::string pointer =
        "version https://git-lfs.github.com/spec/v1\noid "
        "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24"
        "d17e2393\nsize 12345\n";
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.model"}) {
        CAPTURE(file);
        const TempDir directory;
        write_tiny_text_model(directory.path());
        write_bytes(directory / file, pointer);
        const auto open = [&] {
            read_model_config(directory.path());
            Checkpoint::open(directory.path());
            Tokenizer::load(directory.path());
        };
        CHECK_THROWS_WITH_AS(open(), doctest::Contains("expected the file itself, found a git-lfs pointer to it"),
                             Error);
    }
}
