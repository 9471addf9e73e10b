// Where the axes of drawings have their numbers.
#pragma once

namespace vitro {

/// The distance between numbers 0, tick, 2 tick, … up to `most`, at most `count` of them behind the 0: 1, 2 or 5 times
/// a power of ten, from 1e-9 on.
inline double tick_of(double most, int count) {
    double power = 1e-9;
    while (true) {
        for (const double factor : {1.0, 2.0, 5.0})
            if (most / (factor * power) <= count) return factor * power;
        power *= 10;
    }
}

}  // namespace vitro
