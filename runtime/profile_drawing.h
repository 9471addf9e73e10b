// Pictures of a profile, as SVG.
#pragma once

#include "runtime/profile.h"

#include <map>
#include <string>

namespace vitro {

/// What the steps of a phase reach against what a device can do: operations a second over operations for each byte,
/// both logarithmic, under the roof of its peaks (Williams, Waterman and Patterson 2009). A point for each row of
/// ProfileBy::path with operations, its area by its time.
std::string roofline_svg(const Profile& profile, Phase phase, const std::string& device,
                         const std::map<std::string, Peaks>& peaks);

/// The steps of one run in time, a lane for each device and one for the host, coloured by op.
std::string timeline_svg(const Profile& profile, const ProfiledRun& run);

}  // namespace vitro
