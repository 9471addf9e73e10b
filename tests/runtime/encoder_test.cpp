// Models that give vectors or scores of labels, against transformers (tests/golden, "encoders").
#include "backends/cpu/cpu_backend.h"
#include "frontend/config.h"
#include "frontend/json.h"
#include "frontend/pooling_config.h"
#include "ops/op_list.h"
#include "runtime/expect.h"
#include "runtime/generator.h"
#include "runtime/open_model.h"
#include "runtime/text_score.h"
#include "runtime/text_vectors.h"
#include "tests/frontend/gguf_files.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/runtime/golden_file.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

using namespace vitro;
using namespace vitro::test;

namespace {

struct Golden {
    std::string name;
    std::filesystem::path directory;
    std::vector<std::int32_t> tokens;
    std::vector<float> result;  // hidden states or scores, of each token or of the text
};

std::vector<Golden> encoders() {
    std::vector<Golden> out;
    for (const JsonValue& entry : JsonValue::read(source_path("tests/golden/golden.json")).at("encoders").array()) {
        const auto file = SafetensorsFile::open(source_path(entry.at("golden").string()));
        out.push_back({std::string(entry.at("name").string()), source_path(entry.at("model").string()),
                       values<std::int32_t>(file, "tokens"), values<float>(file, "result_f32")});
    }
    REQUIRE(out.size() >= 6);
    return out;
}

OpenModel open(const Golden& golden, std::string_view device = "cpu") {
    OpenOptions options{.device = std::string(device), .threads = 2};
    options.activation = DType::f32;
    options.model = {.context = 0, .max_sequences = 3, .all_logits = true};
    return open_model(golden.directory, options);
}

/// What a text gives, as the golden has it: every row, or that which stands for the text.
std::vector<float> result_of(const OpenModel& model, const std::vector<std::int32_t>& tokens) {
    const ModelConfig& config = model.config;
    std::vector<float> out;
    each_text(*model.model, {&tokens, 1}, config.head == Head::none ? Want::hidden_states : Want::logits,
              [&](std::size_t, std::span<const float> rows) {
                  const auto width = static_cast<std::size_t>(config.n_outputs());
                  if (config.head == Head::sequence_labels)
                      rows = config.is_causal ? rows.last(width) : rows.first(width);
                  out.assign(rows.begin(), rows.end());
              });
    return out;
}

double largest_error(std::span<const float> found, std::span<const float> expected) {
    double worst = found.size() == expected.size() ? 0 : 1e30;
    for (std::size_t i = 0; i < found.size() && worst < 1e30; ++i)
        worst = std::max(worst, std::isfinite(found[i]) ? std::abs(double(found[i]) - double(expected[i])) : 1e30);
    return worst;
}

}  // namespace

TEST_CASE("hidden states and scores of labels agree with transformers") {
    for (const Golden& golden : encoders()) {
        CAPTURE(golden.name);
        CHECK(largest_error(result_of(open(golden), golden.tokens), golden.result) <= 1e-4);
    }
}

TEST_CASE("the CUDA kernels, emulated, give them too") {
    std::vector<Golden> all = encoders();
    for (const Golden& golden : all) {
        CAPTURE(golden.name);
        CHECK(largest_error(result_of(open(golden, "cuda-emulated"), golden.tokens), golden.result) <= 1e-4);
    }
}

TEST_CASE("texts that share a step give what each gives alone") {
    for (const Golden& golden : encoders()) {
        CAPTURE(golden.name);
        const OpenModel model = open(golden);
        std::vector<std::vector<std::int32_t>> texts;
        for (const std::size_t length : {std::size_t{5}, golden.tokens.size(), std::size_t{1}, std::size_t{9}})
            texts.emplace_back(golden.tokens.begin(), golden.tokens.begin() + std::ptrdiff_t(length));
        std::vector<std::vector<float>> together(texts.size());
        each_text(
            *model.model, texts, model.config.head == Head::none ? Want::hidden_states : Want::logits,
            [&](std::size_t text, std::span<const float> rows) { together[text].assign(rows.begin(), rows.end()); });
        for (std::size_t i = 0; i < texts.size(); ++i)
            each_text(
                *model.model, {&texts[i], 1}, model.config.head == Head::none ? Want::hidden_states : Want::logits,
                [&](std::size_t, std::span<const float> rows) { CHECK(largest_error(together[i], rows) <= 1e-5); });
    }
}

TEST_CASE("a model whose tokens see what follows takes a text in one step only, and cannot write") {
    const Golden golden = encoders().front();
    const OpenModel open_model = open(golden);
    LanguageModel& model = *open_model.model;
    const StepPart part{.sequence = 0, .tokens = golden.tokens, .want = Want::hidden_states};
    model.step({&part, 1});
    CHECK_THROWS_WITH_AS(model.step({&part, 1}),
                         "sequence 0: expected it to be empty, since BertModel sees a text as a whole, found 23 tokens",
                         Error);
    model.truncate(0, 0);
    const StepPart wants_logits{.sequence = 0, .tokens = golden.tokens, .want = Want::logits};
    CHECK_THROWS_WITH_AS(model.step({&wants_logits, 1}),
                         "BertModel: expected a model with a head, such as a language model: this one gives hidden "
                         "states",
                         Error);
}

TEST_CASE("models without a next token are not taken for language models") {
    for (const Golden& golden : encoders()) {
        CAPTURE(golden.name);
        const OpenModel open_model = open(golden);
        LanguageModel& model = *open_model.model;
        const auto error = [&](const std::function<void()>& of) -> std::string {
            try {
                of();
            } catch (const Error& e) {
                return e.what();
            }
            return "(no error)";
        };
        const Head head = open_model.config.head;
        const bool has_head = head != Head::none;
        const std::string expected = open_model.config.architecture + ": expected a language model: this one gives " +
                                     (head == Head::none             ? "hidden states"
                                      : head == Head::language_model ? "tokens for places in a text"
                                                                     : "scores of labels");
        CHECK(error([&] { expect_language_model(open_model.config); }) == expected);
        CHECK(error([&] { generate_tokens(model, 0, golden.tokens, {}, [](auto, bool) { return true; }); }) ==
              expected);
        if (!has_head) continue;
        // Rows of scores are shorter than the vocabulary.
        CHECK(error([&] { score_text(model, nullptr, golden.tokens, 16); }) == expected);
        CHECK(error([&] { score_text(model, &model, golden.tokens, 16); }) == expected);
    }
}

TEST_CASE("vectors are means or single rows, of length 1 where that is asked for") {
    const Golden golden = encoders().front();
    const OpenModel model = open(golden);
    const std::vector<std::vector<std::int32_t>> texts{golden.tokens};
    const std::size_t width = static_cast<std::size_t>(model.config.hidden_size), rows = golden.result.size() / width;
    std::vector<double> mean(width);
    for (std::size_t i = 0; i < golden.result.size(); ++i) mean[i % width] += double(golden.result[i]) / double(rows);
    const auto vector = [&](Pooling::Kind kind, bool normalize) {
        return text_vectors(*model.model, texts, {.kind = kind, .normalize = normalize, .max_tokens = {}})[0];
    };
    CHECK(largest_error(vector(Pooling::Kind::mean, false), std::vector<float>(mean.begin(), mean.end())) <= 1e-4);
    CHECK(largest_error(vector(Pooling::Kind::first, false), std::span(golden.result).first(width)) <= 1e-4);
    CHECK(largest_error(vector(Pooling::Kind::last, false), std::span(golden.result).last(width)) <= 1e-4);
    const std::vector<float> unit = vector(Pooling::Kind::mean, true);
    CHECK(std::inner_product(unit.begin(), unit.end(), unit.begin(), 0.0) == doctest::Approx(1).epsilon(1e-5));
    CHECK(double(unit[3]) * mean[5] == doctest::Approx(double(unit[5]) * mean[3]).epsilon(1e-3));
}

TEST_CASE("similarities are cosines") {
    CHECK(similarities({{3, 0}, {0, 2}, {1, 1}})[1] == 0);
    CHECK(similarities({{3, 0}, {0, 2}, {1, 1}})[2] == doctest::Approx(std::sqrt(0.5)));
    CHECK(similarities({{3, 0}})[0] == 1);
    CHECK(similarities({{0, 0}})[0] == 0);
}

TEST_CASE("scores of labels are probabilities, that of a single one what the head gives") {
    for (const Golden& golden : encoders()) {
        const OpenModel model = open(golden);
        if (model.config.head != Head::sequence_labels) continue;
        CAPTURE(golden.name);
        CHECK(model.config.labels.size() == golden.result.size());
        const std::vector<float> scores =
            label_scores(*model.model, std::vector<std::vector<std::int32_t>>{golden.tokens})[0];
        double sum = 0;
        for (const float x : golden.result) sum += std::exp(double(x));
        REQUIRE(scores.size() == golden.result.size());
        for (std::size_t i = 0; i < scores.size(); ++i) {
            const double expected = scores.size() == 1 ? golden.result[i] : std::exp(double(golden.result[i])) / sum;
            CHECK(double(scores[i]) == doctest::Approx(expected).epsilon(1e-3));
        }
    }
}

TEST_CASE("a text's last token is the last that is no padding, and its first one where all are") {
    const OpenModel model =
        open_model(source_path("tests/golden/qwen3_sequence"),
                   {.device = "cpu", .threads = 1, .model = {.max_sequences = 8, .all_logits = true}});
    const auto scores = [&](const std::vector<std::int32_t>& tokens, std::optional<std::int64_t> padding) {
        return label_scores(*model.model, std::vector<std::vector<std::int32_t>>{tokens}, padding)[0];
    };
    CHECK(scores({5, 17, 3, 3}, 3) == scores({5, 17}, {}));
    CHECK(scores({5, 3, 17}, 3) == scores({5, 3, 17}, {}));
    CHECK(scores({3, 3}, 3) == scores({3}, {}));
    CHECK(scores({5, 17, 3}, {}) != scores({5, 17}, {}));
}

TEST_CASE("scores of any size have probabilities") {
    const auto of = [](std::vector<float> row, bool are_independent) {
        to_probabilities(row, are_independent);
        return row;
    };
    constexpr float kMost = std::numeric_limits<float>::max(), kNone = -std::numeric_limits<float>::infinity();
    using Row = std::vector<float>;
    CHECK(of({800, -800, 0, kMost, -kMost, kNone}, true) == Row{1, 0, 0.5f, 1, 0, 0});
    CHECK(of({800, kMost, -kMost, kNone}, false) == Row{0, 1, 0, 0});
    CHECK(of({kMost, kMost}, false) == Row{0.5f, 0.5f});
    CHECK(of({kNone, 3}, false) == Row{0, 1});
    CHECK(of({kNone, kNone}, false) == Row{0, 0});
    CHECK(of({kMost}, false) == Row{kMost});
    const Row row = of({1, 2, -3}, true);
    for (std::size_t i = 0; i < row.size(); ++i)
        CHECK(row[i] == doctest::Approx(1 / (1 + std::exp(-Row{1, 2, -3}[i]))));
}

TEST_CASE("the files of sentence-transformers say what a vector is made of") {
    const TempDir directory;
    ModelConfig encoder, decoder;
    encoder.is_causal = false;
    CHECK(read_pooling(directory.path(), encoder) == Pooling{Pooling::Kind::mean, true, {}});
    CHECK(read_pooling(directory.path(), decoder) == Pooling{Pooling::Kind::last, true, {}});
    std::filesystem::create_directory(directory / "1_Pooling");
    write_bytes(directory / "modules.json",
                R"([{"path": "", "type": "sentence_transformers.models.Transformer"},
                    {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}])");
    write_bytes(
        directory / "1_Pooling/config.json",
        R"({"word_embedding_dimension": 8, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})");
    write_bytes(directory / "sentence_bert_config.json", R"({"max_seq_length": 12})");
    CHECK(read_pooling(directory.path(), encoder) == Pooling{Pooling::Kind::first, false, 12});
    const auto refusal = [&] {
        try {
            read_pooling(directory.path(), encoder);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("none");
    };
    const std::filesystem::path prompts = directory / "config_sentence_transformers.json";
    write_bytes(prompts, R"({"prompts": {"query": "query: "}, "default_prompt_name": null})");
    CHECK(read_pooling(directory.path(), encoder).prompt.empty());
    write_bytes(prompts, R"({"prompts": {"query": "query: "}, "default_prompt_name": "query"})");
    CHECK(read_pooling(directory.path(), encoder) == Pooling{Pooling::Kind::first, false, 12, "query: "});
    write_bytes(directory / "1_Pooling/config.json", R"({"pooling_mode": "cls", "include_prompt": false})");
    CHECK(refusal() ==
          "config.json: \"include_prompt\": expected true, since a prompt's tokens are not told from those "
          "of a text, found false");
    write_bytes(prompts, R"({"default_prompt_name": "query"})");
    CHECK(refusal() == "config_sentence_transformers.json: expected the key \"prompts\", found no such key");
    std::filesystem::remove(prompts);
    CHECK(refusal() == "none");
    write_bytes(directory / "sentence_bert_config.json", R"({"max_seq_length": 12, "do_lower_case": true})");
    CHECK(refusal() ==
          "sentence_bert_config.json: \"do_lower_case\": expected false, since letters reach the tokenizer "
          "as they are, found true");
    write_bytes(directory / "1_Pooling/config.json", R"({"pooling_mode_max_tokens": true})");
    CHECK_THROWS_WITH_AS(read_pooling(directory.path(), encoder),
                         "config.json: \"pooling_mode_max_tokens\": expected pooling by mean_tokens, cls_token or "
                         "lasttoken, found true",
                         Error);
    write_bytes(directory / "modules.json",
                R"([{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}])");
    CHECK(refusal() ==
          "modules.json: \"[0].path\": expected an empty path, since the model is read from the directory "
          "itself, found \"0_Transformer\"");
    write_bytes(directory / "modules.json", R"([{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}])");
    CHECK_THROWS_WITH_AS(read_pooling(directory.path(), encoder),
                         "modules.json: \"[0].type\": expected a Transformer, Pooling or Normalize, found "
                         "\"sentence_transformers.models.Dense\"",
                         Error);
}

namespace {

/// BERT's directory as llama.cpp's converter writes it.
void write_bert(const std::filesystem::path& to, const Golden& golden) {
    const ModelConfig config = read_model_config(golden.directory);
    const auto size = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
    GgufBytes file;
    file.keys = {gguf_key("general.architecture", "bert"),
                 gguf_key("bert.vocab_size", size(config.vocab_size)),
                 gguf_key("bert.context_length", size(config.max_positions)),
                 gguf_key("bert.embedding_length", size(config.hidden_size)),
                 gguf_key("bert.block_count", size(config.n_layers)),
                 gguf_key("bert.feed_forward_length", size(config.intermediate_size)),
                 gguf_key("bert.attention.head_count", size(config.n_heads)),
                 gguf_key("bert.attention.layer_norm_epsilon", GgufType::f32,
                          little_endian(static_cast<float>(config.norm_eps))),
                 gguf_key("bert.pooling_type", 2),
                 gguf_key("tokenizer.ggml.token_type_count", size(config.n_token_types))};
    constexpr std::pair<std::string_view, std::string_view> kNames[] = {
        {"encoder.layer.", "blk."},
        {"attention.self.query", "attn_q"},
        {"attention.self.key", "attn_k"},
        {"attention.self.value", "attn_v"},
        {"attention.output.dense", "attn_output"},
        {"attention.output.LayerNorm", "attn_output_norm"},
        {"intermediate.dense", "ffn_up"},
        {"output.dense", "ffn_down"},
        {"output.LayerNorm", "layer_output_norm"},
        {"embeddings.LayerNorm", "token_embd_norm"},
        {"embeddings.word_embeddings", "token_embd"},
        {"embeddings.token_type_embeddings", "token_types"},
        {"embeddings.position_embeddings", "position_embd"},
    };
    Checkpoint checkpoint = Checkpoint::open(golden.directory);
    for (const std::string& name : checkpoint.names()) {
        if (name.starts_with("pooler.")) continue;
        const Tensor tensor = checkpoint.tensor(name);
        GgufTensorBytes entry{.name = name, .dims = {}, .type = 0, .offset = file.data.size()};
        for (const auto& [from, to_name] : kNames)
            if (const std::size_t at = entry.name.find(from); at != std::string::npos)
                entry.name.replace(at, from.size(), to_name);
        for (int i = tensor.rank; i > 0; --i) entry.dims.push_back(tensor.dim(i - 1));
        file.data.append(reinterpret_cast<const char*>(tensor.data), tensor.bytes());
        file.data.resize((file.data.size() + 31) / 32 * 32);
        file.tensors.push_back(entry);
    }
    write_bytes(to, file.bytes());
}

}  // namespace

TEST_CASE("BERT in a GGUF file gives the vectors of its directory, bit for bit, and says how to pool them") {
    const std::vector<Golden> all = encoders();
    const auto bert = std::find_if(all.begin(), all.end(), [](const Golden& each) { return each.name == "bert"; });
    REQUIRE(bert != all.end());
    const TempDir directory;
    Golden in_file = *bert;
    in_file.directory = directory / "bert.gguf";
    write_bert(in_file.directory, *bert);
    const OpenModel model = open(in_file), expected = open(*bert);
    CHECK(result_of(model, bert->tokens) == result_of(expected, bert->tokens));
    CHECK(read_pooling(in_file.directory, model.config) == Pooling{Pooling::Kind::first, true, {}});
}
