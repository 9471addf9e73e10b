// The command line: subcommands with their options, and what a wrong one is told. The parser is CLI11, which
// command.cpp alone includes.
#pragma once

#include "base/error.h"
#include "tools/numbers.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace vitro {

/// A command line that is wrong whatever files and devices hold: the program ends with 2.
class UsageError : public Error {
    using Error::Error;
};

template <class... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
    throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

/// An option that was added.
class Option {
public:
    explicit Option(CLI::Option* option) : option_(option) {}
    const Option& required() const;
    /// Both together are a wrong command line.
    const Option& excludes(Option other) const;
    /// This one without the other is a wrong command line.
    const Option& needs(Option other) const;

private:
    CLI::Option* option_;
};

/// A subcommand, to which options are added. `names` are "-n,--predict" or, of what stands without a flag, "prompt";
/// "-p,--prompt,prompt" is both. `kind` says in the help what a value is: "N", "FILE", "text|json". Variables hold
/// their defaults, and must live until the program ends.
class Command {
public:
    explicit Command(CLI::App& app) : app_(&app) {}

    Option flag(const std::string& names, bool& value, const std::string& help) const;
    Option option(const std::string& names, std::string& value, const std::string& help, const std::string& kind) const;
    /// A path to read, with the kind FILE or DIR.
    Option option(const std::string& names, std::filesystem::path& value, const std::string& help,
                  const std::string& kind) const;
    /// A path to write: "-" is stdout.
    Option output(const std::string& names, std::filesystem::path& value, const std::string& help) const;
    Option number(const std::string& names, int& value, WholeRange range, const std::string& help,
                  const std::string& kind = "N") const;
    Option number(const std::string& names, std::int64_t& value, WholeRange range, const std::string& help,
                  const std::string& kind = "N") const;
    Option number(const std::string& names, std::optional<std::int64_t>& value, WholeRange range,
                  const std::string& help, const std::string& kind = "N") const;
    /// Any number of 64 bits.
    Option number(const std::string& names, std::uint64_t& value, const std::string& help,
                  const std::string& kind = "N") const;
    Option number(const std::string& names, float& value, NumberRange range, const std::string& help,
                  const std::string& kind) const;
    /// One of a few words.
    Option choice(const std::string& names, std::string& value, const std::vector<std::string_view>& words,
                  const std::string& help) const;
    /// Texts apart by commas; may be repeated. Each goes through `take`, whose errors get the option's name.
    Option list(const std::string& names, std::function<void(const std::string&)> take, const std::string& help,
                const std::string& kind) const;
    Option list(const std::string& names, std::vector<std::int32_t>& values, const std::string& help,
                const std::string& kind) const;
    /// Texts as they are, one each time the option is given.
    Option repeated(const std::string& names, std::function<void(const std::string&)> take, const std::string& help,
                    const std::string& kind) const;
    /// Texts as they are, one or more behind the option.
    Option several(const std::string& names, std::function<void(const std::string&)> take, const std::string& help,
                   const std::string& kind) const;
    /// A text that goes through `take`, whose errors get the option's name.
    Option checked(const std::string& names, std::function<void(const std::string&)> take, const std::string& help,
                   const std::string& kind) const;

private:
    enum class Uses { once, often, several };
    Option add(const std::string& names, Uses uses, std::function<void(const std::string&)> take,
               const std::string& help, const std::string& kind) const;

    CLI::App* app_;
};

/// What a subcommand's help says, for shell completion.
struct CommandText {
    struct OptionText {
        std::vector<std::string> flags;  // "-n", "--predict"
        std::string kind;                // empty: takes no value
        std::string help;
        bool is_positional = false;
    };
    std::string name, help;
    std::vector<OptionText> options;
};

/// The whole command line.
class CommandLine {
public:
    explicit CommandLine(const std::string& help);
    ~CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    /// The options before the subcommand.
    Command program() const;
    /// An option before the subcommand that prints something instead of running one.
    void add_text(const std::string& name, const std::string& help, std::function<std::string()> text);
    /// A subcommand. `run` gives the exit code.
    Command add(const std::string& name, const std::string& help, std::function<int()> run);

    /// What is to run: the subcommand, or printing help or another text to stdout. UsageError when the command line is
    /// wrong.
    std::function<int()> parse(int argc, const char* const* argv) const;

    /// All subcommands, the program itself first.
    std::vector<CommandText> texts() const;

private:
    std::unique_ptr<CLI::App> app_;
    std::vector<std::pair<CLI::Option*, std::function<std::string()>>> texts_;
    std::vector<std::pair<CLI::App*, std::function<int()>>> commands_;
};

}  // namespace vitro
