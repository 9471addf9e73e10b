#include "tools/command.h"

#include "base/nearest.h"
#include "tools/output.h"

#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <set>

namespace vitro {
namespace {

constexpr std::size_t kHelpWidth = 70;  // behind the 30 columns that the names of the options take

/// What an error calls an option: --predict, else -n, else, of what stands without a flag, its kind.
std::string label_of(const CLI::Option& option) {
    if (!option.get_lnames().empty()) return "--" + option.get_lnames()[0];
    if (!option.get_snames().empty()) return "-" + option.get_snames()[0];
    return option.get_type_name();
}

/// The same of the names that an option is added with.
std::string label_of(std::string_view names, std::string_view kind) {
    std::string_view best;
    while (!names.empty()) {
        const std::string_view name = names.substr(0, names.find(','));
        names.remove_prefix(std::min(names.size(), name.size() + 1));
        if (name.starts_with("--") && !best.starts_with("--")) best = name;
        if (name.starts_with('-') && best.empty()) best = name;
    }
    return std::string(best.empty() ? kind : best);
}

/// The names of options, in order.
std::string labels_of(const std::set<CLI::Option*>& options) {
    std::vector<std::string> labels;
    for (const CLI::Option* option : options) labels.push_back(label_of(*option));
    std::sort(labels.begin(), labels.end());
    return fmt::format("{}", fmt::join(labels, ", "));
}

/// Help in whole words, where CLI11 would put what options need and exclude between their names and kinds.
class HelpFormatter : public CLI::Formatter {
    std::string make_option_opts(const CLI::Option* option) const override {
        return option->get_items_expected_max() > 0 ? " " + option->get_type_name() : "";
    }
    std::string make_option_desc(const CLI::Option* option) const override {
        std::string help = option->get_description();
        if (option->get_required()) help += "; required";
        if (!option->get_needs().empty()) help += "; with " + labels_of(option->get_needs());
        if (!option->get_excludes().empty()) help += "; not with " + labels_of(option->get_excludes());
        return wrapped(help, kHelpWidth, 0);
    }
};

/// Why the options of a command that were given do not go together; nothing when they do.
void check_rules(const CLI::App& command) {
    for (const CLI::Option* option : command.get_options()) {
        if (option->get_required() && option->count() == 0)
            fail_usage("{}: expected {}, found nothing", command.get_name(), label_of(*option));
        for (const CLI::Option* other : option->get_needs())
            if (option->count() > 0 && other->count() == 0)
                fail_usage("{}: expected {} with {}, found nothing", command.get_name(), label_of(*other),
                           label_of(*option));
        for (const CLI::Option* other : option->get_excludes())
            if (option->count() > 0 && other->count() > 0)
                fail_usage("{}: expected only one of {} and {}, found both", command.get_name(), label_of(*option),
                           label_of(*other));
    }
}

/// The names of an app's options, with their dashes.
std::vector<std::string> flags_of(const CLI::App& app) {
    std::vector<std::string> out;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_snames()) out.push_back("-" + name);
        for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
    }
    return out;
}

/// What other programs call an option that a command has by another name; empty if it has none such.
std::string_view name_here(const CLI::App& command, std::string_view flag) {
    constexpr std::pair<std::string_view, std::string_view> kNames[] = {
        {"--temperature", "--temp"},
        {"--max-tokens", "--predict"},
        {"--max-new-tokens", "--predict"},
        {"--max_new_tokens", "--predict"},
        {"--num-predict", "--predict"},
        {"--repetition-penalty", "--repeat-penalty"},
        {"--gpu-layers", "--device"},
        {"--n-gpu-layers", "--device"},
        {"-ngl", "--device"},
        {"--context-length", "--ctx-size"},
        {"--num-ctx", "--ctx-size"},
        {"--max-model-len", "--ctx-size"},
        {"--cache-type-k", "--kv-type"},
        {"-ctk", "--kv-type"},
        {"--kv-cache-dtype", "--kv-type"},
        {"--quantization", "--weights"},
        {"--quantize", "--weights"},
        {"--dtype", "--activations"},
        {"--prompt-file", "--file"},
        {"--conversation", "--chat"},
        {"-cnv", "--chat"},
    };
    for (const auto& [there, here] : kNames)
        if (there == flag && command.get_option_no_throw(std::string(here)) != nullptr) return here;
    return {};
}

/// One dash before a name of several letters would be read as -t with the value "emp".
void refuse_single_dashes(const CLI::App& program, int argc, const char* const* argv) {
    const CLI::App* command = nullptr;
    for (const CLI::App* each : program.get_subcommands([](const CLI::App*) { return true; }))
        if (argc > 1 && each->get_name() == argv[1]) command = each;
    for (int i = 2; command != nullptr && i < argc && std::string_view(argv[i]) != "--"; ++i) {
        const std::string word = argv[i];
        if (word.size() < 3 || word[0] != '-' || word[1] == '-' || argv[i - 1][0] == '-') continue;
        const bool has_it = command->get_option_no_throw("-" + word) != nullptr;
        const std::string name = has_it ? "-" + word : std::string(name_here(*command, word));
        if (!name.empty()) fail_usage("{}: no option is called '{}': did you mean '{}'?", argv[1], word, name);
    }
}

[[noreturn]] void fail_unknown(const CLI::App& program, const CLI::App& command, const std::string& word) {
    const bool is_program = &program == &command;
    const std::string where = is_program ? "" : command.get_name() + ": ";
    std::vector<std::string> names;
    if (word.size() > 1 && word[0] == '-') {
        const std::string flag = word.substr(0, word.find('='));
        names = flags_of(command);
        const std::vector<std::string_view> known(names.begin(), names.end());
        // Any letter is as near as any other.
        std::string hint = flag.size() > 2 ? did_you_mean(flag, known) : "";
        if (const std::string_view here = name_here(command, flag); !here.empty())
            hint = fmt::format(": did you mean '{}'?", here);
        const auto has_it = [&](const CLI::App* each) { return each->get_option_no_throw(flag) != nullptr; };
        const std::vector<const CLI::App*> commands = program.get_subcommands([](const CLI::App*) { return true; });
        const bool is_of_commands =
            has_it(&command) || (is_program && std::any_of(commands.begin(), commands.end(), has_it));
        fail_usage("{}no option is called '{}'{}", where, flag,
                   is_of_commands                        ? " before the command: options of a command go behind it"
                   : !hint.empty()                       ? hint
                   : word.find(' ') != std::string::npos ? ": a text that begins with a dash goes behind --"
                   : is_program                          ? ": vitro --help lists those there are"
                                : fmt::format(": vitro {} --help lists those there are", command.get_name()));
    }
    if (!is_program) {
        const CLI::Option* prompt = command.get_option_no_throw("--prompt");
        const CLI::Option* words = command.get_option_no_throw("prompt");  // without a flag
        const CLI::Option* model = command.get_option_no_throw("--model");
        fail_usage("{}expected no further word, found '{}'{}", where, word,
                   words != nullptr && words->count() > 0      ? ": a text of several words goes in quotes"
                   : prompt != nullptr && prompt->count() == 0 ? ": a text goes behind -p"
                   : model != nullptr && model->count() == 0   ? ": a model goes behind -m"
                                                               : "");
    }
    if (word == "help" || word == "version") fail_usage("no command is called '{}': did you mean '--{}'?", word, word);
    for (const CLI::App* each : program.get_subcommands({})) names.push_back(each->get_name());
    const std::vector<std::string_view> known(names.begin(), names.end());
    const std::string hint = did_you_mean(word, known);
    fail_usage("no command is called '{}'{}", word, hint.empty() ? ": vitro --help lists those there are" : hint);
}

}  // namespace

const Option& Option::required() const {
    option_->required();
    return *this;
}

const Option& Option::excludes(Option other) const {
    option_->excludes(other.option_);
    return *this;
}

const Option& Option::needs(Option other) const {
    option_->needs(other.option_);
    return *this;
}

Option Command::flag(const std::string& names, bool& value, const std::string& help) const {
    return Option(app_->add_flag_callback(
        names, [&value] { value = true; }, help));
}

Option Command::add(const std::string& names, Uses uses, std::function<void(const std::string&)> take,
                    const std::string& help, const std::string& kind) const {
    const std::string name = label_of(names, kind);
    const auto callback = [name, uses, take = std::move(take)](const CLI::results_t& texts) {
        if (uses == Uses::once && texts.size() > 1) fail_usage("{}: expected once, found {} times", name, texts.size());
        for (const std::string& text : texts) {
            try {
                take(text);
            } catch (const Error& error) {
                fail_usage("{}: {}", name, error.what());
            }
        }
        return true;
    };
    CLI::Option* option = app_->add_option(names, callback, help);
    option->type_name(kind)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    option->allow_extra_args(uses == Uses::several || (uses == Uses::often && option->get_positional()));
    return Option(option);
}

Option Command::option(const std::string& names, std::string& value, const std::string& help,
                       const std::string& kind) const {
    return add(
        names, Uses::once, [&value](const std::string& text) { value = text; }, help, kind);
}

Option Command::option(const std::string& names, std::filesystem::path& value, const std::string& help,
                       const std::string& kind) const {
    const auto take = [&value](const std::string& text) {
        if (text.empty()) fail("expected a path, found ''");
        value = text;
    };
    return add(names, Uses::once, take, help, kind);
}

Option Command::output(const std::string& names, std::filesystem::path& value, const std::string& help) const {
    const auto take = [&value](const std::string& text) {
        if (text.empty()) fail("expected a path, found ''");
        value = text == "-" ? "/dev/stdout" : text;
    };
    return add(names, Uses::once, take, help, "FILE");
}

Option Command::number(const std::string& names, int& value, WholeRange range, const std::string& help,
                       const std::string& kind) const {
    range.most = std::min<std::int64_t>(range.most, std::numeric_limits<int>::max());
    const auto take = [&value, range](const std::string& text) { value = static_cast<int>(parse_whole(text, range)); };
    return add(names, Uses::once, take, help, kind);
}

Option Command::number(const std::string& names, std::int64_t& value, WholeRange range, const std::string& help,
                       const std::string& kind) const {
    return add(
        names, Uses::once, [&value, range](const std::string& text) { value = parse_whole(text, range); }, help, kind);
}

Option Command::number(const std::string& names, std::optional<std::int64_t>& value, WholeRange range,
                       const std::string& help, const std::string& kind) const {
    return add(
        names, Uses::once, [&value, range](const std::string& text) { value = parse_whole(text, range); }, help, kind);
}

Option Command::number(const std::string& names, std::uint64_t& value, const std::string& help,
                       const std::string& kind) const {
    return add(
        names, Uses::once, [&value](const std::string& text) { value = parse_unsigned(text); }, help, kind);
}

Option Command::number(const std::string& names, float& value, NumberRange range, const std::string& help,
                       const std::string& kind) const {
    return add(
        names, Uses::once, [&value, range](const std::string& text) { value = parse_number(text, range); }, help, kind);
}

Option Command::choice(const std::string& names, std::string& value, const std::vector<std::string_view>& words,
                       const std::string& help) const {
    const auto take = [&value, words](const std::string& text) {
        if (std::find(words.begin(), words.end(), text) == words.end())
            fail("expected {}, found '{}'{}", fmt::join(words, ", "), text, did_you_mean(text, words));
        value = text;
    };
    return add(names, Uses::once, take, help, fmt::format("{}", fmt::join(words, "|")));
}

Option Command::list(const std::string& names, std::function<void(const std::string&)> take, const std::string& help,
                     const std::string& kind) const {
    const auto take_each = [take = std::move(take)](const std::string& texts) {
        std::string_view rest = texts;
        for (;;) {
            const std::size_t end = rest.find(',');
            std::string_view word = rest.substr(0, end);
            word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
            take(std::string(word.substr(0, word.find_last_not_of(' ') + 1)));
            if (end == std::string_view::npos) return;
            rest.remove_prefix(end + 1);
        }
    };
    return add(names, Uses::often, take_each, help, kind);
}

Option Command::list(const std::string& names, std::vector<std::int32_t>& values, const std::string& help,
                     const std::string& kind) const {
    // Whether the model has these tokens, the model says: also of negative ones.
    using Limits = std::numeric_limits<std::int32_t>;
    const auto take = [&values](const std::string& text) {
        values.push_back(static_cast<std::int32_t>(parse_whole(text, {Limits::min(), Limits::max()})));
    };
    return list(names, take, help, kind);
}

Option Command::repeated(const std::string& names, std::function<void(const std::string&)> take,
                         const std::string& help, const std::string& kind) const {
    return add(names, Uses::often, std::move(take), help, kind);
}

Option Command::several(const std::string& names, std::function<void(const std::string&)> take, const std::string& help,
                        const std::string& kind) const {
    return add(names, Uses::several, std::move(take), help, kind);
}

Option Command::checked(const std::string& names, std::function<void(const std::string&)> take, const std::string& help,
                        const std::string& kind) const {
    return add(names, Uses::once, std::move(take), help, kind);
}

CommandLine::CommandLine(const std::string& help) : app_(std::make_unique<CLI::App>(help)) {
    app_->formatter(std::make_shared<HelpFormatter>());
    app_->require_subcommand(0, 1);
}

CommandLine::~CommandLine() = default;

Command CommandLine::program() const { return Command(*app_); }

void CommandLine::add_text(const std::string& name, const std::string& help, std::function<std::string()> text) {
    CLI::Option* option = app_->add_flag_callback(
        name, [] { throw CLI::Success(); }, help);
    texts_.emplace_back(option, std::move(text));
}

Command CommandLine::add(const std::string& name, const std::string& help, std::function<int()> run) {
    CLI::App* command = app_->add_subcommand(name, help);
    commands_.emplace_back(command, std::move(run));
    return Command(*command);
}

std::function<int()> CommandLine::parse(int argc, const char* const* argv) const {
    const auto active = [&]() -> const CLI::App& {
        const auto chosen = app_->get_subcommands();
        return chosen.empty() ? *app_ : *chosen[0];
    };
    const auto refuse_unknown_words = [&] {
        if (const auto words = app_->remaining(true); !words.empty()) fail_unknown(*app_, active(), words[0]);
    };
    refuse_single_dashes(*app_, argc, argv);
    try {
        app_->parse(argc, argv);
    } catch (const CLI::Success& success) {
        std::string shown;
        for (const auto& [option, text] : texts_)
            if (option->count() > 0) shown += text() + "\n";
        if (success.get_name() == "CallForHelp") shown = app_->help();
        return [shown] {
            write_out(shown);
            return 0;
        };
    } catch (const CLI::ArgumentMismatch& error) {
        // "--predict: 1 required N missing" is the only one that these options lead to, but for --flag=value.
        const std::string what = error.what();
        const std::size_t colon = what.find(": 1 required ");
        if (colon == std::string::npos) fail_usage("{}: {}", active().get_name(), what);
        fail_usage("{}: expected a value, found nothing", what.substr(0, colon));
    } catch (const CLI::ParseError& error) {
        refuse_unknown_words();
        check_rules(active());
        fail_usage("{}", error.what());
    }
    for (const auto& [command, run] : commands_)
        if (command == &active()) return run;
    return [this] {
        write_err(app_->help());
        return 2;
    };
}

std::vector<CommandText> CommandLine::texts() const {
    std::vector<CommandText> out;
    const auto add = [&](const CLI::App& app) {
        CommandText text{app.get_name(), app.get_description(), {}};
        for (const CLI::Option* option : app.get_options()) {
            CommandText::OptionText one;
            for (const std::string& name : option->get_snames()) one.flags.push_back("-" + name);
            for (const std::string& name : option->get_lnames()) one.flags.push_back("--" + name);
            one.is_positional = option->get_positional();
            if (option->get_items_expected_max() > 0) one.kind = option->get_type_name();
            one.help = option->get_description();
            text.options.push_back(std::move(one));
        }
        out.push_back(std::move(text));
    };
    add(*app_);
    for (const auto& [command, run] : commands_) add(*command);
    return out;
}

}  // namespace vitro
