#include "frontend/tokenizer/post_processor.h"

#include <string_view>

namespace vitro {
namespace {

/// The tokens of a template such as [CLS] $A [SEP].
PostProcessor read_template(const JsonValue& value, std::int64_t vocab_size) {
    PostProcessor out;
    bool found_text = false;
    for (const JsonValue& item : value.at("single").array()) {
        if (const auto sequence = item.find("Sequence")) {
            if (found_text) sequence->refuse("the text once in the template");
            found_text = true;
            continue;
        }
        const JsonValue name = item.at("SpecialToken").at("id");
        const auto token = value.at("special_tokens").find(name.string());
        if (!token) name.refuse("one of \"special_tokens\"");
        for (const JsonValue& id : token->at("ids").array())
            (found_text ? out.after : out.before).push_back(static_cast<std::int32_t>(id.integer(0, vocab_size - 1)));
    }
    if (!found_text) value.at("single").refuse("a template with a Sequence");
    return out;
}

}  // namespace

PostProcessor read_post_processor(const JsonValue& value, std::int64_t vocab_size) {
    const JsonValue type = value.at("type");
    const std::string_view name = type.string();
    if (name == "ByteLevel") return {};  // it only moves offsets
    if (name == "TemplateProcessing") return read_template(value, vocab_size);
    if (name == "BertProcessing" || name == "RobertaProcessing") {
        const auto id_of = [&](std::string_view key) {
            const auto pair = value.at(key).array();
            if (pair.size() != 2) value.at(key).refuse("a token and its id");
            return static_cast<std::int32_t>(pair[1].integer(0, vocab_size - 1));
        };
        return {{id_of("cls")}, {id_of("sep")}};
    }
    if (name == "Sequence") {
        PostProcessor out;
        for (const JsonValue& step : value.at("processors").array()) {
            const PostProcessor around = read_post_processor(step, vocab_size);
            out.before.insert(out.before.begin(), around.before.begin(), around.before.end());
            out.after.insert(out.after.end(), around.after.begin(), around.after.end());
        }
        return out;
    }
    type.refuse("Sequence, TemplateProcessing, BertProcessing, RobertaProcessing or ByteLevel");
}

}  // namespace vitro
