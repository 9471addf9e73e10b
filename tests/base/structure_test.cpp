// The house plan holds: which room includes which, no circles, no long files, a folder and a row for every op.
#include "tests/paths.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

/// Path from the project's root to text.
using Sources = std::map<std::string, std::string>;
using Complaints = std::vector<std::string>;

constexpr std::string_view kRooms[] = {"tools", "runtime", "frontend", "models", "passes",
                                       "ops",   "graph",   "backends", "base"};
constexpr std::size_t kLongestFile = 500;

/// The room's place from the left, or -1 for what is no room.
int rank(std::string_view path) {
    const std::string_view room = path.substr(0, path.find('/'));
    const auto at = std::find(std::begin(kRooms), std::end(kRooms), room);
    return at == std::end(kRooms) ? -1 : static_cast<int>(at - std::begin(kRooms));
}

/// The files of the project that `text` includes, as it spells them.
std::vector<std::string> includes(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const std::size_t hash = line.find_first_not_of(" \t");
        if (hash == std::string::npos || line[hash] != '#') continue;
        const std::size_t word = line.find_first_not_of(" \t", hash + 1);
        if (word == std::string::npos || line.compare(word, 7, "include") != 0) continue;
        const std::size_t begin = line.find('"', word + 7);
        if (begin == std::string::npos) continue;
        out.push_back(line.substr(begin + 1, line.find('"', begin + 1) - begin - 1));
    }
    return out;
}

Complaints arrow_complaints(const Sources& sources) {
    Complaints out;
    for (const auto& [path, text] : sources) {
        if (rank(path) < 0) continue;
        for (const std::string& included : includes(text)) {
            const auto refuse = [&](std::string_view why) {
                out.push_back(fmt::format("{} includes {}: {}", path, included, why));
            };
            if (rank(included) < 0)
                refuse("expected a path from the project's root, of a room");
            else if (rank(included) < rank(path))
                refuse("expected only rooms further down");
            else if (path.starts_with("graph/") && included.starts_with("backends/") &&
                     included != "backends/backend.h")
                refuse("graph knows of backends only backends/backend.h");
            else if (!sources.contains(included))
                refuse("no such file");
        }
    }
    return out;
}

/// Circles of includes, as "a -> b -> a".
Complaints circle_complaints(const Sources& sources) {
    Complaints out;
    std::map<std::string, int> state;  // 1: on the way, 2: done
    std::vector<std::string> way;
    const auto visit = [&](const auto& self, const std::string& path) -> void {
        if (state[path] == 2) return;
        way.push_back(path);
        if (state[path] == 1) {
            const auto begin = std::find(way.begin(), way.end(), path);
            out.push_back(fmt::format("{}", fmt::join(begin, way.end(), " -> ")));
        } else {
            state[path] = 1;
            for (const std::string& next : includes(sources.at(path)))
                if (sources.contains(next)) self(self, next);
            state[path] = 2;
        }
        way.pop_back();
    };
    for (const auto& [path, text] : sources) visit(visit, path);
    return out;
}

/// Circles between the folders of ops, as "ops/a -> ops/b -> ops/a".
Complaints folder_complaints(const Sources& sources) {
    const auto folder_of = [](const std::string& path) { return path.substr(0, path.rfind('/')); };
    Sources folders;  // what a folder includes, as if it were one file
    for (const auto& [path, text] : sources) {
        if (!path.starts_with("ops/") || folder_of(path) == "ops") continue;
        std::string& all = folders[folder_of(path)];
        for (const std::string& next : includes(text))
            if (next.starts_with("ops/") && folder_of(next) != "ops" && folder_of(next) != folder_of(path))
                all += fmt::format("#include \"{}\"\n", folder_of(next));
    }
    return circle_complaints(folders);
}

Complaints length_complaints(const Sources& sources) {
    Complaints out;
    for (const auto& [path, text] : sources) {
        const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
        if (lines > kLongestFile)
            out.push_back(fmt::format("{} has {} lines: expected at most {}", path, lines, kLongestFile));
    }
    return out;
}

/// "rms_norm" to "RmsNorm".
std::string camel_case(std::string_view name) {
    std::string out;
    bool starts = true;
    for (const char c : name) {
        if (c != '_') out += starts && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        starts = c == '_';
    }
    return out;
}

/// Each folder of ops/ defines the op of its name, and has its row in the list; each row has its folder, but for copy,
/// which belongs to the graph room.
Complaints op_complaints(const Sources& sources) {
    Complaints out;
    const std::string& list = sources.at("ops/op_list.def");
    std::set<std::string> folders, rows;
    for (const auto& [path, text] : sources) {
        const std::size_t slash = path.rfind('/');
        if (!path.starts_with("ops/") || slash == 3) continue;
        const std::string folder = path.substr(4, slash - 4);
        if (folder != "common" && folder != "check") folders.insert(folder);
    }
    std::istringstream lines(list);
    for (std::string line; std::getline(lines, line);) {
        constexpr std::string_view kRow = "VITRO_OP(";
        if (line.starts_with(kRow)) rows.insert(line.substr(kRow.size(), line.find(',') - kRow.size()));
    }
    for (const std::string& folder : folders) {
        const std::string stem = "ops/" + folder + "/" + folder;
        const auto definition = sources.find(stem + ".cpp");
        if (definition == sources.end() || !sources.contains(stem + ".h")) {
            out.push_back(fmt::format("ops/{}: expected {}.h and {}.cpp", folder, folder, folder));
        } else if (definition->second.find(fmt::format(".name = \"{}\"", folder)) == std::string::npos) {
            out.push_back(fmt::format("{}.cpp: expected the definition of op {}", stem, folder));
        }
        if (rows.erase(camel_case(folder)) == 0)
            out.push_back(fmt::format("ops/op_list.def: expected a row of {}", camel_case(folder)));
    }
    rows.erase("Copy");  // a room further down has it
    for (const std::string& row : rows) out.push_back(fmt::format("ops/op_list.def: {} has no folder", row));
    return out;
}

/// Arithmetic on sizes that nobody has bounded yet. A verified graph's sizes, and sums of them, are bounded
/// (graph/verify.h); what stands before it (files, configurations, flags) goes through base/checked.h, bytes_of of a
/// TensorType, or is bounded where it is multiplied: by runtime/model_options.cpp for the models' symbols.
Complaints size_complaints(const Sources& sources) {
    static const std::regex kUncheckedBytes(R"(\bbytes_of\(\s*([\w.\->()]*\.)?(dtype\b|DType::))"),
        kProduct(R"(\b(max_sequences|pages_per_sequence\(\)|page_size|context|cache_tokens)\s*\*\s*[\w(])");
    constexpr std::string_view kBounded[] = {"models/decoder.cpp", "models/model.h", "runtime/model_options.cpp"};
    Complaints out;
    for (const auto& [path, text] : sources) {
        const std::string room = path.substr(0, path.find('/'));
        if (room == "ops" || room == "backends" || room == "base" || rank(path) < 0) continue;  // kernels' sizes
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            const std::string code = line.substr(0, line.find("//"));
            if (std::regex_search(code, kUncheckedBytes))
                out.push_back(fmt::format("{}: bytes_of of a type, which checks, is wanted in: {}", path, code));
            const bool is_bounded = std::find(std::begin(kBounded), std::end(kBounded), path) != std::end(kBounded);
            if (!is_bounded && std::regex_search(code, kProduct))
                out.push_back(fmt::format("{}: a product of sizes that nobody has bounded: {}", path, code));
        }
    }
    return out;
}

/// JSON that is written, but by base/json_text.h, which takes texts that are no UTF-8.
Complaints json_complaints(const Sources& sources) {
    Complaints out;
    for (const auto& [path, text] : sources)
        if (rank(path) >= 0 && path != "base/json_text.h" && text.find(".dump(") != std::string::npos)
            out.push_back(fmt::format("{} calls dump: expected json_text of base/json_text.h", path));
    return out;
}

Sources read_project() {
    namespace fs = std::filesystem;
    const fs::path root = vitro::test::source_path();
    Sources sources;
    std::vector<std::string> folders(std::begin(kRooms), std::end(kRooms));
    folders.insert(folders.end(), {"tests", "bench"});
    for (const std::string& folder : folders) {
        if (!fs::exists(root / folder)) continue;
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
            const std::string extension = entry.path().extension().string();
            if (extension != ".cpp" && extension != ".h" && extension != ".cu" && extension != ".cuh" &&
                extension != ".def" && extension != ".py")
                continue;
            std::ifstream in(entry.path(), std::ios::binary);
            sources[entry.path().lexically_relative(root).generic_string()] = {std::istreambuf_iterator<char>(in), {}};
        }
    }
    return sources;
}

/// Types of one name in one namespace, in two headers: which of them a program gets would be chance.
Complaints name_complaints(const Sources& sources) {
    static const std::regex space("namespace ([\\w:]+) \\{"),
        type("(?:class|struct) (\\w+)(?: final)?(?: : .*)? \\{.*");
    std::map<std::string, std::string> homes;  // of "vitro::Graph"
    Complaints out;
    for (const auto& [path, text] : sources) {
        if (!path.ends_with(".h")) continue;
        std::istringstream lines(text);
        std::string line, inside;
        for (std::smatch match; std::getline(lines, line);) {
            if (std::regex_match(line, match, space)) inside = match[1];
            if (!std::regex_match(line, match, type)) continue;
            const std::string name = fmt::format("{}::{}", inside, match[1].str());
            const auto [home, is_new] = homes.emplace(name, path);
            if (!is_new && home->second != path)
                out.push_back(fmt::format("{} is in {} and {}", name, home->second, path));
        }
    }
    return out;
}

Sources code_of(const Sources& sources) {
    Sources out;
    for (const auto& [path, text] : sources)
        if (!path.ends_with(".py")) out.emplace(path, text);
    return out;
}

void check_none(const Complaints& complaints) {
    for (const std::string& complaint : complaints) FAIL_CHECK(complaint);
    CHECK(complaints.empty());
}

}  // namespace

TEST_CASE("rooms include only rooms further down") {
    const Sources sources = read_project();
    CHECK(sources.size() > 100);
    check_none(arrow_complaints(code_of(sources)));
}

TEST_CASE("no file includes itself, not by any way") { check_none(circle_complaints(code_of(read_project()))); }

TEST_CASE("no folder of ops includes from itself by way of another") {
    check_none(folder_complaints(code_of(read_project())));
}

TEST_CASE("no two headers have types of one name") { check_none(name_complaints(code_of(read_project()))); }

TEST_CASE("no file is over 500 lines") { check_none(length_complaints(read_project())); }

TEST_CASE("sizes that are not bounded yet are not multiplied unchecked") {
    check_none(size_complaints(code_of(read_project())));
}

TEST_CASE("JSON is written in one way") { check_none(json_complaints(code_of(read_project()))); }

TEST_CASE("every op has its folder and its row") { check_none(op_complaints(read_project())); }

TEST_CASE("each of these checks can fail") {
    CHECK(arrow_complaints({{"graph/a.h", "#include \"base/b.h\"\n#include <vector>\n"}, {"base/b.h", ""}}).empty());
    CHECK(arrow_complaints({{"graph/a.h", "#include \"ops/b.h\"\n"}, {"ops/b.h", ""}}) ==
          Complaints{"graph/a.h includes ops/b.h: expected only rooms further down"});
    CHECK(arrow_complaints({{"graph/a.h", "#  include \"backends/cpu/b.h\"\n"}, {"backends/cpu/b.h", ""}}) ==
          Complaints{"graph/a.h includes backends/cpu/b.h: graph knows of backends only backends/backend.h"});
    CHECK(arrow_complaints({{"ops/a/a.h", "#include \"backends/cpu/b.h\"\n"}, {"backends/cpu/b.h", ""}}).empty());
    CHECK(arrow_complaints({{"ops/a.h", "#include \"a.h\"\n"}}).size() == 1);
    CHECK(arrow_complaints({{"ops/a.h", "#include \"base/gone.h\"\n"}}).size() == 1);

    CHECK(circle_complaints({{"base/a.h", "#include \"base/b.h\"\n"}, {"base/b.h", ""}}).empty());
    CHECK(circle_complaints({{"base/a.h", "#include \"base/b.h\"\n"}, {"base/b.h", "#include \"base/a.h\"\n"}}) ==
          Complaints{"base/a.h -> base/b.h -> base/a.h"});

    const std::string reads_b = "#include \"ops/b/b.h\"\n", reads_a = "#include \"ops/a/other.h\"\n";
    CHECK(folder_complaints({{"ops/a/a.h", reads_b}, {"ops/a/other.h", ""}, {"ops/b/b.h", ""}}).empty());
    CHECK(folder_complaints({{"ops/a/a.h", reads_b}, {"ops/a/other.h", ""}, {"ops/b/b.h", reads_a}}) ==
          Complaints{"ops/a -> ops/b -> ops/a"});

    CHECK(size_complaints({{"graph/a.cpp", "n = bytes_of(value.type, symbols);"},
                           {"ops/a.cpp", "n = bytes_of(x.dtype, m * k);"},
                           {"runtime/a.cpp", "// context * max_sequences"}})
              .empty());
    CHECK(size_complaints({{"graph/a.cpp", "n = bytes_of(value.type.dtype, m * k);"}}).size() == 1);
    CHECK(size_complaints({{"tools/a.cpp", "n = bytes_of(DType::f32, m);"}}).size() == 1);
    CHECK(size_complaints({{"runtime/a.cpp", "n = options.context * options.max_sequences;"}}).size() == 1);

    CHECK(json_complaints({{"base/json_text.h", "json.dump(1)"}, {"tests/a.cpp", "json.dump()"}}).empty());
    CHECK(json_complaints({{"tools/a.cpp", "print(json.dump());"}}).size() == 1);

    CHECK(length_complaints({{"a.h", std::string(500, '\n')}}).empty());
    CHECK(length_complaints({{"a.h", std::string(501, '\n')}}).size() == 1);

    const std::string row = "VITRO_OP(RmsNorm, CPU, NONE)\n", definition = ".name = \"rms_norm\"";
    const Sources sound = {{"ops/op_list.def", row},
                           {"ops/rms_norm/rms_norm.h", ""},
                           {"ops/rms_norm/rms_norm.cpp", definition},
                           {"ops/common/axis.h", ""}};
    CHECK(op_complaints(sound).empty());
    const auto complains = [&](const std::string& path, const std::string& text) {
        Sources changed = sound;
        changed[path] = text;
        return op_complaints(changed).size();
    };
    CHECK(complains("ops/op_list.def", "") == 1);
    CHECK(complains("ops/op_list.def", row + "VITRO_OP(Silu, NONE, NONE)\n") == 1);
    CHECK(complains("ops/rms_norm/rms_norm.cpp", "") == 1);
    CHECK(complains("ops/silu/silu.h", "") == 2);

    const auto header = [](const std::string& space) { return "namespace " + space + " {\nstruct A : B {\n};\n"; };
    CHECK(name_complaints({{"base/a.h", header("vitro")}, {"ops/b.h", header("vitro::other")}}).empty());
    CHECK(name_complaints({{"base/a.h", header("vitro")}, {"ops/b.h", header("vitro")}}) ==
          Complaints{"vitro::A is in base/a.h and ops/b.h"});
}
