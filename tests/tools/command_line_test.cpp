// What holds for every subcommand: help, exit codes, one line of error.
#include "tests/paths.h"
#include "tests/runtime/tiny_text_model.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>

using namespace vitro::test;

namespace {
const std::vector<std::string> kCommands = {"run",        "chat",   "show",  "next", "tokenize",
                                            "detokenize", "logits", "graph", "ops",  "perplexity"};
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
        {"perplexity", "-p", "x", "--window", "1"},
        {"perplexity", "-p", "x", "--weights", "q1"},
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

TEST_CASE("a wrong value ends with 2 and one line that names the option, what was expected and what was found") {
    struct Case {
        std::vector<std::string> arguments;
        std::string message;
    };
    const std::string bias = "--logit-bias: expected ", ffn = source_path("tests/tools/ffn.vt").string();
    const std::vector<Case> cases = {
        {{"run", "x", "-n", "-5"}, "--predict: expected a whole number of at least 0, found -5"},
        {{"run", "x", "-n", "abc"}, "--predict: expected a whole number of at least 0, found 'abc'"},
        {{"run", "x", "-n", "1.5"}, "--predict: expected a whole number of at least 0, found 1.5"},
        {{"run", "x", "-n", "3 "}, "--predict: expected a whole number of at least 0, found '3 '"},
        {{"run", "x", "-n", ""}, "--predict: expected a whole number of at least 0, found ''"},
        {{"run", "x", "-n"}, "--predict: expected a value, found nothing"},
        {{"run", "x", "-n", "1", "-n", "2"}, "--predict: expected once, found 2 times"},
        {{"run", "x", "-t", "0"}, "--threads: expected a whole number from 1 to 1024, found 0"},
        {{"run", "x", "-s", "-1"}, "--seed: expected a whole number from 0 to 18446744073709551615, found -1"},
        {{"run", "x", "-c", "2147483648"},
         "--ctx-size: expected a whole number from 1 to 1073741824, found 2147483648"},
        {{"next", "x", "--top", "0"}, "--top: expected a whole number of at least 1, found 0"},
        {{"plan", "--chunk", "99999999999999999999"},
         "--chunk: expected a whole number from 1 to 9223372036854775807, found 99999999999999999999"},
        {{"run", "x", "--temp", ""}, "--temp: expected a number from 0 to 1000, found ''"},
        {{"run", "x", "--temp", "-1"}, "--temp: expected a number from 0 to 1000, found -1"},
        {{"run", "x", "--temp", "nan"}, "--temp: expected a number from 0 to 1000, found 'nan'"},
        {{"run", "x", "--temp", "inf"}, "--temp: expected a number from 0 to 1000, found 'inf'"},
        {{"run", "x", "--temp", "1e999"}, "--temp: expected a number of magnitude at most 3.4028235e+38, found 1e999"},
        {{"run", "x", "--temp", "0,8"}, "--temp: expected a number from 0 to 1000, found '0,8'"},
        {{"run", "x", "--top-k", "-1"}, "--top-k: expected a whole number of at least 0, found -1"},
        {{"run", "x", "--top-p", "2"}, "--top-p: expected a number from 0 to 1, found 2"},
        {{"run", "x", "--min-p", "-1"}, "--min-p: expected a number from 0 to 1, found -1"},
        {{"run", "x", "--repeat-penalty", "0"}, "--repeat-penalty: expected a number above 0, found 0"},
        {{"run", "x", "--logit-bias", "x"}, bias + "ID=BIAS, such as 42=-5, found 'x'"},
        {{"run", "x", "--logit-bias", "1="}, bias + "a number or -inf, found ''"},
        {{"run", "x", "--logit-bias", "1=2x"}, bias + "a number or -inf, found '2x'"},
        {{"run", "x", "--logit-bias", "1=1e999"},
         bias + "a number of magnitude at most 3.4028235e+38 or -inf, found 1e999"},
        {{"run", "x", "--logit-bias", "1=inf"}, bias + "a number or -inf, found 'inf'"},
        {{"run", "x", "--logit-bias", "-1=1"}, bias + "a whole number from 0 to 2147483647, found -1"},
        {{"run", "x", "--stop", ""}, "--stop: expected a text, found ''"},
        {{"run", "--tokens", ""}, "--tokens: expected a whole number from -2147483648 to 2147483647, found ''"},
        {{"run", "--tokens", "1,,2"}, "--tokens: expected a whole number from -2147483648 to 2147483647, found ''"},
        {{"run", "x", "-m", ""}, "--model: expected a path, found ''"},
        {{"graph", "-o", ""}, "--output: expected a path, found ''"},
        {{"run", "--tokens", "1", "--stop", "x"}, "run: expected only one of --tokens and --stop, found both"},
        {{"run", "--tokens", "1", "--chat"}, "run: expected only one of --tokens and --chat, found both"},
        {{"run", "--tokens", "1", "x"}, "run: expected only one of --prompt and --tokens, found both"},
        {{"run", "x", "y"}, "run: expected no further word, found 'y': a text of several words goes in quotes"},
        {{"show", "x"}, "show: expected no further word, found 'x': a model goes behind -m"},
        {{"-m", "x"}, "no option is called '-m' before the command: options of a command go behind it"},
        {{"attend", "x"}, "attend: expected no further word, found 'x': a text goes behind -p"},
        {{"attend"}, "expected a text behind -p, or --tokens, found neither"},
        {{"help"}, "no command is called 'help': did you mean '--help'?"},
        {{"opt"}, "opt: expected GRAPH, found nothing"},
        {{"opt", "g.vt", "--symbol", "T"}, "--symbol: expected a capital letter and a size, such as T=4, found 'T'"},
        {{"opt", "g.vt", "--symbol", "T=0"}, "--symbol: expected a whole number of at least 1, found 0"},
        {{"opt", "g.vt", "--symbol", "T=9223372036854775808"},
         "--symbol: expected a whole number from 1 to 9223372036854775807, found 9223372036854775808"},
        {{"opt", ffn, "--symbol", "T=17"}, "--symbol: T: expected a size from 1 to 16, found 17"},
        {{"opt", ffn, "--symbol", "Q=2"},
         "--symbol: expected T, found Q: graph \"a gated feed-forward layer\" has no such symbol"},
        {{"bench", "--decode", "1"}, "--decode: expected BATCH:CONTEXT, such as 1:1000, found '1'"},
        {{"bench", "--decode", "1:-2"}, "--decode: expected a whole number from 0 to 1073741824, found -2"},
        {{"bench", "--prefill", "8,x"}, "--prefill: expected a whole number from 1 to 1073741824, found 'x'"},
        {{"runn"}, "no command is called 'runn': did you mean 'run'?"},
        {{"sing"}, "no command is called 'sing': vitro --help lists those there are"},
        {{"run", "x", "--predct", "3"}, "run: no option is called '--predct': did you mean '--predict'?"},
        {{"run", "x", "--temperature", "0.5"}, "run: no option is called '--temperature': did you mean '--temp'?"},
        {{"run", "x", "-temp", "0.5"}, "run: no option is called '-temp': did you mean '--temp'?"},
        {{"run", "x", "-ngl", "99"}, "run: no option is called '-ngl': did you mean '--device'?"},
        {{"tokenize", "x", "--max-tokens", "1"},
         "tokenize: no option is called '--max-tokens': vitro tokenize --help lists those there are"},
        {{"run", "--frobnicate"}, "run: no option is called '--frobnicate': vitro run --help lists those there are"},
        {{"run", "-x marks the spot"},
         "run: no option is called '-x marks the spot': a text that begins with a dash goes behind --"},
        {{"graph", "--format", "txt"},
         "--format: expected text, html, json, dot, svg, model-explorer, model-explorer-cost, found 'txt': did you "
         "mean "
         "'text'?"},
        {{"ops", "sofmax"}, "no op is called 'sofmax': did you mean 'softmax'?"},
        {{"ops", "tango"}, "no op is called 'tango': vitro ops lists those there are"},
    };
    for (const Case& one : cases) {
        const std::string line = fmt::format("{}", fmt::join(one.arguments, " "));
        CAPTURE(line);
        const ProcessResult result = run_vitro(one.arguments);
        CHECK(result.exit_code == 2);
        CHECK(result.out.empty());
        CHECK(result.err == "error: " + one.message + "\n");
    }
}

TEST_CASE("a text comes from the command line, a file or a pipe, and is the same text") {
    const TempDir out;
    const std::string file = (out / "prompt.txt").string();
    for (const std::string text : {"The capital of France is", "two\nlines", "-n 5", "[INST] x [/INST]", "a,b"}) {
        CAPTURE(text);
        write_bytes(file, text + "\n");
        const std::string expected = out_of({"tokenize", "--", text});
        CHECK(out_of({"tokenize", "-p", text}) == expected);
        CHECK(out_of({"tokenize", "--prompt=" + text}) == expected);
        CHECK(out_of({"tokenize", "-f", file}) == expected);
        for (const std::string& piped : {text, text + "\n", text + "\r\n"}) {
            CHECK(run_vitro({"tokenize"}, {.input = piped}).out == expected);
            CHECK(run_vitro({"tokenize", "-"}, {.input = piped}).out == expected);
        }
    }
    const std::string france = "The capital of France is";
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"run", "-n", "2"}, {"run", "-n", "2", "--chat"}, {"next"}}) {
        std::vector<std::string> with_text = command;
        with_text.push_back(france);
        CHECK(run_vitro(command, {.input = france + "\n"}).out == out_of(with_text));
    }
    const std::string logits = (out / "logits").string(), piped = (out / "piped").string();
    check_success(run_vitro({"logits", "-p", "Hello", "-o", logits}));
    check_success(run_vitro({"logits", "-o", piped}, {.input = "Hello\n"}));
    CHECK(read_bytes(logits) == read_bytes(piped));
    // Two newlines at the end: one of them is the text's.
    CHECK(run_vitro({"tokenize"}, {.input = "a\n\n"}).out == out_of({"tokenize", "a\n"}));
    check_error(run_vitro({"run", "-f", (out / "none").string()}), {"none: cannot be read"});
    CHECK(run_vitro({"run", "-f", file, "x"}).exit_code == 2);
    CHECK(run_vitro({"run"}).err == "error: expected a text, found none: stdin is empty\n");
}

TEST_CASE("no new tokens are asked for: nothing is computed, and nothing is told of it") {
    const ProcessResult result = run_vitro({"run", "x", "-n", "0"});
    check_success(result);
    CHECK(result.out == "\n");
    CHECK(result.err.empty());
}

TEST_CASE("vitro alone says how it is called") {
    const ProcessResult result = run_vitro({});
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(result.err == out_of({"--help"}));
}

TEST_CASE("an error ends with 1 and one line that names file or flag, what was expected, what was found") {
    const TempDir out;
    const std::string file = (out / "logits.safetensors").string();
    struct Case {
        std::vector<std::string> arguments;
        std::vector<std::string> parts;
    };
    const std::vector<Case> cases = {
        {{"run", "x", "-m", "no/such/model"}, {"no/such/model: expected a model's directory, found nothing"}},
        {{"show", "-m", "/"}, {"config.json", "cannot be read"}},
        {{"chat", "-m", "no/such/model"}, {"no/such/model"}},
        {{"tokenize", "x", "-m", "no/such/model"}, {"no/such/model"}},
        {{"detokenize", "1", "-m", "no/such/model"}, {"no/such/model"}},
        {{"graph", "-m", "no/such/model"}, {"no/such/model"}},
        {{"next", "x", "-m", "no/such/model"}, {"no/such/model"}},
        {{"detokenize", "99999"}, {"99999"}},
        {{"tokenize", "--check", source_path("README.md").string()},
         {"README.md line 1: expected a JSON object", "--against"}},
        {{"logits", "--tokens", "99999,-1", "-o", file}, {"token id 99999: expected an id in [0, "}},
        {{"logits", "--tokens", "1,-1", "-o", file}, {"token id -1: expected an id in [0, "}},
        {{"logits", "--tokens", "1", "-o", (out / "no/such/folder/x").string()}, {"no/such/folder/x"}},
        {{"logits", "--tokens", "1", "-o", out.path().string()}, {out.path().filename().string()}},
        {{"run", "x", "--logit-bias", "99999=1"}, {"logit-bias: expected ids in [0, ", "found 99999"}},
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
