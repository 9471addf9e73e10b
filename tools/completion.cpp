// vitro completion: what a shell needs to complete the command line, made from the options themselves.
#include "ops/op_list.h"
#include "passes/passes.h"
#include "tools/common.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace vitro {
namespace {

/// What can stand in a value.
struct Values {
    std::vector<std::string> words;  // these
    bool files = false, directories = false;
};

/// By the kind that the help calls it: "FILE", "text|json", "PASS,…".
Values values_of(const std::string& command, const std::string& kind) {
    Values values;
    const auto passes = [&] {
        for (const Pass& pass : all_passes()) values.words.emplace_back(pass.name);
    };
    if (kind == "DEVICE") {
        values.words = {"auto", "cpu", "cuda", "cuda-emulated"};
    } else if (kind == "DIR") {
        values.directories = true;
    } else if (kind.starts_with("FILE") || kind.starts_with("LIB") || kind == "GRAPH") {
        values.files = true;
    } else if (kind.starts_with("MODEL")) {  // a directory or a GGUF file
        values.files = true;
    } else if (kind == "NAME" && command == "ops") {
        for (const OpDef* op : all_ops()) values.words.emplace_back(op->name);
    } else if (kind == "PASS,…") {
        passes();
    } else if (kind == "STAGE") {
        values.words = {"build"};
        passes();
        values.words.emplace_back("program");
    }
    for (std::size_t begin = 0; kind.find('|') != std::string::npos && begin <= kind.size();) {
        const std::size_t end = std::min(kind.find('|', begin), kind.size());
        const std::string word = kind.substr(begin, end - begin);
        const bool is_word =
            std::none_of(word.begin(), word.end(), [](unsigned char c) { return std::isupper(c) != 0; });
        if (is_word) values.words.push_back(word);
        values.files |= word == "FILE";
        begin = end + 1;
    }
    return values;
}

/// The first line of a command's help, before the example.
std::string first_line(const std::string& help) { return help.substr(0, help.find('\n')); }

/// The first part of an option's help, on one line.
std::string first_part(std::string help) {
    std::replace(help.begin(), help.end(), '\n', ' ');
    return help.substr(0, help.find(';'));
}

std::string bash_completion(const std::vector<CommandText>& commands) {
    std::string names, cases, flags, positionals;
    for (const CommandText& command : commands) {
        const bool is_program = &command == &commands.front();
        if (!is_program) names += (names.empty() ? "" : " ") + command.name;
        std::vector<std::string> all;
        for (const CommandText::OptionText& option : command.options) {
            all.insert(all.end(), option.flags.begin(), option.flags.end());
            if (option.kind.empty()) continue;
            const Values values = values_of(command.name, option.kind);
            std::string action =
                values.words.empty() ? "" : fmt::format("_vitro_words {}; ", fmt::join(values.words, " "));
            if (values.files) action += "_vitro_files; ";
            if (values.directories) action += "_vitro_directories; ";
            if (option.is_positional && !action.empty())
                positionals += fmt::format("        {}) {}return ;;\n", command.name, action);
            for (const std::string& flag : option.flags)
                cases += fmt::format("        {}/{}) {}return ;;\n", is_program ? "" : command.name, flag, action);
        }
        flags += fmt::format("        {}) _vitro_words {}{} ;;\n", is_program ? "''" : command.name,
                             fmt::join(all, " "), is_program ? " $commands" : "");
    }
    return fmt::format(R"(# bash completion of vitro, as `vitro completion bash` prints it

_vitro_words() {{ local IFS=$' \t\n'; COMPREPLY+=($(compgen -W "$*" -- "$cur")); }}
_vitro_files() {{ local found; compopt -o filenames 2>/dev/null; mapfile -t found < <(compgen -f -- "$cur"); COMPREPLY+=("${{found[@]}}"); }}
_vitro_directories() {{ local found; compopt -o filenames 2>/dev/null; mapfile -t found < <(compgen -d -- "$cur"); COMPREPLY+=("${{found[@]}}"); }}

_vitro() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command='' i
    local commands='{}'
    COMPREPLY=()
    # bash takes --flag=value apart.
    if [ "$cur" = = ]; then cur=''; elif [ "$before" = = ]; then before=${{COMP_WORDS[COMP_CWORD-2]}}; fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
            --plugin) i=$((i + 1)) ;;
            -*) ;;
            *) command=${{COMP_WORDS[i]}}; break ;;
        esac
    done
    case $command/$before in
{}    esac
    case $cur in
        -*) ;;
        *) case $command in
{}        esac ;;
    esac
    case $command in
{}    esac
}}
complete -F _vitro vitro
)",
                       names, cases, positionals, flags);
}

/// A text within single quotes and, in a specification, brackets.
std::string zsh_text(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '\'')
            out += "'\\''";
        else if (c == '[' || c == ']' || c == ':' || c == '\\')
            out += std::string("\\") + c;
        else
            out += c;
    }
    return out;
}

std::string zsh_action(const Values& values) {
    if (values.files) return "_files";
    if (values.directories) return "_files -/";
    return values.words.empty() ? " " : fmt::format("({})", fmt::join(values.words, " "));
}

std::string zsh_arguments(const CommandText& command) {
    std::string out;
    for (const CommandText::OptionText& option : command.options) {
        const std::string value = option.kind.empty() ? ""
                                                      : fmt::format(":{}:{}", zsh_text(option.kind),
                                                                    zsh_action(values_of(command.name, option.kind)));
        for (const std::string& flag : option.flags)
            out += fmt::format(" \\\n        '*{}[{}]{}'", flag, zsh_text(first_part(option.help)), value);
        if (option.is_positional) out += fmt::format(" \\\n        '*{}'", value);
    }
    return out;
}

std::string zsh_completion(const std::vector<CommandText>& commands) {
    std::string names, functions;
    for (std::size_t i = 1; i < commands.size(); ++i) {
        const CommandText& command = commands[i];
        names += fmt::format("\n        '{}:{}'", command.name, zsh_text(first_line(command.help)));
        functions += fmt::format("            {}) _arguments{} ;;\n", command.name, zsh_arguments(command));
    }
    return fmt::format(R"(#compdef vitro
# zsh completion of vitro, as `vitro completion zsh` prints it

_vitro() {{
    local curcontext=$curcontext state line
    local -a commands=({}
    )
    _arguments -C{} \
        '1:command:->command' '*::argument:->arguments'
    case $state in
        command) _describe command commands ;;
        arguments)
            case $line[1] in
{}            esac ;;
    esac
}}
_vitro "$@"
)",
                       names, zsh_arguments(commands.front()), functions);
}

}  // namespace

void add_completion(CommandLine& line) {
    const auto shell = std::make_shared<std::string>();
    const Command command =
        line.add("completion",
                 "print a shell script that completes vitro's command line\nExample: source <(vitro completion bash)",
                 [shell, &line] {
                     write_out(*shell == "bash" ? bash_completion(line.texts()) : zsh_completion(line.texts()));
                     return 0;
                 });
    command.choice("shell", *shell, {"bash", "zsh"}, "the shell").required();
}

}  // namespace vitro
