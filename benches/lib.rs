//! Holds the benches `stages` and `simd`.
