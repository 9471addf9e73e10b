// vitro embed: texts in, vectors out. vitro classify: texts in, scores of labels out.
#include "base/json_text.h"
#include "frontend/file.h"
#include "frontend/pooling_config.h"
#include "frontend/safetensors.h"
#include "runtime/text_vectors.h"
#include "tools/common.h"

#include <nlohmann/json.hpp>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
    ModelFlags model;
    std::vector<std::string> texts;
    std::filesystem::path file;
    std::vector<std::int32_t> tokens;  // in place of a text
    std::string pooling = "auto";
    bool similarity = false;
    bool keep_length = false;
    bool json = false;
    std::filesystem::path out;
};

/// Those of -p, or the lines of the file, or of stdin.
std::vector<std::string> read_texts(const Flags& flags) {
    if (!flags.texts.empty()) return flags.texts;
    TextFlags one{.text = {}, .file = flags.file};
    const std::string all = read_text(one);
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin <= all.size();) {
        const std::size_t end = std::min(all.find('\n', begin), all.size());
        std::string line = all.substr(begin, end - begin);
        if (line.ends_with('\r')) line.pop_back();
        if (!line.empty()) lines.push_back(std::move(line));
        begin = end + 1;
    }
    if (lines.empty()) fail_usage("expected a text, found none");
    return lines;
}

struct Inputs {
    std::vector<std::string> texts;  // none where token ids are given
    std::vector<std::vector<std::int32_t>> tokens;
};

/// `prompt` stands before every text.
Inputs read_inputs(const Flags& flags, std::int64_t max_tokens, const std::string& prompt = {}) {
    Inputs inputs;
    if (!flags.tokens.empty()) {
        inputs.tokens.push_back(flags.tokens);
        return inputs;
    }
    inputs.texts = read_texts(flags);
    const Tokenizer tokenizer = open_tokenizer(flags.model);
    for (const std::string& text : inputs.texts) inputs.tokens.push_back(tokenizer.encode(prompt + text));
    // What stands around a text stays when the text is cut.
    const std::size_t around = tokenizer.encode("").size(), most = static_cast<std::size_t>(max_tokens);
    for (std::size_t i = 0; i < inputs.tokens.size(); ++i) {
        auto& tokens = inputs.tokens[i];
        if (tokens.size() <= most || most < around) continue;
        const auto inner = tokenizer.encode(prompt + inputs.texts[i], false);
        const auto before = std::search(tokens.begin(), tokens.end(), inner.begin(), inner.end()) - tokens.begin();
        const auto surplus = static_cast<std::ptrdiff_t>(tokens.size() - most);
        const auto end = tokens.begin() + before + static_cast<std::ptrdiff_t>(inner.size());
        print_err("warning: text {} has {} tokens; the {} that the model takes are read\n", i + 1, tokens.size(), most);
        tokens.erase(end - surplus, end);
    }
    return inputs;
}

/// As many sequences as go together in a step.
LanguageModelOptions options_for(bool hidden_states) {
    LanguageModelOptions options;
    options.max_sequences = 8;
    options.all_logits = true;
    options.hidden_states = hidden_states;
    return options;
}

void write_matrix(const std::filesystem::path& out, const char* name, std::span<const std::int64_t> shape,
                  std::vector<float> values) {
    const NamedTensor tensor{name, Tensor(DType::f32, shape, values.data())};
    write_safetensors(out, {&tensor, 1});
    print_err("{}: {} f32 [{}, {}]\n", out.string(), name, shape[0], shape[1]);
}

void embed(const Flags& flags) {
    const OpenModel open = open_model(flags.model, options_for(true));
    Pooling pooling = read_pooling(flags.model.directory, open.config);
    if (flags.pooling != "auto")
        pooling.kind = flags.pooling == "mean"  ? Pooling::Kind::mean
                       : flags.pooling == "cls" ? Pooling::Kind::first
                                                : Pooling::Kind::last;
    if (flags.keep_length) pooling.normalize = false;
    const Inputs inputs = read_inputs(
        flags, std::min(pooling.max_tokens.value_or(open.model->context()), open.model->context()), pooling.prompt);
    const auto vectors = text_vectors(*open.model, inputs.tokens, pooling);
    const auto count = static_cast<std::int64_t>(vectors.size());
    if (flags.similarity) {
        const std::vector<float> all = similarities(vectors);
        const std::int64_t shape[] = {count, count};
        if (!flags.out.empty()) return write_matrix(flags.out, "similarity", shape, all);
        if (flags.json) {
            Json rows = Json::array();
            for (auto row = all.begin(); row != all.end(); row += count)
                rows.push_back(std::vector<float>(row, row + count));
            return print_out("{}\n", json_text(rows));
        }
        for (std::int64_t row = 0; row < count; ++row)
            for (std::int64_t column = 0; column < count; ++column)
                print_out("{:.4f}{}", all[static_cast<std::size_t>(row * count + column)],
                          column + 1 < count ? " " : "\n");
        return;
    }
    if (!flags.out.empty()) {
        std::vector<float> all;
        for (const auto& vector : vectors) all.insert(all.end(), vector.begin(), vector.end());
        const std::int64_t shape[] = {count, open.config.hidden_size};
        return write_matrix(flags.out, "embeddings", shape, std::move(all));
    }
    Json json = Json::array();
    for (std::size_t i = 0; i < vectors.size(); ++i) {
        Json entry;
        if (!inputs.texts.empty()) entry["text"] = inputs.texts[i];
        entry["tokens"] = inputs.tokens[i].size();
        entry["embedding"] = vectors[i];
        json.push_back(std::move(entry));
    }
    print_out("{}\n", json_text(json));
}

/// {"POSITIVE": 0.98, "NEGATIVE": 0.02}, the most probable first.
Json scores_of(std::span<const float> row, const std::vector<std::string>& labels) {
    std::vector<std::size_t> order(row.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
    Json json = Json::object();
    for (const std::size_t i : order) json[labels[i]] = row[i];
    return json;
}

void classify(const Flags& flags) {
    const OpenModel open = open_model(flags.model, options_for(false));
    const Inputs inputs = read_inputs(flags, open.model->context());
    const auto scores = label_scores(*open.model, inputs.tokens, open.generation.pad_token_id);
    const std::size_t width = open.config.labels.size();
    Json json = Json::array();
    for (std::size_t i = 0; i < scores.size(); ++i) {
        Json entry;
        if (!inputs.texts.empty()) entry["text"] = inputs.texts[i];
        if (open.config.head == Head::sequence_labels) {
            entry["scores"] = scores_of(scores[i], open.config.labels);
        } else {
            for (std::size_t row = 0; row < scores[i].size(); row += width)
                entry["tokens"].push_back(
                    {{"id", inputs.tokens[i][row / width]},
                     {"scores", scores_of(std::span(scores[i]).subspan(row, width), open.config.labels)}});
        }
        json.push_back(std::move(entry));
    }
    print_out("{}\n", json_text(json));
}

void add_inputs(const Command& command, Flags& flags) {
    add_model_flags(command, flags.model);
    const auto take = [&flags](const std::string& text) { flags.texts.push_back(text); };
    const Option text = command.repeated("-p,--prompt", take, "a text; may be repeated", "TEXT");
    const Option file = command.option("-f,--file", flags.file, "a file with a text in each line", "FILE");
    const Option tokens =
        command.list("--tokens", flags.tokens, "token ids in place of a text: no tokenizer is needed", "1,2,3");
    text.excludes(file);
    tokens.excludes(text).excludes(file);
}

}  // namespace

void add_embed(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("embed",
                 "print the vectors of texts as JSON\nExample: vitro embed -m all-MiniLM-L6-v2 -p \"A cat sat.\" -p "
                 "\"A dog ran.\" --similarity",
                 [flags] {
                     embed(*flags);
                     return 0;
                 });
    add_inputs(command, *flags);
    command.choice("--pooling", flags->pooling, {"auto", "mean", "cls", "last"},
                   "what becomes of the tokens' vectors: their mean, or that of the first or last token; auto, the "
                   "default: as the model's files say");
    command.flag("--no-normalize", flags->keep_length, "keep the vectors' length, whatever the files say");
    command.flag("--similarity", flags->similarity, "print the cosines of all pairs in place of the vectors");
    const Option json = command.flag("--json", flags->json, "print JSON: cosines, too; vectors are JSON without it");
    command.output("-o,--output", flags->out, "write a safetensors file instead: embeddings, or similarity, f32")
        .excludes(json);
}

void add_classify(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add("classify",
                                     "print the scores of a classifier's labels as JSON\nExample: vitro classify -m "
                                     "MODEL -p \"I loved it.\"",
                                     [flags] {
                                         classify(*flags);
                                         return 0;
                                     });
    add_inputs(command, *flags);
    command.flag("--json", flags->json, "print JSON, as without it");
}

}  // namespace vitro
