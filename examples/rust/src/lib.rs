//! Holds the examples of `examples/rust/examples/`.
