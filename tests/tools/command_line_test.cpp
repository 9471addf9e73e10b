// What holds for every subcommand: help, exit codes, one line of error.
#include "tests/runtime/tiny_text_model.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>

using namespace vitro::test;

namespace {
const std::vector<std::string> kCommands = {"run",        "chat",   "show",  "next", "tokenize",
                                            "detokenize", "logits", "graph", "ops"};
}  // namespace

TEST_CASE("help stands on stdout, with an example, for vitro and each subcommand") {
    const ProcessResult all = run_vitro({"--help"});
    check_success(all);
    CHECK(all.out.find("Example: vitro run") != std::string::npos);
    for (const std::string& command : kCommands) {
        CAPTURE(command);
        CHECK(all.out.find("\n  " + command + " ") != std::string::npos);
        const ProcessResult help = run_vitro({command, "--help"});
        check_success(help);
        CHECK(help.err.empty());
        CHECK(help.out.find("Example: vitro " + command) != std::string::npos);
    }
    check_success(run_vitro({"--version"}));
}

TEST_CASE("a wrong command line ends with 2 and says why on stderr") {
    const std::vector<std::vector<std::string>> wrong = {
        {},
        {"sing"},
        {"run"},
        {"next"},
        {"tokenize"},
        {"detokenize"},
        {"detokenize", "x"},
        {"logits", "-p", "x"},
        {"logits", "-o", "x.safetensors"},
        {"logits", "-p", "x", "--tokens", "1", "-o", "x.safetensors"},
        {"logits", "--tokens", "1,x", "-o", "x.safetensors"},
        {"logits", "--tokens", "99999999999", "-o", "x.safetensors"},
        {"run", "x", "-n", "many"},
        {"run", "x", "-n", "-1"},
        {"run", "x", "-c", "0"},
        {"run", "x", "-t", "0"},
        {"run", "x", "--device", "abacus"},
        {"run", "x", "--temp", "hot"},
        {"run", "x", "y"},
        {"next", "x", "--top", "0"},
        {"graph", "--phase", "sleep"},
        {"graph", "--format", "jpeg"},
        {"show", "-c", "7"},
    };
    for (const auto& arguments : wrong) {
        const std::string line = fmt::format("{}", fmt::join(arguments, " "));
        CAPTURE(line);
        const ProcessResult result = run_vitro(arguments);
        CHECK(result.exit_code == 2);
        CHECK(result.out.empty());
        CHECK_FALSE(result.err.empty());
    }
    for (const std::string& command : kCommands) {
        CAPTURE(command);
        const ProcessResult result = run_vitro({command, "--frobnicate"});
        CHECK(result.exit_code == 2);
        CHECK(result.out.empty());
        CHECK_FALSE(result.err.empty());
    }
}

TEST_CASE("an error ends with 1 and one line that names file or flag, what was expected, what was found") {
    const TempDir out;
    const std::string file = (out / "logits.safetensors").string();
    struct Case {
        std::vector<std::string> arguments;
        std::vector<std::string> parts;
    };
    const std::vector<Case> cases = {
        {{"run", "x", "-m", "no/such/model"}, {"no/such/model", "cannot be read"}},
        {{"show", "-m", "no/such/model"}, {"config.json", "cannot be read"}},
        {{"chat", "-m", "no/such/model"}, {"no/such/model"}},
        {{"tokenize", "x", "-m", "no/such/model"}, {"no/such/model"}},
        {{"detokenize", "1", "-m", "no/such/model"}, {"no/such/model"}},
        {{"graph", "-m", "no/such/model"}, {"no/such/model"}},
        {{"next", "x", "-m", "no/such/model"}, {"no/such/model"}},
        {{"detokenize", "99999"}, {"99999"}},
        {{"logits", "--tokens", "99999,-1", "-o", file}, {"token id 99999: expected an id in [0, "}},
        {{"logits", "--tokens", "1,-1", "-o", file}, {"token id -1: expected an id in [0, "}},
        {{"logits", "--tokens", "1", "-o", (out / "no/such/folder/x").string()}, {"no/such/folder/x"}},
        {{"logits", "--tokens", "1", "-o", out.path().string()}, {out.path().filename().string()}},
        {{"ops", "tango"}, {"no op is called 'tango'"}},
        {{"run", "x", "--temp", "-1"}, {"temperature: expected a number of at least 0, found -1"}},
        {{"run", "x", "--temp", "nan"}, {"temperature: "}},
        {{"run", "x", "--top-k", "-1"}, {"top-k: expected a number of at least 0, found -1"}},
        {{"run", "x", "--top-p", "2"}, {"top-p: expected a number in [0, 1], found 2"}},
        {{"run", "x", "--min-p", "-1"}, {"min-p: expected a number in [0, 1], found -1"}},
        {{"run", "x", "--repeat-penalty", "0"}, {"repeat-penalty: expected a number above 0, found 0"}},
        {{"run", "x", "--logit-bias", "x"}, {"--logit-bias: expected ID=BIAS", "found 'x'"}},
        {{"run", "x", "--logit-bias", "1"}, {"--logit-bias: expected ID=BIAS", "found '1'"}},
        {{"run", "x", "--logit-bias", "1="}, {"--logit-bias: expected ID=BIAS", "found '1='"}},
        {{"run", "x", "--logit-bias", "1=2x"}, {"--logit-bias: expected ID=BIAS", "found '1=2x'"}},
        {{"run", "x", "--logit-bias", "1=1e999"}, {"--logit-bias: expected ID=BIAS", "found '1=1e999'"}},
        {{"run", "x", "--logit-bias", "1=inf"}, {"logit-bias: expected a finite number or -inf, found inf"}},
        {{"run", "x", "--logit-bias", "99999=1"}, {"logit-bias: expected ids in [0, ", "found 99999"}},
        {{"run", "x", "--stop", ""}, {"stop"}},
        {{"run", "x", "-c", "999999"}, {"context: expected 1 to ", "found 999999"}},
        {{"run", "one two three four five", "-c", "3"}, {"tokens long, but the context of 3 has room for 2"}},
    };
    for (const Case& one : cases) {
        const std::string line = fmt::format("{}", fmt::join(one.arguments, " "));
        CAPTURE(line);
        check_error(run_vitro(one.arguments), one.parts);
    }
    CHECK(std::filesystem::is_empty(out.path()));
}

TEST_CASE("a text of no tokens is an error where one is needed") {
    const TempDir directory;
    write_tiny_text_model(directory.path());
    edit(directory / "tokenizer_config.json", "\"add_bos_token\": true", "\"add_bos_token\": false");
    const std::string model = directory.path().string(), file = (directory / "x").string();
    check_error(run_vitro({"run", "-m", model, ""}), {"the prompt has no tokens: expected at least one"});
    check_error(run_vitro({"next", "-m", model, ""}), {"the prompt has no tokens: expected at least one"});
    check_error(run_vitro({"logits", "-m", model, "-p", "", "-o", file}), {"the text has no tokens"});
    const ProcessResult none = run_vitro({"tokenize", "-m", model, ""});
    check_success(none);
    CHECK(none.out.empty());
}
