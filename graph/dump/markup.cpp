#include "graph/dump/markup.h"

namespace vitro {

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\n':
                out += "&#10;";
                break;
            default:
                // XML has no other control characters, not even as references.
                if (static_cast<unsigned char>(c) >= ' ' || c == '\t')
                    out += c;
                else
                    out += "\xef\xbf\xbd";
        }
    }
    return out;
}

}  // namespace vitro
