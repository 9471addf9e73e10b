// README.md and CONTRIBUTING.md say what is true: commands run, files and names exist.
#include "backends/emulation/options.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitro::test {
namespace {

namespace fs = std::filesystem;

fs::path root() { return source_path(); }
std::string document(std::string_view name) { return read_bytes(root() / name); }

/// The lines outside of fenced blocks, and the insides of those.
struct Parts {
    std::string prose, blocks;
};
Parts parts_of(const std::string& text) {
    Parts parts;
    bool fenced = false;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("```")) {
            fenced = !fenced;
            const std::size_t file = line.find("file=");
            line = file == std::string::npos ? "" : line.substr(file + 5);  // the recipe makes this one
        }
        (fenced ? parts.blocks : parts.prose) += line + "\n";
    }
    return parts;
}

/// What stands between single backticks.
std::vector<std::string> spans(const std::string& prose) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while ((at = prose.find('`', at)) != std::string::npos) {
        const std::size_t end = prose.find('`', at + 1);
        if (end == std::string::npos) break;
        std::string span = prose.substr(at + 1, end - at - 1);
        std::replace(span.begin(), span.end(), '\n', ' ');
        if (!span.empty() && !span.starts_with("`")) out.push_back(span);
        at = end + 1;
    }
    return out;
}

/// A command line's words; double quotes keep words together.
std::vector<std::string> words_of(std::string_view command) {
    std::vector<std::string> words;
    bool quoted = false, inside = false;
    for (const char c : command) {
        if (c == '"') {
            quoted = !quoted;
            if (!inside) words.emplace_back();
            inside = true;
        } else if (c == ' ' && !quoted) {
            inside = false;
        } else {
            if (!inside) words.emplace_back();
            inside = true;
            words.back() += c;
        }
    }
    return words;
}

std::vector<std::string> identifiers(std::string_view text) {
    std::vector<std::string> out;
    std::string word;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') {
            word += c;
        } else if (!word.empty()) {
            out.push_back(std::exchange(word, {}));
        }
    }
    if (!word.empty()) out.push_back(word);
    return out;
}

/// Every identifier of the sources.
std::set<std::string> words_of_the_tree() {
    std::set<std::string> words;
    const auto read = [&](const fs::path& path) {
        for (std::string& word : identifiers(read_bytes(path))) words.insert(std::move(word));
    };
    const std::set<std::string> sources = {".h", ".cpp", ".cu", ".py", ".cmake"};
    for (const char* room :
         {"base", "backends", "graph", "ops", "passes", "models", "frontend", "tools", "bench", "tests", "cmake"})
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root() / room))
            if (sources.contains(entry.path().extension().string()) && entry.path().stem() != "documents_test")
                read(entry.path());
    for (const char* file : {"dev", "CMakeLists.txt", "tests/CMakeLists.txt", "CMakePresets.json"}) read(root() / file);
    return words;
}

bool is_path(std::string_view word) { return word.find('/') != std::string_view::npos; }

/// What a document names in backticks and the project does not have.
std::vector<std::string> missing(const std::string& text, const std::set<std::string>& known) {
    const Parts parts = parts_of(text);
    const std::vector<std::string> in_blocks = identifiers(parts.blocks);
    const std::set<std::string> own(in_blocks.begin(), in_blocks.end());
    std::vector<std::string> out;
    for (const std::string& span : spans(parts.prose)) {
        for (const std::string& word : words_of(span)) {
            if (is_path(word)) {
                const bool made = word.starts_with("build/") || parts.blocks.find(word) != std::string::npos;
                if (!made && !fs::exists(root() / word)) out.push_back(word);
                continue;
            }
            for (const std::string& name : identifiers(word)) {
                const bool is_number = std::isdigit(static_cast<unsigned char>(name.front())) != 0;
                if (!is_number && !known.contains(name) && !own.contains(name)) out.push_back(name);
            }
        }
    }
    return out;
}

/// The commands in the tables of a document, in order.
std::vector<std::string> commands_of(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("|"))
            for (const std::string& span : spans(line))
                if (span.starts_with("./dev ")) out.push_back(span);
    return out;
}

/// Makes the project's root the working directory, as ./dev does.
class AtRoot {
public:
    AtRoot() : before_(fs::current_path()) { fs::current_path(root()); }
    AtRoot(const AtRoot&) = delete;
    AtRoot& operator=(const AtRoot&) = delete;
    ~AtRoot() { fs::current_path(before_); }

private:
    fs::path before_;
};

TEST_CASE("every command in the README's table runs") {
    const AtRoot at_root;
    const TempDir out;
    const std::vector<std::string> commands = commands_of(document("README.md"));
    CHECK(commands.size() > 10);
    std::set<std::string> subcommands;
    for (const std::string& command : commands) {
        CAPTURE(command);
        std::vector<std::string> words = words_of(command);
        words.erase(words.begin());                           // ./dev
        if (words[0] == "vitro") words.erase(words.begin());  // ./dev run is ./dev vitro run
        subcommands.insert(words[0]);
        const bool counts = std::find(words.begin(), words.end(), "--cuda-report") != words.end();
        if (counts && !emulation::accesses_are_checked()) {
            MESSAGE("skipped: kernels have no access hooks in sanitizer builds: " << command);
            continue;
        }
        for (std::size_t i = 0; i + 1 < words.size(); ++i)
            if (words[i] == "-o") words[i + 1] = (out / "output").string();
        const ProcessResult result = run_vitro(words);  // stdin is empty: chat ends at once
        CAPTURE(result.err);
        CHECK(result.exit_code == 0);
        const bool writes = std::find(words.begin(), words.end(), "-o") != words.end();
        CHECK(result.out.empty() == (writes || words[0] == "chat"));
        if (writes) CHECK(fs::file_size(out / "output") > 0);
    }
    CHECK(subcommands == std::set<std::string>{"attend",     "bench",   "chat",       "classify", "compare", "profile",
                                               "completion", "convert", "detokenize", "devices",  "embed",   "exec",
                                               "graph",      "logits",  "mask",       "next",     "ops",     "opt",
                                               "perplexity", "plan",    "run",        "show",     "tap",     "tokenize",
                                               "trace",      "why"});
}

TEST_CASE("files and names in backticks exist") {
    const std::set<std::string> known = words_of_the_tree();
    CHECK(known.size() > 1000);
    for (const char* name : {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}) {
        CAPTURE(name);
        for (const std::string& what : missing(document(name), known)) FAIL_CHECK(what << " does not exist");
    }
}

TEST_CASE("these checks can fail") {
    const std::set<std::string> known = {"Builder", "rms_norm", "dev", "run"};
    using Names = std::vector<std::string>;
    CHECK(missing("`Builder`, `rms_norm(b)`; `base/error.h`", known) == Names{"b"});
    CHECK(missing("`Bilder` in `base/eror.h` and `./dev run`", known) == Names{"Bilder", "base/eror.h"});
    CHECK(missing("`cap` `ops/a/a.h`\n```cpp file=ops/a/a.h\nfloat cap;\n```\n", known).empty());
    CHECK(missing("```cpp\n`Bilder`\n```\n`Bilder`", known) == Names{});
    CHECK(missing("```cpp\nother\n```\n`Bilder`", known) == Names{"Bilder"});
    CHECK(commands_of("| a | `./dev run \"x y\"`, `./dev test` |\n`./dev gone`\n") ==
          Names{"./dev run \"x y\"", "./dev test"});
    CHECK(words_of("./dev run \"x y\"  -n 4 \"\"") == Names{"./dev", "run", "x y", "-n", "4", ""});
}

}  // namespace
}  // namespace vitro::test
