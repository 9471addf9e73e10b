// Chat templates for models that come without one, written for vitro: --chat-template names them.
#pragma once

#include <span>
#include <string_view>

namespace vitro {

struct ChatTemplate {
    std::string_view name;
    std::string_view source;  // Jinja
};

/// In alphabetical order.
std::span<const ChatTemplate> chat_templates();

}  // namespace vitro
