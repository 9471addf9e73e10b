// An arena as a picture: offset against time, a rectangle for each block.
#pragma once

#include "graph/program.h"

#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// The blocks that are live at the node where most bytes are, largest first.
struct Peak {
    NodeId node = -1;  // -1: nothing is ever live
    std::size_t bytes = 0;
    std::vector<const Block*> blocks;
};
Peak peak_of(const Program& program, std::size_t device);

/// What a block holds: the paths of its values, or "scratch of …".
std::string contents_of(const Program& program, const Block& block);

/// 12345678 as "11.8 MiB".
std::string readable_bytes(std::size_t bytes);

/// One device's arena as SVG that needs nothing else; hovering over a block names it.
std::string arena_svg(const Program& program, std::size_t device, std::string_view title);

/// Such pictures in one, one below the other.
std::string stacked(const std::vector<std::string>& pictures);

}  // namespace vitro
